"""Applications that are changed and held: each goes as far as ``ready`` and waits there for the verdict.

Its node has registered the undo by then. So whatever becomes of the rest of the environment, one word
(or none: a connection that ends) brings every application back.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from nginxws.errors import Interrupted, NginxwsError, Restored
from nginxws.nodes.interrupts import Interrupts, Listener
from nginxws.nodes.transaction import Decide
from nginxws.provisioning.types import AppOutcome

#: Seconds between two looks at the threads: a wait without end would keep a signal from being noticed.
_LOOK = 0.1

_HINT = (
    "see what the application logs; is `port` the one that it listens on, and does the restart start it? "
    "`ready_timeout` allows for more time"
)

#: Says whether to go on no longer.
Stopped = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class AppTask:
    """One application's part; its plan has something to do.

    ``after`` names those that come before it. ``change`` carries the plan out, calls its argument when the
    node is ready, and gives what there is to know besides; it raises NginxwsError. ``come_up`` waits until
    the application serves, or its argument says stop: None when it does, or why not.
    """

    outcome: AppOutcome
    after: tuple[str, ...]
    change: Callable[[Decide, Listener], Sequence[str]]
    come_up: Callable[[Stopped], str | None]

    @property
    def name(self) -> str:
        return self.outcome.name


class _Ear(Listener):
    """What an application hears of signals: nothing any more, once another has kept its change."""

    def __init__(self, run: Holding) -> None:
        super().__init__(run.interrupts)
        self._run = run

    @property
    def asked(self) -> bool:
        return self._run.asked


class _Held:
    """One application under way, in a thread of its own."""

    def __init__(self, task: AppTask, run: Holding) -> None:
        self.task = task
        self.outcome = task.outcome
        self.up = False
        self.ended = False
        self._down = ""  # why it doesn't serve, where that was its own fault
        self._run = run
        self._refusal: str | None = None
        self._said: str | None = None  # what the node was refused with, where the fault is elsewhere
        self._verdict = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._work, name=f"app {self.task.name}", daemon=True)
        self._thread.start()

    @property
    def begun(self) -> bool:
        return self._thread is not None

    def tell(self, refusal: str | None) -> None:
        """The verdict: None to keep the change, or why not."""
        self._refusal = refusal
        self._verdict.set()

    def join(self) -> None:
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        try:
            notes = self.task.change(self._decide, _Ear(self._run))
        except NginxwsError as error:
            error.node = error.node or self.task.name
            self.outcome = self._failed(error)
        else:
            self.up = True  # never ready where nothing was left to do
            self.outcome = replace(self.outcome, done=True, notes=(*self.outcome.notes, *notes))
        finally:
            self.ended = True
            self._run.tell_news()

    def _decide(self) -> str | None:
        """Called when the node is ready; None to keep the change, once the verdict is that."""
        if (why := self.why_not_up()) is not None:
            self._said = None if self._down else why
            return why
        self.up = True
        self._run.tell_news()
        self._verdict.wait()
        self._said = self._refusal
        return self._refusal

    def why_not_up(self) -> str | None:
        """Wait until the application serves: None if it does, or why not, which is remembered."""
        try:
            why = self.task.come_up(self._stopped)
        except NginxwsError as error:
            why = error.message
        if why is not None:
            self._down = "" if self._stopped() else why
            return self._refusal or why
        return None

    def _stopped(self) -> bool:
        return self._verdict.is_set() or self._run.asked

    def _failed(self, error: NginxwsError) -> AppOutcome:
        if not isinstance(error, Restored):
            if isinstance(error, Interrupted) and error.detail == self._said:
                error.detail = None  # nothing has failed
            return replace(self.outcome, error=error)
        if self._run.asked:
            error = Interrupted("interrupted; the node is as it was", node=error.node)
        elif self._down:
            detail = (error.detail or "").removeprefix(self._down).lstrip("\n")  # it repeats what we told it
            error = Restored(
                f"{self._down}; everything was restored", node=error.node, detail=detail or None, hint=_HINT
            )
        elif self._refusal is not None:
            return replace(self.outcome, taken_back=True)
        return replace(self.outcome, error=error)


class Holding:
    """Several applications, brought up in order and held; ``interrupts`` is entered by its owner."""

    def __init__(self, tasks: Sequence[AppTask], interrupts: Interrupts) -> None:
        self.interrupts = interrupts
        self._kept = False
        self._news = threading.Condition()
        self._all = {task.name: _Held(task, self) for task in tasks}

    def tell_news(self) -> None:
        """Called by the threads."""
        with self._news:
            self._news.notify_all()

    @property
    def asked(self) -> bool:
        """Whether a signal asks for the way back; too late when one has kept its change: the rest follows."""
        return self.interrupts.asked and not self._kept

    @property
    def failed(self) -> str:
        """The first application with an error, empty if none has one."""
        return next((name for name, one in self._all.items() if one.outcome.error is not None), "")

    def bring_up(self) -> bool:
        """Begin each as soon as those before it are up; whether all are up, and held."""
        while not self.failed and not self.interrupts.asked:
            for one in self._all.values():
                if not one.begun and all(self._is_up(name) for name in one.task.after):
                    one.start()
            with self._news:
                if all(one.up for one in self._all.values()):
                    return True
                self._news.wait(_LOOK)
        return False

    def _is_up(self, name: str) -> bool:
        return name not in self._all or self._all[name].up

    def still_up(self) -> bool:
        """Whether all still serve, and their nodes can be reached: looked at just before the verdict."""
        for one in self._all.values():
            if (why := one.why_not_up()) is not None:
                one.tell(why)
                one.join()
                return False
        return True

    def commit(self) -> bool:
        """Tell one after the other to keep its change; whether the first did.

        Where a later one can't any more, the rest is kept all the same: the same command finishes it.
        """
        for one in self._all.values():
            one.tell(None)
            one.join()
            if one.outcome.error is not None and not self._kept:
                return False
            self._kept = True
        return True

    def roll_back(self, why: str) -> None:
        """Bring all back that are under way, and wait for the end."""
        begun = [one for one in self._all.values() if one.begun]
        for one in begun:
            if not one.ended:
                one.tell(why)
        for one in begun:
            one.join()

    def results(self) -> list[AppOutcome]:
        """What became of each, in the order of the tasks."""
        return [one.outcome for one in self._all.values()]
