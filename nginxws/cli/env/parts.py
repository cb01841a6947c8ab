"""Every part of an environment looked at and planned for: what up, plan, status and down begin with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from nginxws.checks.finding import Finding
from nginxws.cli.desired import Desired, Seen
from nginxws.cli.env.nodes import AppNode
from nginxws.counting import count
from nginxws.deploy import NodeOutcome, check_plan, refuse_stopped
from nginxws.environment.archive import Entry
from nginxws.environment.plan import AppPlan, AppSnapshot
from nginxws.environment.standing import stand
from nginxws.errors import NginxwsError, NodeError
from nginxws.manifest.wanted import routes_for
from nginxws.nodes.link import NodeLink
from nginxws.plan import Drop, NodePlan
from nginxws.planner import make_plan
from nginxws.printable import one_line
from nginxws.provisioning.looking import Looking
from nginxws.provisioning.ports import listens
from nginxws.provisioning.types import AppOutcome
from nginxws.provisioning.waiting import open_all
from nginxws.report.progress import Progress
from nginxws.report.text import show_warning
from nginxws.snapshot import Snapshot

#: Makes an application's plan from what its node has.
PlanApp = Callable[[AppNode, AppSnapshot], AppPlan]


@dataclass(frozen=True, slots=True)
class SeenApp:
    """An application that was looked at and planned for. ``now`` is None when its node couldn't be asked."""

    node: AppNode
    outcome: AppOutcome
    now: AppSnapshot | None = None


class Leaving(Desired):
    """A manifest whose routes leave its nodes; other managed routes there stay."""

    def plan(self, now: Snapshot) -> tuple[NodePlan, tuple[Finding, ...]]:
        """A node's plan, and the errors that its files have already."""
        drops = [
            Drop(one.route.path, self.flags.overwrite_drift, one.server, managed_only=True)
            for one in routes_for(self.file.manifest, now.node)
        ]
        plan = make_plan(now, drops)
        if not plan.files:
            return plan, ()
        refuse_stopped(now)
        return plan, check_plan(now, plan)


def reach(
    links: Sequence[NodeLink], nodes: Sequence[AppNode], seconds: int, progress: Progress
) -> dict[NodeLink, NginxwsError]:
    """Connect to every node, for ``seconds`` each; what kept those that can't be reached."""
    everything = [*(node.link for node in nodes), *links]
    found = open_all(everything, seconds, progress.waiting)
    return {link: error for link, error in zip(everything, found, strict=True) if error is not None}


def see_apps(
    nodes: Sequence[AppNode], plan: PlanApp, progress: Progress, *, undo: bool, deployed: bool = False
) -> Callable[[], list[SeenApp]]:
    """Begin to look at all applications at once; calling the result waits for that, and plans for each."""
    looking = [
        Looking(
            node.link,
            node.wanted,
            node.options,
            progress.on_node(node.link.name),
            undo=undo,
            deployed=deployed,
        )
        for node in nodes
    ]
    return lambda: [_seen(node, one, plan) for node, one in zip(nodes, looking, strict=True)]


def _seen(node: AppNode, looking: Looking, plan: PlanApp) -> SeenApp:
    now, name = None, node.wanted.name
    try:
        now = looking.result()
        if now.recovered:
            show_warning(f"{name}: undone first: {now.recovered}")
        return SeenApp(node, AppOutcome(name, plan(node, now)), now)
    except NginxwsError as error:
        error.node = error.node or name
        return SeenApp(node, AppOutcome(name, error=error), now)


def refuse_down(one: SeenApp) -> SeenApp:
    """With an error when there is nothing to change, and the application doesn't serve all the same."""
    outcome = one.outcome
    if outcome.plan is None or outcome.error is not None or not outcome.plan.is_noop:
        return one
    try:
        why = listens(one.node.link, one.node.wanted)
    except NginxwsError as forbidden:
        return replace(one, outcome=replace(outcome, error=forbidden))
    if why is None:
        return one
    error = NodeError(
        f"there is nothing to change, and it isn't up: {why}",
        node=outcome.name,
        hint="start it there, and see what it logs; is `port` the one that it listens on?",
    )
    return replace(one, outcome=replace(outcome, error=error))


def told_of_strangers(one: SeenApp) -> SeenApp:
    """On the way down: with a word of releases that stay, since the node has no record of them."""
    now = one.now
    if now is None or now.recorded or now.pending or not now.releases:
        return one
    releases = f"{count(len(now.releases), 'release')} in {one.node.wanted.target}"
    note = (
        f"{releases} {'stays' if len(now.releases) == 1 else 'stay'}: the node has no record that env up put "
        "that there; was it an export, another name of the application, another login or state_dir?"
    )
    return replace(one, outcome=replace(one.outcome, notes=(*one.outcome.notes, note)))


def told_of_edits(one: SeenApp, entries: Sequence[Entry] | None) -> SeenApp:
    """With a word of files of the release in use that somebody edited: the release is its name, and stays."""
    wanted, now, plan = one.node.wanted, one.now, one.outcome.plan
    if now is None or plan is None:
        return one
    ours = {file.on_node for file in wanted.files if file.in_source}
    notes = [
        f"{one_line(file.path)} was edited by hand, and stays as it is: the source's release is deployed "
        "already. To deploy it anew, change the source, or run env down and env up"
        for file in stand(wanted, now, plan, entries)
        if file.edited and file.path in ours
    ]
    return replace(one, outcome=replace(one.outcome, notes=(*one.outcome.notes, *notes)))


def spared_app(outcome: AppOutcome) -> AppOutcome:
    """An application without an error of its own, when another's keeps everything from being begun."""
    if outcome.error is not None:
        return outcome
    return replace(outcome, error=_spared(outcome.name), skipped=True)


def spared_node(outcome: NodeOutcome) -> NodeOutcome:
    """The same for a balancer."""
    if outcome.error is not None:
        return outcome
    return replace(outcome, error=_spared(outcome.node), skipped=True)


def _spared(name: str) -> NginxwsError:
    return NginxwsError(
        "not tried: nothing is begun while another part can't be done",
        node=name,
        hint="put that one right, and run the command again",
    )


def any_error(apps: Sequence[SeenApp], nodes: Sequence[Seen]) -> bool:
    """Whether anything keeps the whole from being begun."""
    lame = any(one.outcome.error is not None for one in apps)
    return lame or any(one.outcome.error is not None for one in nodes)
