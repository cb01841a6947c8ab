"""What ``nginxws env`` says of an environment, as text and JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nginxws.counting import count
from nginxws.deploy import NodeOutcome
from nginxws.environment.wanted import Url
from nginxws.errors import ExitCode
from nginxws.printable import one_line
from nginxws.provisioning.types import AppOutcome, Outcome, Proved
from nginxws.report import plans
from nginxws.report.document import envelope, error_json, show_json
from nginxws.report.outcome import lines, node_json, probe_json, show_troubles
from nginxws.report.platform import PlatformReport
from nginxws.report.text import show_diff, show_error, show_hint, show_lines, show_warning

#: How `env up` calls the server block that comes with an NGINX that it installs.
_SITE = "remove the server block that came with NGINX"


@dataclass(frozen=True, slots=True)
class Report:
    """What became of an environment, or would. ``installs`` are balancers that would get an NGINX first.

    ``leaving`` are those whose server block, written with it, would go. ``platform`` is the part of a
    platform that makes the nodes.
    """

    command: str
    outcome: Outcome
    domain: str
    urls: Sequence[Url] = ()
    dry_run: bool = False
    installs: Mapping[str, str] = field(default_factory=dict)
    leaving: Sequence[str] = ()
    platform: PlatformReport | None = None

    @property
    def pending(self) -> bool:
        """Whether something would change."""
        return bool(self.outcome.pending_parts or self.installs or self.leaving or self.platform_changes)

    @property
    def platform_changes(self) -> bool:
        """Whether the platform's part changes something, or did."""
        return self.platform is not None and self.platform.changes


def show_outcome(report: Report, code: ExitCode, output_format: str, *, quiet: bool) -> None:
    """Results on stdout, errors and warnings on stderr."""
    outcome = report.outcome
    if output_format == "json":
        _show_troubles(outcome)
        show_json(as_json(report, code))
    elif quiet:
        _show_troubles(outcome)
    elif report.dry_run:
        show_lines(report.platform.lines() if report.platform is not None else ())
        show_plans(outcome, report.installs, report.leaving)
    else:
        _show_troubles(outcome)
        show_lines(_result(report))


def show_plans(outcome: Outcome, installs: Mapping[str, str], leaving: Sequence[str] = ()) -> None:
    """What would change, part by part, with the diffs."""
    for app in outcome.apps:
        show_lines(_planned(app))
        if app.plan is not None:
            show_diff(app.plan.diff)
    for name, manager in installs.items():
        show_lines([f"{name}: install NGINX ({manager}), then add the routes"])
    for name in leaving:
        show_lines([f"{name}: {_SITE}"])
    for node in outcome.nodes:
        if node.plan is not None:
            plans.show_node(node.node, node.plan)
    _show_troubles(outcome)


def _planned(app: AppOutcome) -> Iterator[str]:
    if app.plan is None:
        return
    if app.plan.is_noop:
        yield f"{app.name}: nothing to do"
        return
    yield f"{app.name}: {count(len(app.plan.changes), 'step')}"
    yield from (f"  - {change}" for change in app.plan.changes)


def _show_troubles(outcome: Outcome) -> None:
    """Errors and warnings: of applications, of balancers, of the whole."""
    for app in outcome.apps:
        if app.error is not None:
            show_error(app.error)
        for note in app.notes:
            show_warning(f"{app.name}: {note}")
    show_troubles(outcome.nodes)
    for one in outcome.proofs:
        if not one.probe.ok and outcome.error is None:
            show_warning(f"{one.url} isn't proved: {one.probe.message}", one.probe.hint)
    if outcome.error is not None:
        show_error(outcome.error)


def _result(report: Report) -> Iterator[str]:
    outcome = report.outcome
    if report.platform is not None:
        yield from report.platform.lines()
    for app in outcome.apps:
        if app.done and app.plan is not None:
            yield from (f"{app.name}: {change}" for change in app.plan.changes)
    for name, manager in outcome.installed:
        yield f"{name}: NGINX was installed ({manager})"
    for node in outcome.nodes:
        if node.plan is not None:
            yield from lines(node, node.plan, unchanged=False)
    for name in outcome.sites_removed:
        yield f"{name}: the server block that came with NGINX was removed"
    yield from _table(outcome, leaving=report.command == "env down")
    yield from _proved(outcome.proofs)


