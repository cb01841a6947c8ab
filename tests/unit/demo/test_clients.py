"""What the demo's clients say when things aren't as they should be."""

from __future__ import annotations

import asyncio
import socket
from http import HTTPStatus

import pytest

from nginxws.demo import chat, clients
from nginxws.errors import NginxwsError


@pytest.fixture
def deaf() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_nobody_answers(deaf: int) -> None:
    url = f"ws://127.0.0.1:{deaf}/ws/"
    assert asyncio.run(clients.http_status("127.0.0.1", deaf, "/")) is None
    assert asyncio.run(clients.handshake_status(url)) is None

    async def scenario() -> None:
        async with clients.join(url, "Ada"):
            pytest.fail("there is nobody to join")

    with pytest.raises(NginxwsError, match="Ada can't open ws://") as error:
        asyncio.run(scenario())
    assert error.value.hint == f"try: nginxws probe {url}"


def test_somebody_answers_who_speaks_no_http() -> None:
    async def scenario() -> None:
        ended: asyncio.Queue[None] = asyncio.Queue()

        async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"220 mail.example.com\r\n")
            writer.close()
            await writer.wait_closed()
            ended.put_nowait(None)

        async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()
            await writer.wait_closed()
            ended.put_nowait(None)

        async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            assert await clients.http_status("127.0.0.1", port, "/") is None
            assert await clients.handshake_status(f"ws://127.0.0.1:{port}/ws/") is None
        async with await asyncio.start_server(silence, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            assert await clients.http_status("127.0.0.1", port, "/", timeout=0.05) is None
        for _ in range(3):
            await asyncio.wait_for(ended.get(), 5)

    asyncio.run(scenario())


def test_statuses() -> None:
    async def scenario() -> None:
        async with chat.serve() as port:
            assert await clients.http_status("127.0.0.1", port, "/") == HTTPStatus.OK
            assert await clients.handshake_status(f"ws://127.0.0.1:{port}/") == HTTPStatus.OK
            assert await clients.handshake_status(f"ws://127.0.0.1:{port}/nothing") == HTTPStatus.NOT_FOUND
            assert await clients.handshake_status(f"ws://127.0.0.1:{port}/ws/") == 101

    asyncio.run(scenario())


def test_a_refused_name_a_silence_and_an_end_are_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        async with chat.serve() as port:
            url = f"ws://127.0.0.1:{port}/ws/"
            with pytest.raises(NginxwsError, match="the chat answered: the name is empty"):
                async with clients.join(url, " "):
                    pytest.fail("that is no name")
            async with clients.join(url, "Ada") as ada:
                monkeypatch.setattr(clients, "TIMEOUT", 0.05)
                with pytest.raises(NginxwsError, match="no message came from the chat"):
                    await ada.hear()
                monkeypatch.undo()
                await ada.say("x" * (chat.MAX_FRAME + 1))
                with pytest.raises(NginxwsError, match="the chat's connection was closed"):
                    await ada.hear()

    asyncio.run(scenario())
