"""A program's output, read in lines and frames within an allowance of time and bytes."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from nginxws.nodes.frames import Frame, Unexpected
from nginxws.nodes.limits import CONFIGURATION, FRAME, LINE, Allowance
from nginxws.nodes.transport import RemoteProcess

#: Seconds between two calls of ``on_wait``.
SLICE = 0.1
_CHUNK = 1 << 18
_HEADER = re.compile(rb"@([a-z]{1,16}) (0|[1-9][0-9]{0,9})")
#: Everything but the configuration itself is short.
_LIMITS = dict.fromkeys(("bytes", "before", "after"), CONFIGURATION)


class Silent(Exception):
    """The node is given up; the text says after what."""


class Output:
    """What a program says, byte for byte. ``on_wait`` is called every tenth of a second of waiting."""

    def __init__(self, process: RemoteProcess, allowed: Allowance) -> None:
        self.on_wait: Callable[[], None] | None = None
        self._process = process
        self._buffer = bytearray()
        self.allow(allowed)

    def allow(self, allowed: Allowance, *, continues: bool = False) -> None:
        """From here on this much more may come; what ``continues`` has what is left of the time."""
        self._allowed = allowed
        if not continues:
            self._waited = 0.0
        self._frames = 0
        self._size = 0

    @property
    def unread(self) -> bool:
        """Whether something has come that nobody has asked for."""
        return bool(self._buffer)

    def line(self, limit: int, silence: float) -> bytes:
        """The next line, of at most ``limit`` bytes, without its end. Raises as `frame`."""
        searched = 0
        while (end := self._buffer.find(b"\n", searched, limit + 1)) < 0:
            searched = len(self._buffer)
            if searched > limit:
                raise Unexpected("a line without end")
            self.more(silence)
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line

    def frame(self, silence: float) -> Frame:
        """The next frame.

        Raises Unexpected when what comes is none or too much, Silent when the node takes too long,
        and EOFError at the end.
        """
        header = self.line(LINE, silence)
        match = _HEADER.fullmatch(header)
        if match is None:
            raise Unexpected(f"unexpected answer {header[:40]!r}")
        kind, size = match[1].decode(), int(match[2])
        self._frames += 1
        if self._frames > self._allowed.frames:
            raise Unexpected(f"more than {self._allowed.frames} frames in one answer")
        limit = _LIMITS.get(kind, FRAME)
        if size > limit:
            raise Unexpected(f"a {kind} frame that announces {size} bytes, more than the {limit} allowed")
        while len(self._buffer) <= size:
            self.more(silence)
        if self._buffer[size] != ord("\n"):
            raise Unexpected(f"a {kind} frame longer than announced")
        with memoryview(self._buffer) as view:
            payload = bytes(view[:size])
        del self._buffer[: size + 1]
        return Frame(kind, payload)

    def more(self, silence: float) -> None:
        """Wait for more output, at most ``silence`` seconds. Raises as `frame`."""
        started = time.monotonic()
        data = self._read(started, min(silence, self._allowed.seconds - self._waited), silence)
        self._waited += time.monotonic() - started
        self._size += len(data)
        if not data:
            raise EOFError
        if self._size > self._allowed.size:
            raise Unexpected(f"more than {self._allowed.size} bytes in one answer")
        self._buffer += data

    def _read(self, started: float, patience: float, silence: float) -> bytes:
        while True:
            left = max(started + patience - time.monotonic(), 0.0)
            try:
                return self._process.read(_CHUNK, left if self.on_wait is None else min(left, SLICE))
            except TimeoutError as error:
                if self.on_wait is not None and left > SLICE:
                    self.on_wait()
                elif patience < silence:
                    raise Silent(f"its answer has no end after {self._allowed.seconds:.0f} s") from error
                else:
                    raise Silent(f"no answer for {silence:.0f} s") from error
