"""Peers for the transports to talk to."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator

import pytest
from support.lines import Listener, TcpProxy


@pytest.fixture
def listener() -> Iterator[Callable[[Callable[[socket.socket], None]], Listener]]:
    """Start servers that do what a function does with each connection."""
    with contextlib.ExitStack() as stack:

        def start(serve: Callable[[socket.socket], None]) -> Listener:
            return stack.enter_context(contextlib.closing(Listener(serve)))

        yield start


@pytest.fixture
def echo_port(listener: Callable[[Callable[[socket.socket], None]], Listener]) -> int:
    """A port that sends back what it gets, and closes when its peer has."""

    def serve(connection: socket.socket) -> None:
        while data := connection.recv(65536):
            connection.sendall(data)

    return listener(serve).port


@pytest.fixture
def tcp_proxy() -> Iterator[Callable[[int], TcpProxy]]:
    """Put a `TcpProxy` in front of a port."""
    with contextlib.ExitStack() as stack:

        def start(port: int) -> TcpProxy:
            return stack.enter_context(contextlib.closing(TcpProxy(port)))

        yield start
