"""How long a node may refuse to take what it is sent."""

from __future__ import annotations

import time

from nginxws.errors import ConnectionFailed
from nginxws.nodes import limits


class Patience:
    """One piece of sending: it may stop for a while, and slowly it must end."""

    def __init__(self) -> None:
        self._began = self._moved = time.monotonic()

    def moved(self) -> None:
        """Some of it was taken."""
        self._moved = time.monotonic()

    def check(self, kept: int = 0) -> None:
        """Raise ConnectionFailed when it takes too long, or ``kept`` bytes of answer pile up meanwhile."""
        now = time.monotonic()
        if now - self._moved > limits.STALL:
            what = f"it takes nothing of what it is sent for {limits.STALL:.0f} s"
        elif now - self._began > limits.WORK:
            what = f"it has not taken what it was sent in {limits.WORK:.0f} s"
        elif kept > limits.REQUEST:
            what = f"it says more than {limits.REQUEST} bytes before it takes what it is sent"
        else:
            return
        raise ConnectionFailed(what, hint="is the network or the node stuck?")
