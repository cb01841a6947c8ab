"""One change on several nodes: the first is the canary, then the rest; and what is done when one fails.

Every node is a transaction of its own, so each ends live and proved or as it was. What this adds is the
order, and the way back for nodes that are done already (``rollback-all``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from typing import Literal

from nginxws.deploy import Applied, NodeOutcome
from nginxws.errors import Interrupted, NginxwsError, RestoreFailed
from nginxws.nodes.interrupts import Interrupts, Listener

OnFailure = Literal["stop", "rollback-all"]

#: Seconds between two looks at the threads: a wait without end would keep a signal from being noticed.
_LOOK = 0.1


@dataclass(frozen=True, slots=True)
class Task:
    """One node's part.

    ``outcome`` is what is known of it so far: its plan, or why there is none. ``carry_out`` does the work and
    gives the outcome; ``take_back`` undoes what it applied. Both raise NginxwsError when they can't.
    """

    outcome: NodeOutcome
    carry_out: Callable[[Listener], NodeOutcome]
    take_back: Callable[[Applied], Applied]

    @property
    def node(self) -> str:
        return self.outcome.node


def roll_out(
    tasks: Sequence[Task], *, parallel: int = 1, on_failure: OnFailure = "stop"
) -> list[NodeOutcome]:
    """Carry all tasks out; the outcomes are in the tasks' order.

    Nodes are taken one by one until one was changed, the canary; from then on ``parallel`` at once. After the
    first failure no further node is begun; those under way end by themselves, and with ``rollback-all``
    every node that was changed goes back to the revision before. Ctrl-C asks every node that is under way
    to restore, and counts as a failure.
    """
    run = Rollout(tasks, parallel)
    with run.interrupts:
        run.all()
        if run.failed and on_failure == "rollback-all":
            run.take_all_back()
    return run.results()


class Rollout:
    """A rollout step by step, for what has more to do between them; ``interrupts`` is entered by its owner.

    ``failed`` is the first node that failed, empty if none did.
    """

    def __init__(
        self, tasks: Sequence[Task], parallel: int = 1, interrupts: Interrupts | None = None
    ) -> None:
        self.tasks = tasks
        self.parallel = parallel
        self.interrupts = interrupts or Interrupts()
        self.outcomes: dict[str, NodeOutcome] = {}
        self.failed = ""

    def results(self) -> list[NodeOutcome]:
        """What became of every node, in the tasks' order; as it was before where nothing was tried."""
        return [self.outcomes.get(task.node, task.outcome) for task in self.tasks]

    @property
    def stopping(self) -> bool:
        return bool(self.failed) or self.interrupts.asked

    def all(self) -> None:
        """Carry all tasks out, until one fails."""
        waiting = iter(self.tasks)
        self.canary(waiting)
        self.rest(waiting)
        for task in self.tasks:
            if task.node not in self.outcomes:
                error = self.not_tried(task.node)
                self.take(replace(task.outcome, error=error, skipped=True))

    def canary(self, waiting: Iterator[Task]) -> None:
        """One after the other, until one has been changed."""
        while not self.stopping and (task := next(waiting, None)) is not None:
            self.take(self.attempt(task))
            if self.outcomes[task.node].applied is not None:
                return

    def rest(self, waiting: Iterator[Task]) -> None:
        """The other tasks, at most ``parallel`` at once."""
        with ThreadPoolExecutor(self.parallel, thread_name_prefix="rollout") as pool:
            running: set[Future[NodeOutcome]] = set()
            while True:
                while len(running) < self.parallel and not self.stopping:
                    if (task := next(waiting, None)) is None:
                        break
                    running.add(pool.submit(self.attempt, task))
                if not running:
                    return
                done, running = wait(running, timeout=_LOOK, return_when=FIRST_COMPLETED)
                for future in done:
                    self.take(future.result())

    def attempt(self, task: Task) -> NodeOutcome:
        try:
            return task.carry_out(self.interrupts.listener())
        except NginxwsError as error:
            error.node = error.node or task.node
            return replace(task.outcome, error=error)

    def take(self, outcome: NodeOutcome) -> None:
        self.outcomes[outcome.node] = outcome
        if outcome.error is not None and not self.failed:
            self.failed = outcome.node

    def take_all_back(self) -> None:
        """Every node that was changed, the last one first."""
        for task in reversed(self.tasks):
            outcome = self.outcomes.get(task.node, task.outcome)
            if outcome.applied is None:
                continue
            try:
                taken_back = task.take_back(outcome.applied)
            except NginxwsError as error:
                self.outcomes[task.node] = replace(outcome, error=_kept(task.node, error))
            else:
                self.outcomes[task.node] = replace(outcome, taken_back=taken_back)

    def not_tried(self, node: str) -> NginxwsError:
        if not self.failed or isinstance(self.outcomes[self.failed].error, Interrupted):
            return Interrupted("interrupted; nothing was changed", node=node)
        return NginxwsError(
            f"not tried: {self.failed} failed", node=node, hint="run the command again when that one is well"
        )


def _kept(node: str, error: NginxwsError) -> RestoreFailed:
    """A node that was changed and could not be taken back, whatever became of the try."""
    return RestoreFailed(
        f"it keeps the change, taking that back failed: {error.message}",
        node=node,
        file=error.file,
        line=error.line,
        detail=error.detail,
        hint=f"{error.hint}; then run `nginxws rollback --node {node}`" if error.hint else None,
    )
