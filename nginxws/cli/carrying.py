"""From a planned node to its part of a rollout: what ``apply`` and ``env`` do to each balancer."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from nginxws import deploy
from nginxws.cli.change import ChangeSettings
from nginxws.cli.desired import Desired, Seen, refuse_blocked
from nginxws.cli.failing import bug
from nginxws.cli.taking_back import take_back
from nginxws.deploy import NodeOutcome
from nginxws.errors import Interrupted, NginxwsError, StaleError
from nginxws.nodes.interrupts import Listener
from nginxws.nodes.link import NodeLink
from nginxws.nodes.options import ProbePolicy
from nginxws.nodes.reading import read_node
from nginxws.plan import ProbePoint
from nginxws.proving import check_provable, prove_standing
from nginxws.report.progress import Progress
from nginxws.rollout import Task

P = TypeVar("P")
T = TypeVar("T")
PolicyFor = Callable[[ProbePoint], ProbePolicy]


@dataclass(frozen=True, slots=True)
class Carrying:
    """How planned nodes are carried out. ``firm``: what was planned is agreed, and isn't planned anew."""

    desired: Desired
    settings: ChangeSettings
    progress: Progress
    firm: bool

    def vetted(self, one: Seen, policies: Mapping[str, PolicyFor]) -> Seen:
        """With an error where the plan can't be carried out as a whole, or not be proved."""
        outcome = refuse_blocked(one.outcome)
        if outcome.error is None and outcome.plan is not None:
            try:
                check_provable(one.link, outcome.plan, policies[one.link.name])
            except NginxwsError as error:
                error.node = error.node or one.link.name
                outcome = replace(outcome, error=error)
        return replace(one, outcome=outcome)

    def task(self, one: Seen, policy: PolicyFor) -> Task:
        on_step = self.progress.on_node(one.link.name)
        return Task(
            one.outcome,
            partial(or_bug, partial(self.carry_out, one, policy)),
            partial(or_bug, partial(take_back, one.link, on_step=on_step)),
        )

    def carry_out(self, one: Seen, policy: PolicyFor, listener: Listener) -> NodeOutcome:
        """One node's part, in any thread. While somebody else is faster: planned anew, if nobody agreed."""
        deadline = time.monotonic() + self.settings.lock_timeout
        outcome, tries = one.outcome, 0
        while True:
            try:
                return self.once(one.link, outcome, policy, listener)
            except StaleError:
                if self.firm or time.monotonic() > deadline:
                    raise
            tries += 1
            time.sleep(random.uniform(0.05, min(0.25 * tries, 3.0)))  # nosec B311  # noqa: S311 (no secret)
            outcome = self.anew(one.link, outcome)

    def anew(self, link: NodeLink, outcome: NodeOutcome) -> NodeOutcome:
        now = read_node(link, self.progress.on_node(link.name))
        plan, findings = self.desired.plan(now)
        again = refuse_blocked(replace(outcome, plan=plan, findings=findings))
        if again.error is not None:
            raise again.error
        return again

    def once(
        self, link: NodeLink, outcome: NodeOutcome, policy: PolicyFor, listener: Listener
    ) -> NodeOutcome:
        plan, on_step = outcome.plan, self.progress.on_node(link.name)
        assert plan is not None
        if listener.asked:
            raise Interrupted("interrupted; nothing was changed", node=link.name)
        if not plan.files:
            return replace(outcome, standing=prove_standing(link, plan, policy, on_step, listener))
        return replace(outcome, applied=deploy.apply(link, plan, policy, on_step, listener))


def or_bug(work: Callable[[P], T], what: P) -> T:
    """What the work comes to. Whatever goes wrong on one node, the report of the others mustn't get lost."""
    try:
        return work(what)
    except NginxwsError:
        raise
    except Exception as error:
        raise bug(error) from error
