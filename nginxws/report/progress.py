"""The steps of a job as they happen: a spinner on a terminal, lines with ``--verbose``, else nothing."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

from nginxws.printable import one_line
from nginxws.report.text import put

if TYPE_CHECKING:
    from rich.status import Status

#: What each step of the node script, and of this side, is called in progress.
STEPS = {
    "connect": "connecting",
    "snapshot": "reading the configuration",
    "history": "reading the revisions",
    "lock": "locking",
    "wait": "waiting for the lock",
    "stage": "staging",
    "test": "testing",
    "checkpoint": "storing the undo",
    "activate": "activating",
    "reload": "reloading",
    "prove": "waiting for the new workers",
    "probe": "probing the route",
    "commit": "committing",
    "restore": "restoring",
    "unlock": "looking at the lock",
    "ssh": "waiting for SSH",
    "look": "looking at the application",
    "restart": "restarting",
    "up": "waiting for the application",
    "outside": "trying the address from here",
    "take-back": "taking the change back",
    "reconnect": "the connection broke: reaching the node again",
}


class Progress:
    """Shows steps on stderr; a context manager. Threads may share it."""

    def __init__(self, *, verbose: bool, quiet: bool) -> None:
        self._verbose, self._quiet = verbose, quiet
        self._waited: set[str] = set()
        self._spin = not quiet and not verbose and sys.stderr.isatty()
        self._status: Status | None = None
        self._asking = False
        self._lock = threading.RLock()

    def on_node(self, node: str) -> Callable[[str, str], None]:
        """The callback for one node's steps."""
        return lambda step, words: self.step(node, step, words)

    def step(self, node: str, step: str, words: str = "") -> None:
        """A step begins; ``words`` say more about it."""
        text = STEPS.get(step) or one_line(step)
        extra = f" ({one_line(words)})" if words and not words.isdigit() else ""
        if self._verbose:
            put(f"{one_line(node)}: {text}{extra}", err=True)
        elif self._spin:
            self._update(f"{one_line(node)}: {text}{extra}")

    def waiting(self, node: str, why: str) -> None:
        """A node can't be reached yet. That may take minutes, so it is said once without a terminal, too."""
        if node not in self._waited and not (self._verbose or self._spin or self._quiet):
            put(f"{one_line(node)}: {STEPS['ssh']} ({one_line(why)})", err=True)
        self._waited.add(node)
        self.step(node, "ssh", why)

    def pause(self) -> None:
        """Take the spinner off the terminal, for a question or a message."""
        with self._lock:
            if self._status is not None:
                with contextlib.suppress(OSError):  # a terminal that went away stops no work
                    self._status.stop()
                self._status = None

    def asking(self, ask: Callable[[str], str | None]) -> Callable[[str], str | None]:
        """``ask``, with the terminal to itself: a spinner would draw over the question."""

        def alone(prompt: str) -> str | None:
            with self._lock:
                self._asking = True
                self.pause()
            try:
                return ask(prompt)
            finally:
                self._asking = False

        return alone

    def _update(self, text: str) -> None:
        from rich.console import Console
        from rich.markup import escape
        from rich.status import Status

        with self._lock, contextlib.suppress(OSError):
            if self._asking:
                return
            if self._status is None:
                self._status = Status(escape(text), console=Console(stderr=True))
                self._status.start()
            else:
                self._status.update(escape(text))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.pause()
