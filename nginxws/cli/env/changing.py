"""The flow of ``env up``, ``plan`` and ``down``: wait, look, plan, ask, change all or nothing, report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import click

from nginxws.cli import manifest_file, signals
from nginxws.cli.carrying import Carrying, PolicyFor, or_bug
from nginxws.cli.change import ChangeSettings
from nginxws.cli.desired import Desired, Seen
from nginxws.cli.env import parts
from nginxws.cli.env.installing import Installing
from nginxws.cli.env.nodes import AppNode, Environment
from nginxws.cli.env.parts import SeenApp
from nginxws.cli.targets import ChangeTimes, Opening, target_from
from nginxws.counting import count
from nginxws.deploy import NodeOutcome
from nginxws.environment.archive import Entry
from nginxws.environment.plan import AppPlan, AppSnapshot, make_app_plan, make_down_plan
from nginxws.errors import NginxwsError
from nginxws.nodes.interrupts import Listener
from nginxws.nodes.link import NodeLink
from nginxws.nodes.options import ProbePolicy
from nginxws.nodes.prompt import ask_secret, asked_once
from nginxws.nodes.transaction import Decide
from nginxws.provisioning import sources
from nginxws.provisioning.applications import Application
from nginxws.provisioning.holding import AppTask, Stopped
from nginxws.provisioning.outside import Outside
from nginxws.provisioning.ports import until_listening
from nginxws.provisioning.types import AppOutcome, Outcome
from nginxws.provisioning.whole import Parts, carry_out
from nginxws.report.environment import show_plans
from nginxws.report.progress import Progress
from nginxws.rollout import Task

#: What each application's source holds.
Sources = Mapping[str, tuple[Entry, ...]]

#: Routes that leave prove nothing.
_OFF = ProbePolicy(mode="off")


def read_sources(environment: Environment) -> Sources:
    """What each application's source holds, read before any node is asked. Raises NginxwsError."""
    folder = environment.file.path.parent
    return {
        one.name: sources.read(folder / one.source, one.source)
        for one in environment.apps
        if one.source is not None
    }


