"""Real WebSocket backends and clients (the ``websockets`` package) in threads of their own."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

from websockets.sync.client import ClientConnection, connect
from websockets.sync.server import Server, ServerConnection, serve

if TYPE_CHECKING:
    from websockets.http11 import Request, Response


@dataclass
class Backend:
    """An echo server that remembers the headers of every handshake."""

    port: int
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    #: None: accept every handshake; a status: answer with it.
    refuse_with: HTTPStatus | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def last_headers(self) -> dict[str, str]:
        return self.requests[-1][1]


@contextmanager
def echo_backend(refuse_with: HTTPStatus | None = None) -> Iterator[Backend]:
    """Serve on a free loopback port until the block ends."""
    backend = Backend(0, refuse_with=refuse_with)

    def on_request(connection: ServerConnection, request: Request) -> Response | None:
        backend.requests.append((request.path, {k.lower(): v for k, v in request.headers.raw_items()}))
        if backend.refuse_with is not None:
            return connection.respond(
                backend.refuse_with, f"the application says {backend.refuse_with.value}\n"
            )
        return None

    def echo(connection: ServerConnection) -> None:
        for message in connection:
            connection.send(message)

    server: Server
    with serve(echo, "127.0.0.1", 0, process_request=on_request, ping_interval=None) as server:
        backend.port = server.socket.getsockname()[1]
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield backend
        finally:
            server.shutdown()
            thread.join(5)


def echoes(port: int, path: str = "/ws/", host: str = "chat.example.com") -> bool:
    """Whether words sent through the balancer come back over a new WebSocket."""
    with open_socket(port, path, host) as client:
        client.send(f"to {path}")
        return client.recv(10) == f"to {path}"


def open_socket(port: int, path: str = "/ws/", host: str = "chat.example.com") -> ClientConnection:
    """A WebSocket through the balancer on ``port``; pings off."""
    return connect(
        f"ws://{host}:{port}{path}",
        sock=socket.create_connection(("127.0.0.1", port), timeout=10),
        open_timeout=10,
        ping_interval=None,
        proxy=None,
    )
