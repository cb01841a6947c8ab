"""What ``plan`` and ``apply`` share: every node of the manifest read, and its plan made."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from nginxws.checks.finding import Finding
from nginxws.cli import manifest_file
from nginxws.cli.change import warm_up
from nginxws.cli.manifest_file import ManifestFile
from nginxws.cli.targets import ChangeTimes
from nginxws.deploy import NodeOutcome, check_plan, refuse_stopped
from nginxws.errors import DriftError, InvalidInput, NginxwsError, RouteConflict
from nginxws.manifest.wanted import WantedRoute, routes_for
from nginxws.nodes.link import NodeLink
from nginxws.nodes.options import ProbePolicy
from nginxws.nodes.prompt import ask_secret
from nginxws.nodes.reading import Reading, until_waiting
from nginxws.plan import Change, NodePlan, ProbePoint
from nginxws.planner import make_whole_plan
from nginxws.report.notices import Places
from nginxws.report.progress import Progress
from nginxws.report.text import show_pending, show_recovered
from nginxws.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Flags:
    """The options that shape a plan; a plan file keeps them."""

    overwrite_drift: bool = False
    adopt: bool = False
    replace: bool = False

    @classmethod
    def of(cls, options: dict[str, Any]) -> Flags:
        """From a command's options, or a plan file's."""
        return cls(**{name: options.get(name) is True for name in cls.__dataclass_fields__})

    def as_dict(self) -> dict[str, bool]:
        """As a plan file keeps them."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Seen:
    """A node that was read and planned for. ``now`` is None when it couldn't be read."""

    link: NodeLink
    outcome: NodeOutcome
    now: Snapshot | None = None

    @property
    def nginx(self) -> str:
        """The version of the node's NGINX, in its own words; empty when it wasn't read."""
        return version(self.now) if self.now is not None else ""


def version(now: Snapshot) -> str:
    """The version of a node's NGINX: ``nginx/1.26.2``."""
    first = now.nginx.dash_v.partition("\n")[0]
    return first.rpartition("version: ")[2].strip()


@dataclass(frozen=True)
class Desired:
    """A manifest, and those of its nodes that are meant."""

    file: ManifestFile
    names: Sequence[str]
    flags: Flags = field(default_factory=Flags)

    @contextlib.contextmanager
    def links(
        self, options: dict[str, Any], times: ChangeTimes, progress: Progress
    ) -> Iterator[list[NodeLink]]:
        """A link for every node, hung up at the end."""
        ask = progress.asking(ask_secret)
        with self.entered(manifest_file.links(self.file, self.names, options, times, ask)) as found:
            yield found

    @contextlib.contextmanager
    def entered(self, found: list[NodeLink]) -> Iterator[list[NodeLink]]:
        """The links, hung up at the end."""
        with contextlib.ExitStack() as stack:
            for link in found:
                stack.enter_context(link)
                link.options = replace(link.options, digest=self.file.digest)
            yield found

    def see(self, links: Sequence[NodeLink], progress: Progress, *, undo: bool) -> list[Seen]:
        """Read all nodes at once, and plan for each; ``undo``: once interrupted changes there are undone."""
        readings = [Reading(link, progress.on_node(link.name), undo=undo) for link in links]
        until_waiting(links)
        warm_up()
        found = [self._see(link, reading.result) for link, reading in zip(links, readings, strict=True)]
        progress.pause()
        for one in found:
            if one.now is not None:
                show_recovered(one.now)
                show_pending(one.now)
        return found

    def _see(self, link: NodeLink, read: Callable[[], Snapshot]) -> Seen:
        now = None
        try:
            now = read()
            plan, findings = self.plan(now)
        except NginxwsError as error:
            error.node = error.node or link.name
            return Seen(link, NodeOutcome(link.name, error=error), now)
        return Seen(link, NodeOutcome(link.name, plan, findings=findings), now)

    def plan(self, now: Snapshot) -> tuple[NodePlan, tuple[Finding, ...]]:
        """A node's plan, and the errors that its files have already.

        Raises ConfigError and its kin, NodeError.
        """
        refuse_stopped(now)
        routes = routes_for(self.file.manifest, now.node)
        puts = [manifest_file.put_for(self.file, wanted, **self.flags.as_dict()) for wanted in routes]
        try:
            plan = make_whole_plan(now, puts, overwrite_drift=self.flags.overwrite_drift)
        except InvalidInput as error:  # two routes that turn out to be one location of one server
            raise self.file.error(("routes",), error.message, error.hint) from error
        return plan, check_plan(now, plan) if plan.files else ()

    def policies(self) -> dict[str, Callable[[ProbePoint], ProbePolicy]]:
        """How each node's routes are proved. Raises ManifestError where no proof could work."""
        found: dict[int, ProbePolicy] = {}  # by entry: what a header's value is read from may be a pipe
        return {name: self._policies(name, found) for name in self.names}

    def _policies(self, node: str, found: dict[int, ProbePolicy]) -> Callable[[ProbePoint], ProbePolicy]:
        policies = {}
        for wanted in routes_for(self.file.manifest, node):
            if wanted.number not in found:
                found[wanted.number] = self._policy(wanted)
            policies[wanted.route.path, wanted.server] = found[wanted.number]
        return lambda point: policies[point.route, point.server]

    def _policy(self, wanted: WantedRoute) -> ProbePolicy:
        try:
            return manifest_file.policy_for(wanted, self.folder)
        except InvalidInput as error:
            raise self.file.error(("routes", wanted.number), error.message, error.hint) from error

    @property
    def folder(self) -> Path:
        """The manifest's folder."""
        return self.file.path.parent

    def places(self) -> Places:
        """Where in the manifest each node, and each route of it, stands."""
        lines: dict[tuple[str, str], tuple[str, int]] = {}
        for name in self.names:
            lines[name, ""] = self.file.place(name)
            for wanted in routes_for(self.file.manifest, name):
                lines[name, wanted.route.path] = self.file.name, self.file.line(wanted)
        return lines


def refuse_blocked(outcome: NodeOutcome) -> NodeOutcome:
    """The outcome with an error when the plan would leave something as it is that isn't as wanted."""
    blocked = outcome.plan.blocked if outcome.plan is not None else ()
    if not blocked or outcome.error is not None:
        return outcome
    return replace(outcome, error=_blocked(outcome.node, blocked))


def _blocked(node: str, blocked: Sequence[Change]) -> NginxwsError:
    first = blocked[0]
    drift = first.action == "drift"
    path, _, line = first.where.rpartition(":")
    kind = DriftError if drift else RouteConflict
    what = "was edited by hand" if drift else "has a hand-written location in its way"
    return kind(
        f"{first.route} {what}",
        node=node,
        file=path or None,
        line=int(line) if line.isdigit() else None,
        detail="\n".join(f"{change.route}: {change.note}" for change in blocked),
        hint="nothing was touched; "
        + ("--overwrite-drift gives the edit up" if drift else "--adopt or --replace takes it over")
        + ", or put the manifest right",
    )
