"""A conversation with node.sh: one exec, requests in, frames out.

A frame is ``@KIND LENGTH\\n``, LENGTH bytes, ``\\n``. Everything a node sends is
bounded in size and time, and nothing it sends is trusted to be well formed.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from nginxws.errors import ConnectionFailed, NodeError, ProtocolError
from nginxws.nodes.sudo import Sudo
from nginxws.nodes.transport import RemoteProcess, Transport

#: Bytes that a login shell's profile may print before our script answers.
MAX_NOISE = 64 * 1024
#: Bytes of one frame; the whole configuration of a node travels in one.
MAX_FRAME = 256 * 1024 * 1024
#: Seconds without a byte from the node before we give it up.
SILENCE = 60.0

_HEADER = re.compile(rb"@([a-z]{1,16}) (0|[1-9][0-9]{0,9})\Z")

#: Skips whatever precedes the sentinel line (an unread sudo password), then reads the script.
#: No single quotes, "!" or newlines: every login shell passes it on as it is.
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


def script() -> bytes:
    """The node script, as shipped."""
    return Path(__file__).with_name("node.sh").read_bytes()


class Session:
    """node.sh running on a node, ready for requests."""

    def __init__(
        self, transport: Transport, sudo: Sudo, *, name: str = "", text: bytes | None = None
    ) -> None:
        self.node = name or transport.name
        self._nonce = os.urandom(8).hex()
        self._buffer = bytearray()
        self._sudo = sudo
        self._process: RemoteProcess = transport.run(sudo.wrap(["sh", "-c", _BOOTSTRAP]))
        body = f"NONCE={self._nonce}\n".encode() + (script() if text is None else text)
        self._process.write(sudo.first_line() + f"NGINXWS {len(body)}\n".encode() + body)
        self._greeted = False

    def request(self, word: str, parameters: Iterable[tuple[str, str]], tail: bytes = b"") -> None:
        """Send one request; ``tail`` is raw bytes after its ``go`` line."""
        lines = [word]
        for key, value in parameters:
            if "\n" in value or "\0" in value:
                raise NodeError(f"a {key} can't hold a line end", node=self.node)
            lines.append(f"{key} {value}")
        text = "\n".join([*lines, "go", ""]).encode("utf-8", "surrogateescape")
        self._process.write(text + tail)

    def send_word(self, word: str) -> None:
        """Answer the script's ``ready``: ``commit`` or ``rollback REASON``."""
        self._process.write(" ".join(word.split()).encode("utf-8", "surrogateescape") + b"\n")

    def frames(self, on_frame: Callable[[Frame], None], *, silence: float = SILENCE) -> Done:
        """Pass each frame to ``on_frame`` until the request's last one, and return that.

        ``silence`` is how many seconds the node may say nothing at all.
        """
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
            self._greet(silence)
        header = bytes(self._until_newline(64, silence))
        match = _HEADER.match(header)
        if match is None:
            raise ProtocolError(f"unexpected answer {header[:40]!r}", node=self.node, hint=_PROTOCOL_HINT)
        size = int(match[2])
        if size > MAX_FRAME:
            raise ProtocolError(f"the node announces {size} bytes", node=self.node, hint=_PROTOCOL_HINT)
        self._fill(size + 1, silence)
        payload = bytes(self._buffer[:size])
        del self._buffer[: size + 1]
        return Frame(match[1].decode(), payload)

    def close(self) -> None:
        """Say goodbye: end of file on stdin ends the script, and undoes what isn't committed."""
        self._process.close_stdin()

    def abort(self) -> None:
        """Drop the connection to the script; it restores by itself."""
        self._process.kill()

    def _greet(self, silence: float) -> None:
        want = f"1 {{}} {self._nonce}"
        seen = 0
        while True:
            line = bytes(self._until_newline(MAX_NOISE, silence))
            seen += len(line)
            if line.startswith(b"@hello "):
                words = bytes(self._until_newline(256, silence)).decode("ascii", "replace").split()
                if len(words) == 3 and want.format(words[1]) == " ".join(words):
                    self._greeted = True
                    return
            if seen > MAX_NOISE:
                raise ProtocolError(
                    "the login shell doesn't stop printing", node=self.node, hint=_PROTOCOL_HINT
                )

    def _until_newline(self, limit: int, silence: float) -> bytearray:
        while (end := self._buffer.find(b"\n", 0, limit + 1)) < 0:
            if len(self._buffer) > limit:
                raise ProtocolError("a line without end", node=self.node, hint=_PROTOCOL_HINT)
            self._read(silence)
        line = self._buffer[:end]
        del self._buffer[: end + 1]
        return line

    def _fill(self, size: int, silence: float) -> None:
        while len(self._buffer) < size:
            self._read(silence)

    def _read(self, silence: float) -> None:
        try:
            data = self._process.read(1 << 18, silence)
        except TimeoutError as error:
            raise ConnectionFailed(
                f"no answer for {silence:.0f} s", node=self.node, hint="is the network or the node stuck?"
            ) from error
        if not data:
            raise self._ended()
        self._buffer += data

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
            return NodeError(
                f"the node can't run the script (exit status {status})",
                node=self.node,
                detail=words or None,
                hint="nginxws needs a POSIX sh as /bin/sh, and a login shell that runs commands",
            )
        return ConnectionFailed(
            "the connection ended in the middle of the job",
            node=self.node,
            detail=words or None,
            hint=_LOST_HINT,
        )

    def read_until_closed(self) -> None:
        """Drain what is left, until the script has ended."""
        deadline = time.monotonic() + 5
        try:
            while time.monotonic() < deadline and self._process.read(1 << 16, 1.0):
                pass
        except (TimeoutError, ConnectionFailed):
            return


_PROTOCOL_HINT = "does a login profile on the node print or read anything? `ssh NODE true` must print nothing"
_LOST_HINT = "run `nginxws recover` on this node: it says whether anything was left half done, and undoes it"
