"""Sockets that talk, and the backend that echoes: a process of its own, so that it has a core to itself.

``python talkers.py HOST`` prints the backend's port. Then it reads orders, one a line: ``open PORT COUNT``
opens that many WebSockets through a balancer and prints ``ok`` once each has had an answer; ``close``
ends them all and prints what became of them as JSON. Frames are RFC 6455's, text and shorter than 126 bytes.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import sys
import time

#: Seconds between two messages of one socket.
PAUSE = 2.0
#: Seconds until a message counts as lost.
LOST = 120.0
#: Handshakes under way at once: a listener's queue is short.
AT_ONCE = 50
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3
_KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
_HANDSHAKE = (
    b"GET /live/ HTTP/1.1\r\nHost: chat.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + _KEY + b"\r\n\r\n"
)


def accept_of(key: bytes) -> bytes:
    """The Sec-WebSocket-Accept of a key (RFC 6455, section 4.2.2)."""
    return base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())


async def serve_echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection of the backend: the handshake, then every frame back."""
    with contextlib.suppress(OSError, asyncio.IncompleteReadError), contextlib.closing(writer):
        head = await reader.readuntil(b"\r\n\r\n")
        lines = dict(line.lower().partition(b": ")[::2] for line in head.split(b"\r\n"))
        key = next(
            line[19:].strip()
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"sec-websocket-key: ")
        )
        assert lines[b"upgrade"] == b"websocket"
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept_of(key) + b"\r\n\r\n"
        )
        while True:
            first, length = await reader.readexactly(2)
            mask = await reader.readexactly(4)
            payload = await reader.readexactly(length & 0x7F)
            clear = bytes(byte ^ mask[n % 4] for n, byte in enumerate(payload)) if any(mask) else payload
            writer.write(bytes([first, len(clear)]) + clear)
            if first & 0x0F == 8:  # close
                return


class Talkers:
    """All sockets of this process."""

    def __init__(self) -> None:
        self.sent = self.echoed = self.dropped = 0
        self.slowest = 0.0
        self.first_error = ""
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []
        self._few = asyncio.Semaphore(AT_ONCE)

    async def open(self, port: int, count: int) -> None:
        """Open more sockets; returns once each has had an answer."""
        ready = [asyncio.Event() for _ in range(count)]
        begin = len(self._tasks)
        self._tasks += [
            asyncio.create_task(self._guarded(begin + n, port, event)) for n, event in enumerate(ready)
        ]
        await asyncio.gather(*(event.wait() for event in ready))

    async def close(self) -> dict[str, object]:
        """Let every socket say its last word; what became of all."""
        self._stopping = True
        await asyncio.gather(*self._tasks)
        return {
            "sockets": len(self._tasks),
            "dropped": self.dropped,
            "sent": self.sent,
            "lost": self.sent - self.echoed,
            "slowest_seconds": round(self.slowest, 3),
            "first_error": self.first_error,
        }

    async def _guarded(self, number: int, port: int, ready: asyncio.Event) -> None:
        try:
            await self._talk(number, port, ready)
        except (OSError, EOFError, TimeoutError, ValueError) as error:
            self.dropped += 1
            self.first_error = self.first_error or f"socket {number}: {error!r}"
        finally:
            ready.set()

    async def _talk(self, number: int, port: int, ready: asyncio.Event) -> None:
        async with self._few:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(_HANDSHAKE)
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), LOST)
            if not head.startswith(b"HTTP/1.1 101 ") or accept_of(_KEY) not in head:
                raise ValueError(head[:60])
        with contextlib.closing(writer):
            count = 0
            while not self._stopping or not count:
                await self._say(f"{number} {count}".encode(), reader, writer)
                count += 1
                ready.set()
                await asyncio.sleep(PAUSE + number % 100 / 100)
            await self._say(b"the last word", reader, writer)

    async def _say(self, words: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        began = time.monotonic()
        writer.write(bytes([0x81, 0x80 | len(words)]) + bytes(4) + words)
        self.sent += 1
        head = await asyncio.wait_for(reader.readexactly(2), LOST)
        answer = await asyncio.wait_for(reader.readexactly(head[1]), LOST)
        if (head[0], answer) != (0x81, words):
            raise ValueError(f"{answer!r} came back for {words!r}")
        self.echoed += 1
        self.slowest = max(self.slowest, time.monotonic() - began)


async def main() -> None:
    server = await asyncio.start_server(serve_echo, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    talkers, loop = Talkers(), asyncio.get_running_loop()
    while words := (await loop.run_in_executor(None, sys.stdin.readline)).split():
        if words[0] == "close":
            print(json.dumps(await talkers.close()), flush=True)
            return
        await talkers.open(int(words[1]), int(words[2]))
        print("ok", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
