"""Ctrl-C, SIGTERM and SIGHUP while a node is at work: noted, and acted on where it is safe.

An exception raised in the middle of reading an answer would lose what the node
says of its state, so the signal waits for the next pause.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import Any, Self

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP


class Listener:
    """What a thread hears of signals: ``asked`` is that of the main thread's ``Interrupts``.

    It can be used in its place. Nothing is raised in a thread: it looks at ``asked`` where it may stop.
    """

    def __init__(self, interrupts: Interrupts) -> None:
        self._interrupts = interrupts

    @property
    def asked(self) -> bool:
        return self._interrupts.asked

    def raised(self) -> contextlib.AbstractContextManager[None]:
        """A block like any other."""
        return contextlib.nullcontext()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


class Interrupts:
    """A context in which these signals set ``asked`` instead of ending the program.

    Only the main thread is told of signals: elsewhere this does nothing.
    """

    def __init__(self) -> None:
        self.asked = False
        self._raises = False
        self._before: dict[int, Any] = {}

    def listener(self) -> Listener:
        """For a thread that works meanwhile."""
        return Listener(self)

    @contextlib.contextmanager
    def raised(self) -> Iterator[None]:
        """A block that a signal ends by KeyboardInterrupt, as outside; one noted before, too."""
        self._raises = True
        try:
            if self.asked:
                raise KeyboardInterrupt
            yield
        finally:
            self._raises = False

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self.asked = True
        if self._raises:
            raise KeyboardInterrupt

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (getattr(signal, name) for name in _NAMES if hasattr(signal, name)):
                if signal.getsignal(number) is not signal.SIG_IGN:  # nohup stays nohup
                    self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            if signal.getsignal(number) == self._on_signal:  # else somebody has settled it meanwhile
                signal.signal(number, handler)
