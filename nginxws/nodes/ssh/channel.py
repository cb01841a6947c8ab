"""Programs and connections on an SSH channel: what paramiko's Channel leaves open, closed.

paramiko's transport thread puts what arrives into the channel's buffers, up to the
window; nothing here needs a thread of its own.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

from nginxws.errors import ConnectionFailed
from nginxws.nodes.limits import REQUEST, STALL
from nginxws.nodes.patience import Patience
from nginxws.nodes.transport import STDERR_LIMIT

_CHUNK = 65536
_ENDED = "the program ended before it had read all its input"
_SLICE = 0.1  # seconds of waiting for output after which standard error is drained
_LOOKS = 64  # pieces of output taken at a time
_STALL = 0.05  # seconds without room to write after which we look whether the other side is stuck writing

Lost = Callable[[], ConnectionFailed | None]
"""Why the connection is gone; None while it isn't."""


class ChannelStream:
    """A direct-tcpip channel as a `ByteStream`."""

    def __init__(self, channel: Any, lost: Lost) -> None:
        self._channel = channel
        self._lost = lost

    def send(self, data: bytes) -> None:
        self._channel.settimeout(STALL)  # a window that never opens
        with _translated(self._lost, "the connection broke while sending"):
            self._channel.sendall(data)

    def recv(self, size: int, timeout: float) -> bytes:
        self._channel.settimeout(timeout)
        return _receive(self._channel, size, self._lost)

    def close(self) -> None:
        _close(self._channel)


class SshProcess:
    """A program on a session channel; see `RemoteProcess`."""

    def __init__(self, channel: Any, lost: Lost) -> None:
        self._channel = channel
        self._lost = lost
        self._out = bytearray()
        self._err = bytearray()
        self._input_ended = False

    def write(self, data: bytes) -> None:
        if self._input_ended:
            raise ValueError("write after close_stdin")
        view = memoryview(data)
        self._channel.settimeout(_STALL)
        patience = Patience()
        while view:
            patience.check(len(self._out))
            try:
                with _translated(self._lost, _ENDED):
                    sent = self._channel.send(bytes(view[:_CHUNK]))
            except TimeoutError:
                self._absorb()  # it may be stuck writing to us
                continue
            patience.moved()
            if not sent:
                raise self._lost() or ConnectionFailed(_ENDED)
            view = view[sent:]

    def close_stdin(self) -> None:
        self._input_ended = True
        with contextlib.suppress(Exception):  # the connection is gone, and so is the input
            self._channel.shutdown_write()

    def read(self, size: int, timeout: float) -> bytes:
        if not self._out:
            self._drain_stderr()
            data = self._receive(timeout)
            if len(data) <= size:
                return data
            self._out += data
        taken = bytes(self._out[:size])
        del self._out[:size]
        return taken

    def stderr(self) -> bytes:
        self._drain_stderr()
        return bytes(self._err)

    def wait(self, timeout: float) -> int | None:
        deadline = time.monotonic() + timeout
        while not self._channel.exit_status_ready():
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"still running after {timeout:g} s")
            self._absorb()
            self._channel.status_event.wait(min(left, _STALL))
        status: int = self._channel.exit_status
        if status != -1:
            return status
        if why := self._lost():
            raise why
        return None

    def kill(self) -> None:
        self._input_ended = True
        _close(self._channel)

    def _receive(self, timeout: float) -> bytes:
        """Next bytes of standard output. Waits in slices, so that standard error never fills the window."""
        deadline = time.monotonic() + timeout
        while True:
            left = deadline - time.monotonic()
            self._channel.settimeout(min(max(left, 0.0), _SLICE))
            try:
                return _receive(self._channel, _CHUNK, self._lost)
            except TimeoutError:
                self._drain_stderr()
                if left <= _SLICE:
                    raise TimeoutError(f"no output for {timeout:g} s") from None

    def _absorb(self) -> None:
        """Take what has come, so that the program can go on writing."""
        for _ in range(_LOOKS):
            if not self._channel.recv_ready() or len(self._out) > REQUEST:
                break
            self._out += self._channel.recv(_CHUNK)
        self._drain_stderr()

    def _drain_stderr(self) -> None:
        for _ in range(_LOOKS):  # a program that never stops talking isn't waited for
            if not self._channel.recv_stderr_ready():
                break
            self._err += self._channel.recv_stderr(_CHUNK)[: STDERR_LIMIT - len(self._err)]


def _receive(channel: Any, size: int, lost: Lost) -> bytes:
    with _translated(lost, "the connection broke while receiving"):
        data: bytes = channel.recv(size)
    # An end that the other side has said is an end; silence because the line is cut isn't.
    if not data and not channel.eof_received and (why := lost()):
        raise why
    return data


@contextlib.contextmanager
def _translated(lost: Lost, message: str) -> Iterator[None]:
    try:
        yield
    except TimeoutError:
        raise
    except Exception as exc:  # paramiko lets OSError, EOFError and SSHException through, each where it likes
        raise lost() or ConnectionFailed(message) from exc


def _close(channel: Any) -> None:
    with contextlib.suppress(Exception):  # the connection is gone, and so is the channel
        channel.close()
