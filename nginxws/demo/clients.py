"""What the demo asks through the balancer, as any client would: HTTP, a handshake, a chat."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from nginxws.errors import NginxwsError

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

TIMEOUT: Final = 5.0  # seconds, for anything on loopback
REPORT: Final = "this should not happen: please report it, with all of the output"


async def http_status(host: str, port: int, path: str, timeout: float = TIMEOUT) -> int | None:
    """The status code of a plain GET, or None when nobody answers within ``timeout`` seconds."""
    request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    try:
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(request.encode())
                words = (await reader.readline()).split()
            finally:
                writer.close()
                with suppress(OSError):  # how the connection ends changes nothing
                    await writer.wait_closed()
    except (OSError, TimeoutError):
        return None
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else None


async def handshake_status(url: str) -> int | None:
    """The status code a handshake (RFC 6455, 4.1) ends with: 101 is success, None is no proper answer."""
    from websockets.exceptions import InvalidHandshake, InvalidStatus

    try:
        async with _connected(url):
            return 101
    except InvalidStatus as error:
        return error.response.status_code
    except (InvalidHandshake, OSError, TimeoutError):
        return None


class ChatClient:
    """Somebody who has joined the chat; see :func:`join`."""

    def __init__(self, connection: ClientConnection, name: str, people: list[str]) -> None:
        self.name = name
        self.people = people
        self._connection = connection

    async def say(self, text: str) -> None:
        """Send a message to everybody."""
        await self._connection.send(json.dumps({"type": "say", "text": text}))

    async def hear(self) -> tuple[str, str]:
        """The next message: who said it, and what.

        Raises:
            NginxwsError: none came, or something else did.
        """
        message = await _receive(self._connection, "message")
        return message["from"], message["text"]


@asynccontextmanager
async def join(url: str, name: str) -> AsyncIterator[ChatClient]:
    """Join the chat at ``url`` (``ws://…``) under ``name``, and leave it at the end.

    Raises:
        NginxwsError: there is no way in.
    """
    from websockets.exceptions import InvalidHandshake

    try:
        connection = await _connected(url)
    except (InvalidHandshake, OSError, TimeoutError) as error:
        raise NginxwsError(f"{name} can't open {url}: {error}", hint=f"try: nginxws probe {url}") from error
    try:
        await connection.send(json.dumps({"type": "join", "name": name}))
        welcome = await _receive(connection, "welcome")
        yield ChatClient(connection, welcome["name"], welcome["people"])
    finally:
        await connection.close()


def _connected(url: str) -> Any:
    """A connection as an awaitable or async context manager; never by way of a proxy."""
    from websockets.asyncio.client import connect

    return connect(url, open_timeout=TIMEOUT, close_timeout=1, proxy=None)


async def _receive(connection: ClientConnection, kind: str) -> dict[str, Any]:
    """The next frame of that kind; news of people coming and going in between is passed over."""
    from websockets.exceptions import ConnectionClosed

    try:
        async with asyncio.timeout(TIMEOUT):
            while True:
                frame: dict[str, Any] = json.loads(await connection.recv())
                if frame["type"] == kind:
                    return frame
                if frame["type"] == "error":
                    raise NginxwsError(f"the chat answered: {frame['message']}", hint=REPORT)
    except ConnectionClosed as error:
        raise NginxwsError(f"the chat's connection was closed: {error}", hint=REPORT) from error
    except TimeoutError:
        raise NginxwsError(f"no {kind} came from the chat within {TIMEOUT:g} s", hint=REPORT) from None
