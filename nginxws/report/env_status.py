"""How an environment stands, as text and JSON: what ``nginxws env status`` found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from nginxws.counting import count
from nginxws.deploy import NodeOutcome, most_urgent
from nginxws.environment.plan import AppPlan, AppSnapshot
from nginxws.environment.standing import FileStanding
from nginxws.environment.wanted import Url, WantedApp
from nginxws.errors import ExitCode, NginxwsError
from nginxws.report.document import envelope, error_json, show_json
from nginxws.report.environment import platform_json, urls_json
from nginxws.report.platform import PlatformReport
from nginxws.report.text import show_error, show_lines
from nginxws.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class AppStanding:
    """One application. ``silent`` is why its port doesn't answer, None when it does; ``files`` are those in
    which its address is to stand.

    ``now`` and ``plan`` are None where they can't be told; ``error`` says why.
    """

    wanted: WantedApp
    now: AppSnapshot | None = None
    plan: AppPlan | None = None
    silent: str | None = ""
    error: NginxwsError | None = None
    files: tuple[FileStanding, ...] = ()

    @property
    def edited(self) -> bool:
        """Whether somebody edited one of its files by hand."""
        return any(one.edited for one in self.files)

    @property
    def as_wanted(self) -> bool:
        """Whether nothing is to be done, nothing was edited by hand, and it serves."""
        settled = self.plan is not None and self.plan.is_noop and not self.edited
        return settled and self.silent is None and self.error is None


@dataclass(frozen=True, slots=True)
class BalancerStanding:
    """One balancer: what would change there, its NGINX's version and its snapshot."""

    outcome: NodeOutcome
    nginx: str = ""
    now: Snapshot | None = None

    @classmethod
    def lost(cls, name: str, error: NginxwsError) -> BalancerStanding:
        """One that can't be reached."""
        return cls(NodeOutcome(name, error=error))

    @property
    def as_wanted(self) -> bool:
        """Whether all routes of the manifest are there, and no others of ours."""
        plan = self.outcome.plan
        pending = self.now is not None and self.now.pending is not None
        return plan is not None and not (plan.files or plan.blocked or pending or self.outcome.error)


@dataclass(frozen=True, slots=True)
class Standing:
    """The whole environment."""

    domain: str
    urls: Sequence[Url]
    apps: Sequence[AppStanding]
    nodes: Sequence[BalancerStanding]
    platform: PlatformReport | None = None

    @property
    def as_wanted(self) -> bool:
        """Whether every part is."""
        if self.platform is not None and self.platform.changes:
            return False
        return all(one.as_wanted for one in self.apps) and all(one.as_wanted for one in self.nodes)

    @property
    def errors(self) -> list[NginxwsError]:
        """What kept parts from being told of."""
        found = [*(one.error for one in self.apps), *(one.outcome.error for one in self.nodes)]
        return [error for error in found if error is not None]

    @property
    def code(self) -> ExitCode:
        """The exit code without ``--detailed-exitcode``."""
        return most_urgent(error.code for error in self.errors)


def show_standing(standing: Standing, code: ExitCode, output_format: str, *, quiet: bool) -> None:
    """A few lines a part on stdout, errors on stderr."""
    for error in standing.errors:
        show_error(error)
    if output_format == "json":
        show_json(as_json(standing, code))
    elif not quiet:
        if standing.platform is not None:
            show_lines((*standing.platform.lines(), *standing.platform.places()))
        for app in standing.apps:
            show_lines(f"{app.wanted.name}: {line}" for line in _app_lines(app))
        for node in standing.nodes:
            show_lines(f"{node.outcome.node}: {line}" for line in _node_lines(node))
        show_lines(f"{one.app or '-'}  {one.path}  {one.wss or one.ws}" for one in standing.urls)


def _app_lines(app: AppStanding) -> Iterator[str]:
    now, wanted = app.now, app.wanted
    if now is None:
        return
    if wanted.source is not None:
        kept = f", {count(len(now.releases), 'release')} kept" if now.releases else ""
        yield f"release {now.current}{kept}" if now.current else "no release of ours is deployed"
    place = f"port {wanted.port}"
    yield f"{place} answers" if app.silent is None else f"{place} does not answer: {app.silent}"
    for one in app.files:
        yield f"{one.path}: {one.address or 'no address found'}{', edited by hand' if one.edited else ''}"
    if now.pending:
        yield "a change was cut short, and is not undone yet: the next change undoes it first"
    if app.plan is not None and not app.plan.is_noop:
        yield f"not as wanted: `nginxws env up` has {count(len(app.plan.changes), 'step')} to do"
    elif app.plan is not None:
        said = ["edited by hand"] if app.edited else []
        said += ["it isn't up"] if app.silent is not None else []
        yield f"not as wanted: {', '.join(said)}" if said else "as wanted"


def _node_lines(node: BalancerStanding) -> Iterator[str]:
    now, plan = node.now, node.outcome.plan
    if now is None:
        return
    master = f" (master {now.master})" if now.master else ""
    yield f"{node.nginx or 'NGINX'}, {f'running{master}' if _is_running(now) else 'NOT running'}"
    if now.pending is not None:
        yield "a change was cut short, and is not undone yet: the next change undoes it first"
    for change in plan.changes if plan is not None else ():
        there = "there" if change.action == "unchanged" else _MISSING[change.action]
        where = f" ({change.where})" if change.where and change.action != "add" else ""
        yield f"{change.route}: {there}{where}"


def _is_running(now: Snapshot) -> bool:
    """A platform's API tells of workers alone."""
    return bool(now.master or now.workers)


_MISSING = {
    "add": "missing",
    "change": "not as wanted",
    "remove": "not in the manifest",
    "drift": "edited by hand",
    "conflict": "a hand-written location is in its way",
}


def as_json(standing: Standing, code: ExitCode) -> dict[str, Any]:
    """The JSON form."""
    return envelope(
        code,
        changed=False,
        errors=[str(error) for error in standing.errors],
        command="env status",
        as_wanted=standing.as_wanted,
        environment={"domain": standing.domain},
        apps={one.wanted.name: _app_json(one) for one in standing.apps},
        nodes={one.outcome.node: _node_json(one) for one in standing.nodes},
        urls=urls_json(standing.urls),
        **platform_json(standing.platform),
    )


def _app_json(app: AppStanding) -> dict[str, Any]:
    now, plan = app.now, app.plan
    return {
        "as_wanted": app.as_wanted,
        "release": None if now is None else now.current,
        "releases": [] if now is None else list(now.releases),
        "listening": app.silent is None,
        "pending": now is not None and now.pending,
        "files": [asdict(one) for one in app.files],
        "steps": [] if plan is None else list(plan.changes),
        "error": error_json(app.error),
    }


def _node_json(node: BalancerStanding) -> dict[str, Any]:
    now, plan = node.now, node.outcome.plan
    return {
        "as_wanted": node.as_wanted,
        "nginx": node.nginx,
        "running": now is not None and _is_running(now),
        "pending": now is not None and now.pending is not None,
        "changes": [] if plan is None else plan.as_json()["changes"],
        "error": error_json(node.outcome.error),
    }
