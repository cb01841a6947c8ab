"""An open WebSocket: echo, idleness, URLs, and the command."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from support.nginx import free_port

from nginxws.nodes.probe.handshake import ProbeRequest, ProbeResult, open_websocket, warm_up
from nginxws.nodes.probe.url import parse_url, probe_session, url_request
from nginxws.nodes.probe.websocket import echo, idle

if TYPE_CHECKING:
    from integration.probe.conftest import Balancer

HOST = "chat.example.com"

pytestmark = pytest.mark.nginx


def probe_url(url: str, **options: Any) -> ProbeResult:
    """One handshake with a URL, as the command does it."""
    target = parse_url(url)
    return probe_session(target, url_request(target, **options)).handshake


def test_echo(nginx: Balancer) -> None:
    for path, first in (("/ws/", "hällo"), ("/ws/greet", "welcome")):
        result, connection = open_websocket(nginx.dial("plain"), ProbeRequest(path=path, host=HOST))
        assert connection is not None, result
        said = echo(connection, "hällo", 5)
        connection.close()
        assert (said.ok, said.same, said.received[0]) == (True, True, first)


def test_no_echo(nginx: Balancer) -> None:
    _, connection = open_websocket(nginx.dial("plain"), ProbeRequest(path="/ws/mute", host=HOST))
    assert connection is not None
    said = echo(connection, "x", 0.2)
    connection.close()
    assert not said.ok
    assert said.message == "no message came back in 0.2 s"


def test_an_idle_websocket_lives(nginx: Balancer) -> None:
    _, connection = open_websocket(nginx.dial("plain"), ProbeRequest(path="/ws/", host=HOST))
    assert connection is not None
    result = idle(connection, 0.3)
    connection.close()
    assert result.lived, result
    assert 0.3 <= result.seconds < 2


def test_an_idle_websocket_is_cut_by_nginx(nginx: Balancer) -> None:
    _, connection = open_websocket(nginx.dial("plain"), ProbeRequest(path="/short/", host=HOST))
    assert connection is not None
    result = idle(connection, 30)
    connection.close()
    assert not result.lived
    assert 0.9 < result.seconds < 5
    assert "--read-timeout" in (result.hint or "")


def test_urls(nginx: Balancer) -> None:
    plain, tls = nginx.ports["plain"], nginx.ports["tls"]
    assert probe_url(f"ws://127.0.0.1:{plain}/ws/").ok
    assert probe_url(f"https://localhost:{tls}/ws/?a=b", ca_file=str(nginx.cert)).ok
    assert probe_url(f"wss://127.0.0.1:{tls}/ws/", verify=False).ok
    untrusted = probe_url(f"wss://localhost:{tls}/ws/")
    assert not untrusted.ok
    assert "--cacert FILE" in (untrusted.hint or "")
    refused = probe_url(f"ws://127.0.0.1:{free_port()}/")
    assert refused.message.startswith("nothing listens on 127.0.0.1:")


def test_a_session_with_all_tests(nginx: Balancer) -> None:
    target = parse_url(f"ws://127.0.0.1:{nginx.ports['plain']}/ws/greet")
    report = probe_session(target, url_request(target), echo_text="x", idle_s=0.1)
    assert report.ok
    assert report.echo is not None
    assert report.idle is not None
    assert report.echo.received == ("welcome", "x")


def test_warm_up_is_enough(nginx: Balancer) -> None:
    """Everything that a first probe imports is there after `warm_up`."""
    code = (
        "import sys; from nginxws.nodes import streams; from nginxws.nodes.probe import handshake as probe\n"
        "probe.warm_up(); before = set(sys.modules)\n"
        f"s = streams.dial_tcp('127.0.0.1', {nginx.ports['plain']}, 5)\n"
        f"r = probe.handshake(s, probe.ProbeRequest(path='/ws/', host='{HOST}'))\n"
        "assert r.ok, r\n"
        "new = {m for m in set(sys.modules) - before if m.startswith(('websockets', 'nginxws', 'ssl'))}\n"
        "assert not new, new"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)
    warm_up()
