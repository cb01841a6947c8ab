"""A conversation with the node script (``script/``): one exec, requests in, frames out.

A frame is ``@KIND LENGTH\\n``, LENGTH bytes, ``\\n``. Everything a node sends is
bounded in size and time, and nothing it sends is trusted to be well formed.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from nginxws.errors import ConnectionFailed, NodeError, ProtocolError
from nginxws.nodes import script
from nginxws.nodes.sudo import Sudo
from nginxws.nodes.transport import RemoteProcess, Transport

#: Bytes that a login shell's profile may print before our script answers.
MAX_NOISE = 64 * 1024
#: Bytes of one frame; the whole configuration of a node travels in one.
MAX_FRAME = 256 * 1024 * 1024
#: Seconds without a byte from the node before we give it up. While it waits it says so every second.
SILENCE = 60.0
#: The same before the script's first word: a login profile that reads our input would wait for ever.
GREETING = 15.0
#: Seconds between two calls of ``on_wait``.
_SLICE = 0.1

_HEADER = re.compile(rb"@([a-z]{1,16}) (0|[1-9][0-9]{0,9})\Z")
_HELLO = re.compile(rb"@hello [0-9]{1,3}\Z")

#: Skips whatever precedes the sentinel line (an unread sudo password), then reads the script.
#: No single quotes, "!" or newlines: every login shell passes it on as it is.
#: With a sudo password, it first says that sudo took it.
_ACCEPTED = b"nginxws: root"
_BOOTSTRAP = (
    'while IFS= read -r l; do case $l in "NGINXWS "*) break;; esac; done; n=${l#NGINXWS }; '
    "s=$(dd bs=65536 count=$n iflag=fullblock,count_bytes 2>/dev/null || dd bs=1 count=$n 2>/dev/null); "
    'eval "$s"'
)


@dataclass(frozen=True, slots=True)
class Frame:
    """One answer of the node script."""

    kind: str
    payload: bytes

    @property
    def text(self) -> str:
        """The payload as text; bytes that aren't UTF-8 survive as surrogates."""
        return self.payload.decode("utf-8", "surrogateescape")

    @property
    def lines(self) -> list[str]:
        """The payload's lines, without line ends."""
        return self.text.split("\n")


@dataclass(frozen=True, slots=True)
class Done:
    """The last frame of a request: outcome, code word, text."""

    outcome: str
    code: str
    text: str


