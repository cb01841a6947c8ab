"""Signals of the whole program: they end a command as Ctrl-C does, until there is nothing left to undo."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

_ENDING = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP
#: Seconds until a lost interruption comes again; callbacks of the interpreter are much shorter.
_AGAIN: Final = 0.02
_installed: list[int] = []
_noted: list[int] = []


def install() -> None:
    """SIGTERM, and a terminal that goes away, end a command as Ctrl-C does: undone, exit code 130.

    An interruption within a callback of the interpreter, like those of its imports, would be printed and
    forgotten: it is raised again when the callback is over.
    """
    for name in _ENDING:
        number = getattr(signal, name, None)
        if number is None or signal.getsignal(number) is signal.SIG_IGN:  # nohup stays nohup
            continue
        signal.signal(number, signal.default_int_handler)
        _installed.append(number)
    sys.unraisablehook = _unraisable


def hold() -> None:
    """From here on a signal is only noted, until `release` or `settled`."""
    _noted.clear()
    for number in _installed:
        signal.signal(number, lambda number, _frame: _noted.append(number))


def release() -> bool:
    """Signals end the command again; whether one came since `hold`."""
    for number in _installed:
        signal.signal(number, signal.default_int_handler)
    return bool(_noted)


def settled() -> None:
    """What was to be done is done, or undone: from here on a signal could only make the report untrue.

    Does nothing unless the program installed its handlers.
    """
    for number in _installed:
        signal.signal(number, signal.SIG_IGN)


def _unraisable(lost: UnraisableHookArgs) -> None:
    if _installed and issubclass(lost.exc_type, KeyboardInterrupt):
        again = threading.Timer(_AGAIN, _interrupt_main)
        again.daemon = True
        again.start()
    else:
        sys.__unraisablehook__(lost)


def _interrupt_main() -> None:
    with contextlib.suppress(RuntimeError):  # the program is over
        if hasattr(signal, "pthread_kill"):  # ends a wait as well
            signal.pthread_kill(threading.main_thread().ident or 0, _installed[0])
        else:
            signal.raise_signal(_installed[0])