def _table(outcome: Outcome, *, leaving: bool) -> Iterator[str]:
    """One line a part: its name, what it is, what became of it, how much changed."""
    parts = [*map(_app_row, outcome.apps), *(_row(node, leaving=leaving) for node in outcome.nodes)]
    rows = [("NAME", "ROLE", "RESULT", "CHANGES"), *parts]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _app_row(app: AppOutcome) -> tuple[str, str, str, str]:
    steps = 0 if app.plan is None or app.skipped else len(app.plan.changes)
    return one_line(app.name), "application", app.result, count(steps, "step") if steps else "-"


def _row(node: NodeOutcome, *, leaving: bool) -> tuple[str, str, str, str]:
    name, result, routes, _revision = plans.row(node)
    # On the way down, a route that stays as it is isn't there.
    empty = result == "not tried" or (leaving and result == "unchanged")
    return name, "balancer", result, "-" if empty else routes


def _proved(proofs: Sequence[Proved]) -> Iterator[str]:
    for one in proofs:
        verdict = "live" if one.probe.ok else "NOT proved"
        yield f"{one.url}: {verdict}: {one.probe.message}"


# --- JSON ----------------------------------------------------------------------------------------


def as_json(report: Report, code: ExitCode) -> dict[str, Any]:
    """The JSON form: every application, every balancer, the addresses and the proof from outside."""
    outcome = report.outcome
    errors = [str(error) for error in outcome.errors]
    return envelope(
        code,
        changed=report.pending if report.dry_run else outcome.changed or report.platform_changes,
        errors=errors,
        command=report.command,
        environment={
            "domain": report.domain,
            "probes": [
                {"url": one.url, "route": one.path, **probe_json(one.probe)} for one in outcome.proofs
            ],
            "error": error_json(outcome.error),
        },
        apps={app.name: _app_json(app) for app in outcome.apps},
        nodes={node.node: _node_json(node, report) for node in outcome.nodes},
        urls=urls_json(report.urls),
        **platform_json(report.platform),
    )


def platform_json(platform: PlatformReport | None) -> dict[str, Any]:
    """The platform's part, where there is one."""
    return {} if platform is None else {"provider": platform.as_json()}


def _app_json(app: AppOutcome) -> dict[str, Any]:
    plan = app.plan
    return {
        "steps": [] if plan is None else list(plan.changes),
        "release": None if plan is None or plan.release is None else plan.release.name,
        "files": [] if plan is None else [edit.path for edit in plan.edits],
        "restart": plan is not None and plan.restart,
        "diff": "" if plan is None else plan.diff,
        "result": app.result,
        "applied": app.done,
        "notes": list(app.notes),
        "error": error_json(app.error),
    }


def _node_json(node: NodeOutcome, report: Report) -> dict[str, Any]:
    """As `apply` has it, and the package manager that installs NGINX, or did."""
    install = dict(report.outcome.installed).get(node.node) or report.installs.get(node.node)
    found = node_json(node) | {"install": install or None}
    if node.node in report.installs and found["result"] == "unchanged":
        found["result"] = "planned"
    return found


# --- addresses -----------------------------------------------------------------------------------


def show_urls(domain: str, urls: Sequence[Url], output_format: str) -> None:
    """The addresses, a line each, those over TLS first; without TLS a hint on stderr says so."""
    if output_format == "json":
        show_json(envelope(ExitCode.DONE, changed=False, errors=(), urls=urls_json(urls)))
        return
    for one in urls:
        show_lines(f"{one.app or '-'}  {one.path}  {address}" for address in (one.wss, one.ws) if address)
    if not any(one.wss for one in urls):
        show_hint(
            f"wss:// needs TLS: put a certificate on the balancers' server of {domain}, "
            "and tls = true into [environment]"
        )


def urls_json(urls: Sequence[Url]) -> list[dict[str, str | None]]:
    """Every address by its application and path."""
    return [{"app": one.app, "path": one.path, "ws": one.ws, "wss": one.wss} for one in urls]
