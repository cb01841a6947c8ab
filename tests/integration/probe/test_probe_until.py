"""Polling until a backend is there."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest
from support.nginx import free_port
from websockets.sync.server import Server, ServerConnection, serve

from nginxws.nodes.probe.handshake import ProbeRequest, probe_until
from nginxws.nodes.streams import SocketStream, dial_tcp

if TYPE_CHECKING:
    from integration.probe.conftest import Balancer

HOST = "chat.example.com"

pytestmark = pytest.mark.nginx


def drain(connection: ServerConnection) -> None:
    for _ in connection:
        pass


def test_probe_until_a_backend_comes_up(nginx: Balancer) -> None:
    """502 while nothing listens there; the backend comes up after the first answers."""
    request = ProbeRequest(path="/down/", host=HOST)
    dialled = 0
    backend: list[tuple[Server, threading.Thread]] = []

    def dial() -> SocketStream:
        nonlocal dialled
        dialled += 1
        if dialled == 3:
            server = serve(drain, "127.0.0.1", nginx.ports["dead"])
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            backend.append((server, thread))
        return nginx.dial("plain")

    try:
        result = probe_until(dial, request, 10)
    finally:
        for server, thread in backend:
            server.shutdown()
            thread.join()
    assert result.ok, result
    assert result.attempts == dialled == 3


def test_probe_until_stops_at_the_applications_answer(nginx: Balancer) -> None:
    result = probe_until(lambda: nginx.dial("plain"), ProbeRequest(path="/ws/401", host=HOST), 10)
    assert (result.status, result.attempts) == (401, 1)


def test_probe_until_gives_up(nginx: Balancer) -> None:
    started = time.monotonic()
    result = probe_until(lambda: nginx.dial("plain"), ProbeRequest(path="/down/", host=HOST), 0.3)
    assert (result.ok, result.status) == (False, 502)
    assert result.attempts > 2
    assert time.monotonic() - started < 2


def test_probe_until_nothing_listens() -> None:
    port = free_port()
    request = ProbeRequest(path="/", host=HOST, listener=f"127.0.0.1:{port} of lb2")
    result = probe_until(lambda: dial_tcp("127.0.0.1", port, 1), request, 0.1)
    assert (result.ok, result.status) == (False, None)
    assert result.message == f"nothing listens on 127.0.0.1:{port} of lb2"
    assert result.attempts > 1
