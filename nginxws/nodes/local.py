"""The machine we run on as a node (POSIX only: it waits on pipes with select)."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from nginxws.errors import ConnectionFailed
from nginxws.nodes.limits import REQUEST
from nginxws.nodes.patience import Patience
from nginxws.nodes.streams import SocketStream, dial_tcp
from nginxws.nodes.transport import STDERR_LIMIT

_CHUNK = 65536
_POLL = 0.02  # seconds between looks at a process whose pipes say nothing
_SLICE = 1.0  # seconds of waiting for room to write after which patience is looked at
_LOOKS = 64  # pieces of output taken when standard error is asked for
_GRACE = 2.0  # seconds a program gets to end by itself once its input has ended


class LocalTransport:
    """Programs and ports of this machine; see `Transport`."""

    def __init__(self, name: str = "local") -> None:
        self.name = name
        self._processes: list[LocalProcess] = []

    def run(self, argv: Sequence[str]) -> LocalProcess:
        if any("\0" in word for word in argv):
            raise ValueError("NUL in an argument")
        try:
            child = _start(argv)
        except OSError:
            # The shell says what is wrong and answers 127 or 126, as a login shell does over ssh.
            child = _start(["/bin/sh", "-c", 'exec "$@"', "sh", *argv])
        process = LocalProcess(child)
        self._processes.append(process)
        return process

    def dial(self, host: str, port: int, timeout: float) -> LocalStream:
        try:
            return LocalStream(dial_tcp(host, port, timeout), self.name)
        except OSError as exc:
            raise ConnectionFailed(
                f"can't connect to {host}:{port}: {exc.strerror or exc}",
                node=self.name,
                hint="is NGINX running, and listening there?",
            ) from exc

    def close(self) -> None:
        processes, self._processes = self._processes, []
        for process in processes:
            process.kill()
        for process in processes:
            process.reap()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _start(argv: Sequence[str]) -> subprocess.Popen[bytes]:
    # A session of its own: Ctrl-C in our terminal is ours to handle, the program only sees its input end.
    return subprocess.Popen(
        [os.fsencode(word) for word in argv],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        start_new_session=True,
    )


class LocalProcess:
    """A child process; see `RemoteProcess`."""

    def __init__(self, child: subprocess.Popen[bytes]) -> None:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stderr is not None
        self._child = child
        self._stdin, self._stdout, self._stderr = child.stdin, child.stdout, child.stderr
        self._out = bytearray()
        self._err = bytearray()
        self._hung_up = False
        os.set_blocking(self._stdin.fileno(), False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._stdout, selectors.EVENT_READ)
        self._selector.register(self._stderr, selectors.EVENT_READ)

    def write(self, data: bytes) -> None:
        if self._stdin.closed:
            if self._hung_up:
                raise ConnectionFailed("the program was hung up")
            raise ValueError("write after close_stdin")
        view = memoryview(data)
        try:
            view = view[self._stdin.write(view[:_CHUNK]) or 0 :]
            if not view:
                return
            self._selector.register(self._stdin, selectors.EVENT_WRITE)
            try:
                patience = Patience()
                while view:
                    if self._pump(_SLICE):
                        view = view[self._stdin.write(view[:_CHUNK]) or 0 :]
                        patience.moved()
                    patience.check(len(self._out))
            finally:
                self._selector.unregister(self._stdin)
        except BrokenPipeError as exc:
            raise ConnectionFailed("the program ended before it had read all its input") from exc

    def close_stdin(self) -> None:
        self._stdin.close()

    def read(self, size: int, timeout: float) -> bytes:
        deadline = time.monotonic() + timeout
        while not self._out and not self._stdout.closed:
            left = deadline - time.monotonic()
            self._pump(max(left, 0.0))
            if left <= 0 and not self._out and not self._stdout.closed:
                raise TimeoutError(f"no output for {timeout:g} s")
        taken = bytes(self._out[:size])
        del self._out[:size]
        return taken

    def stderr(self) -> bytes:
        for _ in range(_LOOKS):  # a program that never stops talking isn't waited for
            if self._stderr.closed or not self._pump_ready():
                break
        return bytes(self._err)

    def wait(self, timeout: float) -> int | None:
        deadline = time.monotonic() + timeout
        while self._child.poll() is None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"still running after {timeout:g} s")
            if (self._stdout.closed and self._stderr.closed) or len(self._out) > REQUEST:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._child.wait(left)
            else:
                self._pump(min(left, _POLL))
        return self._child.returncode if self._child.returncode >= 0 else None

    def kill(self) -> None:
        self._hung_up = True
        for pipe in (self._stdout, self._stderr):
            self._end(pipe)
        self._stdin.close()
        self._selector.close()

    def reap(self) -> None:
        """After `kill`: give the program time to end by itself, then a SIGTERM, never a SIGKILL.

        What it does after its input ended may be a restore; that must not be cut short.
        """
        try:
            self._child.wait(_GRACE)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._child.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(_GRACE)

    def _pump_ready(self) -> bool:
        """Take what is there now; False when nothing was."""
        before = len(self._out), len(self._err), len(self._selector.get_map())
        self._pump(0)
        return before != (len(self._out), len(self._err), len(self._selector.get_map()))

    def _pump(self, timeout: float | None) -> bool:
        """Take output for at most ``timeout`` seconds; True when the input has room."""
        writable = False
        if not self._selector.get_map():
            return False
        for key, _ in self._selector.select(timeout):
            if key.fileobj is self._stdin:
                writable = True
                continue
            pipe = self._stdout if key.fileobj is self._stdout else self._stderr
            data = os.read(pipe.fileno(), _CHUNK)
            if not data:
                self._end(pipe)
            elif pipe is self._stdout:
                self._out += data
            else:
                self._err += data[: STDERR_LIMIT - len(self._err)]
        return writable

    def _end(self, pipe: object) -> None:
        for mine in (self._stdout, self._stderr):
            if mine is pipe and not mine.closed:
                self._selector.unregister(mine)
                mine.close()


class LocalStream:
    """A socket whose trouble is ConnectionFailed, as on every other way to a node; see `ByteStream`."""

    def __init__(self, stream: SocketStream, node: str) -> None:
        self._stream = stream
        self._node = node

    def send(self, data: bytes) -> None:
        try:
            self._stream.send(data)
        except OSError as exc:
            raise self._broke("sending", exc) from exc

    def recv(self, size: int, timeout: float) -> bytes:
        try:
            return self._stream.recv(size, timeout)
        except TimeoutError:
            raise
        except OSError as exc:
            raise self._broke("receiving", exc) from exc

    def close(self) -> None:
        self._stream.close()

    def _broke(self, doing: str, error: OSError) -> ConnectionFailed:
        return ConnectionFailed(
            f"the connection broke while {doing}: {error.strerror or error}",
            node=self._node,
            hint="look at NGINX's error log: something ended this connection",
        )
