"""Applications and balancers as one change, all or nothing: the order, the verdict, and the way back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from nginxws.deploy import NodeOutcome
from nginxws.errors import Interrupted, NginxwsError, RestoreFailed
from nginxws.nodes.interrupts import Interrupts
from nginxws.provisioning.holding import AppTask, Holding
from nginxws.provisioning.outside import Outside
from nginxws.provisioning.types import AppOutcome, Outcome, Proved
from nginxws.rollout import Rollout, Task


@dataclass(frozen=True, slots=True)
class Parts:
    """What there is to do.

    ``apps`` are those with something to do, in the order in which they come up. ``prove`` tries the
    environment from outside, None where nothing is to be proved. ``balancers_first``: routes leave before
    their applications do.
    """

    apps: Sequence[AppTask]
    nodes: Sequence[Task]
    prove: Outside | None = None
    parallel: int = 1
    balancers_first: bool = False


def carry_out(parts: Parts) -> Outcome:
    """Change everything and keep it, or nothing.

    Applications are held at ``ready``, balancers are transactions of their own, the proof from outside
    comes when all of them serve; then the applications are told to keep what they have. What fails on the
    way takes all back in the reverse order: balancers by a further transaction, applications by the verdict.
    """
    return _Whole(parts).run()


class _Whole:
    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.interrupts = Interrupts()
        self.apps = Holding(parts.apps, self.interrupts)
        self.nodes = Rollout(parts.nodes, parts.parallel, self.interrupts)
        self.proofs: tuple[Proved, ...] = ()
        self.error: NginxwsError | None = None

    def run(self) -> Outcome:
        with self.interrupts:
            kept = False
            try:
                kept = self.forward()
            finally:  # a bug of ours, too, mustn't leave balancers changed
                if not kept:
                    self.back()
        return Outcome(tuple(self.app_results()), tuple(self.node_results()), self.proofs, self.error)

    def forward(self) -> bool:
        """As far as everything is kept; whether it is."""
        steps = [self.apps.bring_up, self.serve]
        if self.parts.balancers_first:
            steps.reverse()
        return all(step() for step in (*steps, self.proved, self.apps.still_up, self.go_on, self.apps.commit))

    def back(self) -> None:
        """In the reverse order of the way there. Every node is told."""
        steps: list[Callable[[], None]] = [self.nodes.take_all_back, self.send_back]
        if self.parts.balancers_first:
            steps.reverse()
        for step in steps:
            step()
        told = any(isinstance(error, Interrupted | RestoreFailed) for error in self.errors())
        if self.error is not None and any(isinstance(error, RestoreFailed) for error in self.errors()):
            self.error = self.failure(restored=False)
        if self.interrupts.asked and not told:
            hint = "run the same command again"
            self.error = Interrupted("interrupted; everything is as it was", hint=hint)

    def send_back(self) -> None:
        self.apps.roll_back(f"{self.nodes.failed or self.apps.failed or 'the environment'} failed")

    def serve(self) -> bool:
        self.nodes.all()
        return not self.nodes.failed

    def proved(self) -> bool:
        if self.parts.prove is None:
            return True
        try:
            with self.interrupts.raised():
                self.proofs = self.parts.prove.results()
        except KeyboardInterrupt:
            return False
        self.error = self.failure()
        return self.error is None

    def failure(self, *, restored: bool = True) -> NginxwsError | None:
        """What the proof from outside failed at."""
        if self.parts.prove is None:
            return None
        changed = bool(self.parts.apps) or any(one.applied for one in self.nodes.results())
        return self.parts.prove.failure(self.proofs, changed=changed, restored=restored)

    def go_on(self) -> bool:
        return not self.interrupts.asked

    def errors(self) -> Iterator[NginxwsError]:
        return Outcome(tuple(self.apps.results()), tuple(self.nodes.results()), error=self.error).errors

    def app_results(self) -> list[AppOutcome]:
        return [
            replace(one, error=self.not_tried(one.name), skipped=True) if self.is_left(one) else one
            for one in self.apps.results()
        ]

    def is_left(self, one: AppOutcome) -> bool:
        return not (one.done or one.taken_back or one.error is not None)

    def node_results(self) -> list[NodeOutcome]:
        return [
            one
            if one.node in self.nodes.outcomes
            else replace(one, error=self.not_tried(one.node), skipped=True)
            for one in self.nodes.results()
        ]

    def not_tried(self, node: str) -> NginxwsError:
        if self.interrupts.asked:
            return Interrupted("interrupted; nothing was changed", node=node)
        first = next(self.errors(), None)
        return NginxwsError(
            f"not tried: {(first and first.node) or 'another part'} failed",
            node=node,
            hint="run the command again when that one is well",
        )
