"""Signals of the whole program: they end a command as Ctrl-C does, until there is nothing left to undo."""

from __future__ import annotations

import signal

_ENDING = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP
_installed: list[int] = []


def install() -> None:
    """SIGTERM, and a terminal that goes away, end a command as Ctrl-C does: undone, exit code 130."""
    for name in _ENDING:
        number = getattr(signal, name, None)
        if number is None or signal.getsignal(number) is signal.SIG_IGN:  # nohup stays nohup
            continue
        signal.signal(number, signal.default_int_handler)
        _installed.append(number)


def settled() -> None:
    """What was to be done is done, or undone: from here on a signal could only make the report untrue.

    Does nothing unless the program installed its handlers.
    """
    for number in _installed:
        signal.signal(number, signal.SIG_IGN)