@dataclass(slots=True)
class Changing:
    """One run. ``sources`` is None on the way down; ``wait`` is in seconds."""

    environment: Environment
    desired: Desired
    settings: ChangeSettings
    progress: Progress
    sources: Sources | None
    installing: Installing
    wait: int = 0
    parallel: int = 1

    @property
    def down(self) -> bool:
        """Whether our part is taken back."""
        return self.sources is None

    def run(self, options: dict[str, Any], times: ChangeTimes) -> Outcome:
        """Do it, or with ``--dry-run`` only plan it; what became of every part."""
        policies = self.policies()
        opening = Opening(target_from(options), times, asked_once(self.progress.asking(ask_secret)))
        found = manifest_file.opened(self.environment.file, self.desired.names, opening)
        with self.desired.entered(found) as links, self.environment.app_nodes(opening) as nodes:
            lost = parts.reach(links, nodes, self.wait, self.progress)
            if lost:
                return _unreachable(links, nodes, lost)
            apps, seen = self.see(links, nodes)
            if self.settings.dry_run:
                return Outcome(tuple(one.outcome for one in apps), tuple(one.outcome for one in seen))
            return self.changed(apps, seen, policies, opening)

    def policies(self) -> Mapping[str, PolicyFor]:
        """How each balancer's routes are proved."""
        if self.settings.dry_run or self.down:
            return {name: lambda _point: _OFF for name in self.desired.names}
        return self.desired.policies()

    # --- looking ---------------------------------------------------------------------------------

    def see(self, links: Sequence[NodeLink], nodes: Sequence[AppNode]) -> tuple[list[SeenApp], list[Seen]]:
        """Every part looked at, all at once, and planned for."""
        undo = not self.settings.dry_run
        looking = parts.see_apps(nodes, self.plan_app, self.progress, undo=undo, deployed=not self.down)
        seen = [
            self.installing.judged(one, down=self.down)
            for one in self.desired.see(links, self.progress, undo=undo)
        ]
        apps = looking()
        return [self.judged(one) for one in apps], seen

    def judged(self, one: SeenApp) -> SeenApp:
        """With what keeps it from being begun, or is to be told of it."""
        if self.sources is None:
            return parts.told_of_strangers(one)
        told = parts.told_of_edits(one, self.sources.get(one.node.wanted.name))
        return parts.refuse_down(told)

    def plan_app(self, node: AppNode, now: AppSnapshot) -> AppPlan:
        """What an application's node lacks, or on the way down, what it has of ours."""
        overwrite = self.desired.flags.overwrite_drift
        if self.sources is None:
            return make_down_plan(node.wanted, now, overwrite=overwrite)
        return make_app_plan(node.wanted, now, self.sources.get(node.wanted.name), overwrite=overwrite)

    # --- changing --------------------------------------------------------------------------------

    def changed(
        self,
        apps: Sequence[SeenApp],
        seen: Sequence[Seen],
        policies: Mapping[str, PolicyFor],
        opening: Opening,
    ) -> Outcome:
        carrying = Carrying(self.desired, self.settings, self.progress, firm=self.settings.asks)
        seen = [carrying.vetted(one, policies) for one in seen]
        if parts.any_error(apps, seen):
            return _nothing_begun(apps, seen)
        self.ask(apps, seen)
        seen = [self.installing.run(one, self.desired, opening, self.progress) for one in seen]
        seen = [carrying.vetted(one, policies) for one in seen]
        if parts.any_error(apps, seen):
            outcome = _nothing_begun(apps, seen)
        else:
            tasks = [carrying.task(one, policies[one.link.name]) for one in seen]
            outcome = self.carried_out(apps, tasks, policies)
        signals.settled()  # nothing is left to undo
        return self.installing.settled(outcome, opening, self.progress)

    def ask(self, apps: Sequence[SeenApp], seen: Sequence[Seen]) -> None:
        """Show the plans and wait for a yes, where somebody can be asked. Raises NginxwsError for a no."""
        planned = Outcome(tuple(one.outcome for one in apps), tuple(one.outcome for one in seen))
        besides = {*self.installing.wanted, *self.installing.leaving} - planned.pending_nodes
        pending = planned.pending_parts + len(besides)
        if not self.settings.asks or not pending:
            return
        self.progress.pause()
        show_plans(planned, self.installing.wanted, self.installing.leaving)
        if not click.confirm(f"Apply this to {count(pending, 'node')}?", err=True):
            raise NginxwsError("not confirmed; nothing was changed", hint="--yes asks nothing")

    def carried_out(
        self, apps: Sequence[SeenApp], tasks: Sequence[Task], policies: Mapping[str, PolicyFor]
    ) -> Outcome:
        """All of it or nothing. An application with nothing to do is left as it is."""
        changing = [one for one in apps if one.outcome.plan is not None and not one.outcome.plan.is_noop]
        outcome = carry_out(
            Parts(
                apps=[self.app_task(one, apps) for one in (reversed(changing) if self.down else changing)],
                nodes=tasks,
                prove=None if self.down else self.outside(policies),
                parallel=self.parallel,
                balancers_first=self.down,
            )
        )
        done = {one.name: one for one in outcome.apps}
        return replace(outcome, apps=tuple(done.get(one.outcome.name, one.outcome) for one in apps))

    def outside(self, policies: Mapping[str, PolicyFor]) -> Outside:
        """The proof from here."""
        addresses = self.environment.addresses(policies)
        return Outside(addresses, self.environment.connect, self.progress.on_node("from here"))

    def app_task(self, one: SeenApp, apps: Sequence[SeenApp]) -> AppTask:
        """One application's part of the change. On the way down, those go first that came last."""
        node, name = one.node, one.node.wanted.name
        plan, now, on_step = one.outcome.plan, one.now, self.progress.on_node(one.node.link.name)
        assert plan is not None
        assert now is not None
        work = Application(
            node.link, node.wanted, node.options, plan, now, partial(self.plan_app, node), on_step, self.down
        )

        def change(decide: Decide, listener: Listener) -> Sequence[str]:
            return or_bug(lambda decide: work.change(decide, listener), decide)

        def come_up(stopped: Stopped) -> str | None:
            if self.down:
                return None
            on_step("up", f"port {node.wanted.port}")
            return until_listening(node.link, node.wanted, stopped)

        later = tuple(other.node.wanted.name for other in apps if name in other.node.wanted.after)
        return AppTask(one.outcome, later if self.down else node.wanted.after, change, come_up)


def _unreachable(
    links: Sequence[NodeLink], nodes: Sequence[AppNode], lost: Mapping[NodeLink, NginxwsError]
) -> Outcome:
    """What is said of every part when some couldn't be reached: nothing was touched."""
    apps = (AppOutcome(one.wanted.name, error=lost.get(one.link)) for one in nodes)
    found = (NodeOutcome(link.name, error=lost.get(link)) for link in links)
    return Outcome(tuple(map(parts.spared_app, apps)), tuple(map(parts.spared_node, found)))


def _nothing_begun(apps: Sequence[SeenApp], seen: Sequence[Seen]) -> Outcome:
    return Outcome(
        tuple(parts.spared_app(one.outcome) for one in apps),
        tuple(parts.spared_node(one.outcome) for one in seen),
    )
