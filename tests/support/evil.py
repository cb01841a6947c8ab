"""A node that says anything: a made-up process below the session, and a clock that only it moves."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

from nginxws.nodes.transport import ByteStream

#: A piece of output, or so many seconds of silence.
Piece = bytes | float


class Clock:
    """Seconds that pass only while somebody waits for the node."""

    def __init__(self) -> None:
        self.now = 0.0

    def module(self) -> Any:
        """What stands in for the module ``time``."""
        return SimpleNamespace(monotonic=lambda: self.now)


class EvilProcess:
    """Says the pieces that ``answer`` makes of the nonce, and remembers what it was told."""

    def __init__(self, answer: Callable[[str], Iterable[Piece]], clock: Clock, errors: bytes = b"") -> None:
        self._answer = answer
        self._clock = clock
        self._errors = errors
        self._pieces: Iterator[Piece] | None = None
        self._pause = 0.0
        self.heard = b""
        self.given = 0
        self.killed = False

    def write(self, data: bytes) -> None:
        self.heard += data
        nonce = re.search(rb"NONCE=([0-9a-f]+)\n", self.heard)
        if self._pieces is None and nonce is not None:
            self._pieces = iter(self._answer(nonce[1].decode()))

    def close_stdin(self) -> None:
        self.heard += b"<end>"

    def read(self, size: int, timeout: float) -> bytes:
        assert self._pieces is not None
        if not self._pause:
            piece = next(self._pieces, b"")
            if isinstance(piece, bytes):
                self.given += len(piece)
                return piece
            self._pause = piece
        if self._pause > timeout:
            self._pause -= timeout
            self._clock.now += timeout
            raise TimeoutError
        self._clock.now += self._pause
        self._pause = 0.0
        return self.read(size, timeout)

    def stderr(self) -> bytes:
        return self._errors

    def wait(self, timeout: float) -> int | None:
        raise TimeoutError

    def kill(self) -> None:
        self.killed = True


class EvilTransport:
    """Runs only ever this process."""

    name = "evil"

    def __init__(self, process: EvilProcess) -> None:
        self.process = process

    def run(self, argv: object) -> EvilProcess:
        return self.process

    def dial(self, host: str, port: int, timeout: float) -> ByteStream:
        raise AssertionError("nobody dials")

    def close(self) -> None:
        """Nothing to close."""

    def __enter__(self) -> EvilTransport:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to close."""


Said = tuple[str, bytes]
"""A frame: its kind and its payload."""


def frame(kind: str, payload: bytes) -> bytes:
    return b"@%s %d\n%s\n" % (kind.encode(), len(payload), payload)


def hello(nonce: str) -> bytes:
    return frame("hello", f"1 42 {nonce}".encode())


def told(said: Iterable[Said]) -> Callable[[str], Iterator[Piece]]:
    """The greeting, then these frames."""

    def answer(nonce: str) -> Iterator[Piece]:
        yield hello(nonce)
        for kind, payload in said:
            yield frame(kind, payload)

    return answer


MAIN = b"events { }\nhttp {\n    server {\n        listen 80;\n    }\n}\n"


def files(texts: dict[str, bytes]) -> list[Said]:
    """What the script says of configuration files."""

    def lines(words: Iterable[str]) -> bytes:
        return "\n".join(words).encode()

    return [
        ("paths", lines(texts)),
        ("reals", lines(texts)),
        ("stats", lines(f"{len(data)} 644 0 0 1" for data in texts.values())),
        ("access", lines("w" for _ in texts)),
        ("bytes", b"".join(texts.values())),
        ("sums", lines(hashlib.sha256(data).hexdigest() for data in texts.values())),
    ]


def snapshot(texts: dict[str, bytes] | None = None, more: Sequence[Said] = ()) -> list[Said]:
    """An honest node's answer to ``snapshot``."""
    return [
        ("nginx", b"/nginx\n/etc/n.conf\n/etc/n.conf\n\n/run/pid\n/etc/n.conf\nnginx version: nginx/1.22.1"),
        *more,
        ("processes", b"7\n8 serving\n9 draining"),
        ("host", b"0 root\nflock"),
        ("sockets", b"0.0.0.0:80\n"),
        ("state", b"/var/lib/nginxws/x\n"),
        *files({"/etc/n.conf": MAIN} if texts is None else texts),
        ("done", b"ok snapshot\n"),
    ]


_STEPS = [f"{name}" for name in ("lock", "stage 1", "test after activation", "checkpoint", "activate 1")]
LIVE: list[Said] = [("step", name.encode()) for name in (*_STEPS, "reload", "prove")]
COMMITTED: list[Said] = [
    *LIVE,
    ("ready", b"8 serving"),
    ("step", b"commit"),
    ("done", b"committed 3\n8 serving\ngenerations 0 0"),
]
RESTORED: list[Said] = [
    *LIVE,
    ("ready", b"8 serving"),
    *[("step", name) for name in (b"restore", b"reload", b"prove")],
    ("done", b"restored probe\n no"),
]
RECOVERED: list[Said] = [
    ("step", b"lock"),
    ("last", b"2 abcd"),
    ("step", b"restore"),
    ("done", b"restored recovery\ninterrupted"),
]
