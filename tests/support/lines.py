"""TCP peers on loopback: a listener that does as told, and a proxy that can cut or freeze the line."""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
import time
from collections.abc import Callable


class Listener:
    """Accepts connections on a loopback port and hands each to ``serve`` in a thread."""

    def __init__(self, serve: Callable[[socket.socket], None]) -> None:
        self._serve = serve
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._connections: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                self._connections.append(connection)
                thread = threading.Thread(target=self._guarded, args=(connection,))
                self._threads.append(thread)
                thread.start()

    def _guarded(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            self._serve(connection)

    def close(self) -> None:
        for sock in (self._socket, *self._connections):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        for thread in self._threads:
            thread.join(10)


class TcpProxy:
    """Forwards to ``port`` until told to `cut` (both ends close) or `freeze` (nothing moves or ends).

    `stall` freezes the connections there are, and lets new ones through; `slow` makes every packet
    take so many seconds, either way.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self._delay = 0.0
        self._ends: list[socket.socket] = []
        self._lines = [self._new_line()]
        self._listener = Listener(self._serve)
        self.port = self._listener.port

    def _new_line(self) -> threading.Event:
        flowing = threading.Event()
        flowing.set()
        return flowing

    def _serve(self, near: socket.socket) -> None:
        flowing = self._lines[-1]
        far = socket.create_connection(("127.0.0.1", self._target))
        self._ends += [near, far]
        back = threading.Thread(target=self._pump, args=(far, near, flowing))
        back.start()
        self._pump(near, far, flowing)
        back.join(10)
        far.close()

    def _pump(self, source: socket.socket, sink: socket.socket, flowing: threading.Event) -> None:
        """Two threads: what is on its way for a while must not hold up what comes after it."""
        under_way: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
        delivery = threading.Thread(target=self._deliver, args=(under_way, sink, flowing))
        delivery.start()
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                under_way.put((time.monotonic() + self._delay, data))
        under_way.put((0.0, b""))
        delivery.join()

    def _deliver(
        self,
        under_way: queue.SimpleQueue[tuple[float, bytes]],
        sink: socket.socket,
        flowing: threading.Event,
    ) -> None:
        with contextlib.suppress(OSError):
            while (parcel := under_way.get())[1]:
                time.sleep(max(parcel[0] - time.monotonic(), 0.0))
                flowing.wait()
                sink.sendall(parcel[1])
        flowing.wait()  # on a frozen line nobody learns of an end, either
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def lead_to(self, port: int) -> None:
        """Where connections go from now on."""
        self._target = port

    def slow(self, seconds: float) -> None:
        self._delay = seconds

    def freeze(self) -> None:
        self._lines[-1].clear()

    def stall(self) -> None:
        self._lines.append(self._new_line())
        self._lines[-2].clear()

    def cut(self) -> None:
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.cut()
        for flowing in self._lines:
            flowing.set()
        self._listener.close()
