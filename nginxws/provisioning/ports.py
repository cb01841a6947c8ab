"""Whether an application serves: a connection to its port, made from its own node."""

from __future__ import annotations

import time
from collections.abc import Callable

from nginxws.counting import span
from nginxws.environment.wanted import WantedApp
from nginxws.errors import ConnectionFailed, NodeError
from nginxws.nodes.link import NodeLink

#: Seconds that one try may take.
_DIAL = 3.0
#: Seconds between the first tries; each pause is twice as long as the one before.
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 0.5


def listens(link: NodeLink, wanted: WantedApp) -> str | None:
    """None if something listens on the application's port, at its address or loopback; or why not.

    Raises NodeError where the SSH server lets nobody connect (AllowTcpForwarding).
    """
    why = ""
    for host in dict.fromkeys((wanted.host.strip("[]"), "127.0.0.1")):
        try:
            link.dial(host, wanted.port, _DIAL).close()
        except OSError as error:
            why = why or _words(link, error, f"{host}:{wanted.port}")
        else:
            return None
    return why


def until_listening(link: NodeLink, wanted: WantedApp, stopped: Callable[[], bool]) -> str | None:
    """Wait for the port, at most the application's ``ready_timeout``: None when it listens, or why not."""
    deadline = time.monotonic() + wanted.ready_timeout
    pause = _FIRST_PAUSE
    while (why := listens(link, wanted)) is not None:
        if stopped():
            return "stopped"
        if time.monotonic() + pause > deadline:
            return f"{wanted.name} isn't up after {span(wanted.ready_timeout)}: {why}"
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
    return None


def _words(link: NodeLink, error: OSError, place: str) -> str:
    cause = error.__cause__
    if isinstance(cause, ConnectionFailed) and "forbids" in cause.message:
        raise NodeError(cause.message, node=link.name, hint=cause.hint) from error
    if isinstance(error, ConnectionRefusedError):
        return f"nothing answers at {place}"
    return f"{place}: {error.strerror or error}"