class Session:
    """the node script running on a node, ready for requests."""

    def __init__(
        self, transport: Transport, sudo: Sudo, *, name: str = "", text: bytes | None = None
    ) -> None:
        self.node = name or transport.name
        self._nonce = os.urandom(8).hex()
        self._buffer = bytearray()
        self._sudo = sudo
        self._greeted = False
        self._on_wait: Callable[[], None] | None = None
        password = sudo.first_line()
        greeting = f"echo {_ACCEPTED.decode()}; " if password else ""
        self._process: RemoteProcess = transport.run(sudo.wrap(["sh", "-c", greeting + _BOOTSTRAP]))
        if password:
            self._give(password)
        body = f"NONCE={self._nonce}\n".encode() + (script.script() if text is None else text)
        self._send(f"NGINXWS {len(body)}\n".encode() + body)

    def request(self, word: str, parameters: Iterable[tuple[str, str]], tail: bytes = b"") -> None:
        """Send one request; ``tail`` is raw bytes after its ``go`` line."""
        lines = [word]
        for key, value in parameters:
            if "\n" in value or "\0" in value:
                raise NodeError(f"a {key} can't hold a line end", node=self.node)
            lines.append(f"{key} {value}")
        text = "\n".join([*lines, "go", ""]).encode("utf-8", "surrogateescape")
        self._send(text + tail)

    def send_word(self, word: str) -> None:
        """Answer the script's ``ready``: ``commit`` or ``rollback REASON``."""
        self._send(" ".join(word.split()).encode("utf-8", "surrogateescape") + b"\n")

    def frames(
        self,
        on_frame: Callable[[Frame], None],
        *,
        silence: float = SILENCE,
        on_wait: Callable[[], None] | None = None,
    ) -> Done:
        """Pass each frame to ``on_frame`` until the request's last one, and return that.

        ``silence`` is how many seconds the node may say nothing at all; ``on_wait`` is
        called every tenth of a second of it.
        """
        self._on_wait = on_wait
        while True:
            frame = self.next_frame(silence)
            if frame.kind == "done":
                head, _, text = frame.text.partition("\n")
                outcome, _, code = head.partition(" ")
                return Done(outcome, code, text)
            on_frame(frame)

    def next_frame(self, silence: float = SILENCE) -> Frame:
        """The next frame. Raises ProtocolError, or ConnectionFailed at end of file."""
        if not self._greeted:
            self._greet(min(silence, GREETING))
        start = self._line_end(64, silence) + 1
        header = bytes(self._buffer[: start - 1])
        match = _HEADER.match(header)
        if match is None:
            raise self._nonsense(f"unexpected answer {header[:40]!r}")
        end = start + int(match[2])
        if end - start > MAX_FRAME:
            raise self._nonsense(f"the node announces {end - start} bytes")
        while len(self._buffer) <= end:
            self._read(silence)
        if self._buffer[end] != ord("\n"):
            raise self._nonsense(f"a {match[1].decode()} frame longer than announced")
        payload = bytes(self._buffer[start:end])
        del self._buffer[: end + 1]
        return Frame(match[1].decode(), payload)

    def close(self) -> None:
        """Say goodbye: end of file on stdin ends the script, and undoes what isn't committed."""
        self._process.close_stdin()

    def abort(self) -> None:
        """Drop the connection to the script; it restores by itself."""
        self._process.kill()

    def _greet(self, silence: float) -> None:
        seen, announced = 0, False
        while seen <= MAX_NOISE:
            line = self._take_line(MAX_NOISE, silence)
            if announced and re.fullmatch(rb"1 [0-9]+ " + self._nonce.encode(), line):
                self._greeted = True
                return
            # What a profile prints may lack its line end, so the greeting need not begin a line.
            announced = _HELLO.search(line) is not None
            seen += len(line) + 1
        raise self._nonsense("the login shell doesn't stop printing")

    def _give(self, password: bytes) -> None:
        """Hand sudo the password and nothing else until it is taken: what follows isn't a second try."""
        self._send(password)
        deadline = time.monotonic() + SILENCE
        while _ACCEPTED not in self._buffer:
            try:
                data = self._process.read(1 << 12, _SLICE)
            except TimeoutError as error:
                if b"try again" in self._process.stderr().lower():
                    self._process.close_stdin()  # sudo gives up, and says why
                elif time.monotonic() > deadline:
                    raise self._silent(SILENCE) from error
                continue
            if not data or len(self._buffer) > MAX_NOISE:
                raise self._ended()
            self._buffer += data

    def _take_line(self, limit: int, silence: float) -> bytes:
        end = self._line_end(limit, silence)
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line

    def _line_end(self, limit: int, silence: float) -> int:
        while (end := self._buffer.find(b"\n", 0, limit + 1)) < 0:
            if len(self._buffer) > limit:
                raise self._nonsense("a line without end")
            self._read(silence)
        return end

    def _send(self, data: bytes) -> None:
        # A program that ended early may have said why: reading tells, so a failed write doesn't.
        with contextlib.suppress(ConnectionFailed):
            self._process.write(data)

    def _read(self, silence: float) -> None:
        deadline = time.monotonic() + silence
        while True:
            left = max(deadline - time.monotonic(), 0.0)
            try:
                data = self._process.read(1 << 18, left if self._on_wait is None else min(left, _SLICE))
                break
            except TimeoutError as error:
                if left <= _SLICE or self._on_wait is None:
                    raise self._silent(silence) from error
                self._on_wait()
        if not data:
            raise self._ended()
        self._buffer += data

    def _silent(self, seconds: float) -> ConnectionFailed:
        hint = (
            "is the network or the node stuck?"
            if self._greeted
            else f"{_PROFILE_HINT}; or is the node stuck?"
        )
        return ConnectionFailed(f"no answer for {seconds:.0f} s", node=self.node, hint=hint)

    def _nonsense(self, what: str) -> ProtocolError:
        return ProtocolError(what, node=self.node, hint=_PROFILE_HINT)

    def _ended(self) -> Exception:
        """Why the script's output ended early: sudo, a missing shell, or a lost connection."""
        try:
            status = self._process.wait(2.0)
        except (TimeoutError, ConnectionFailed):
            status = None
        words = self._process.stderr().decode("utf-8", "replace").strip()
        if not self._greeted:
            refused = self._sudo.explain(words, self.node)
            if refused is not None:
                return refused
            return self._never_began(status, words)
        return ConnectionFailed(
            "the connection ended in the middle of the job",
            node=self.node,
            detail=words or None,
            hint=_LOST_HINT,
        )

    def _never_began(self, status: int | None, words: str) -> NodeError:
        """A shell says 126 or 127 when it can't run a program; other endings are the login shell's own."""
        message = f"the node can't run the script (exit status {status})"
        hint = "nginxws needs a POSIX sh as /bin/sh, and a login shell that runs commands"
        if status not in (126, 127):
            message = f"the login shell ended before it ran the script (exit status {status})"
            hint = _PROFILE_HINT
        return NodeError(message, node=self.node, detail=words or None, hint=hint)


_PROFILE_HINT = (
    "does a login profile on the node print, read or exit? "
    "`ssh NODE true </dev/null` must print nothing, and succeed"
)
_LOST_HINT = "run `nginxws recover` on this node: it says whether anything was left half done, and undoes it"
