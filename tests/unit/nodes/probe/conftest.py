"""A byte stream that plays a script, for the probe's tests."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterable

import pytest

Item = bytes | Exception | Callable[[bytes], bytes]

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3


class Scripted:
    """Gives one item a recv: bytes, an exception to raise, or what a function makes of the bytes sent.

    After the script comes the end. A piece larger than asked for comes in several.
    """

    def __init__(self, items: Iterable[Item] = (), *, send_error: Exception | None = None) -> None:
        self.items = list(items)
        self.send_error = send_error
        self.sent = b""
        self.closed = 0
        self.received = 0

    def send(self, data: bytes) -> None:
        if self.send_error is not None:
            raise self.send_error
        self.sent += data

    def recv(self, size: int, timeout: float) -> bytes:
        assert timeout > 0
        if not self.items:
            return b""
        item = self.items.pop(0)
        if isinstance(item, Exception):
            raise item
        data = item if isinstance(item, bytes) else item(self.sent)
        if len(data) > size:
            self.items.insert(0, data[size:])
        self.received += len(data[:size])
        return data[:size]

    def close(self) -> None:
        self.closed += 1


def upgrade(sent: bytes) -> bytes:
    """The right 101 for the request in ``sent``."""
    key = re.search(rb"Sec-WebSocket-Key: (\S+)", sent)
    assert key is not None
    accept = base64.b64encode(hashlib.sha1(key[1] + GUID).digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )


@pytest.fixture(scope="session")
def scripted() -> type[Scripted]:
    return Scripted


@pytest.fixture(scope="session")
def upgraded() -> Callable[[bytes], bytes]:
    return upgrade
