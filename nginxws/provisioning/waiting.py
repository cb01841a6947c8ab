"""Wait until every node can be reached by SSH: machines that were just made come up one by one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from nginxws.counting import span
from nginxws.errors import AuthenticationFailed, ConnectionFailed, HostKeyError, NginxwsError
from nginxws.nodes.link import NodeLink

#: Called with a node's name, and what it is waited for.
OnWait = Callable[[str, str], None]

#: Seconds between two tries.
_PAUSE = 0.5


def open_all(links: Sequence[NodeLink], seconds: float, on_wait: OnWait) -> list[NginxwsError | None]:
    """Connect to all nodes at once; what kept each from it, None for those that are connected.

    For ``seconds`` it is tried again where nobody answers. A login that is refused, and a host key that isn't
    right, are errors at once: no waiting mends them.
    """
    stop = threading.Event()
    waits = [_Wait(link, seconds, stop, on_wait) for link in links]
    try:
        for one in waits:
            one.thread.join()
    finally:
        stop.set()
    return [one.error for one in waits]


class _Wait:
    """One node being connected to, in a thread."""

    def __init__(self, link: NodeLink, seconds: float, stop: threading.Event, on_wait: OnWait) -> None:
        self.error: NginxwsError | None = None
        self._link = link
        self._seconds = seconds
        self._stop = stop
        self._on_wait = on_wait
        self.thread = threading.Thread(target=self._run, name=f"open {link.name}", daemon=True)
        self.thread.start()

    def _run(self) -> None:
        deadline = time.monotonic() + self._seconds
        while not self._stop.is_set():
            try:
                self._link.open()
                return
            except (AuthenticationFailed, HostKeyError) as error:
                return self._give_up(error)
            except ConnectionFailed as error:
                left = deadline - time.monotonic()
                if left <= 0:
                    return self._give_up(self._told(error))
                self._on_wait(self._link.name, error.message)
                self._stop.wait(min(_PAUSE, left))
            except NginxwsError as error:
                return self._give_up(error)
        return None

    def _give_up(self, error: NginxwsError) -> None:
        error.node = error.node or self._link.name
        self.error = error

    def _told(self, error: ConnectionFailed) -> ConnectionFailed:
        if not self._seconds:
            return error
        return ConnectionFailed(
            f"no SSH within {span(int(self._seconds))}: {error.message}",
            node=error.node,
            detail=error.detail,
            hint=f"--wait allows for more; {error.hint}" if error.hint else "--wait allows for more",
        )
