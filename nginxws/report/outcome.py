"""The result of a changing command, as text or JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

from nginxws.deploy import NodeOutcome
from nginxws.errors import ExitCode
from nginxws.nodes.probe.types import ProbeResult
from nginxws.plan import NodePlan
from nginxws.report.document import envelope, error_json, show_json
from nginxws.report.text import show_diff, show_error, show_lines, show_warning

_VERBS = {"add": "added", "change": "changed", "remove": "removed"}


def show_outcomes(
    outcomes: Sequence[NodeOutcome], code: ExitCode, output_format: str, *, quiet: bool
) -> None:
    """Results on stdout, errors and warnings on stderr."""
    for outcome in outcomes:
        if outcome.error is not None:
            show_error(outcome.error)
        _warn(outcome)
    if output_format == "json":
        show_json(as_json(outcomes, code))
        return
    for outcome in outcomes:
        if outcome.plan is not None and not quiet:
            _show(outcome, outcome.plan)


def as_json(outcomes: Sequence[NodeOutcome], code: ExitCode) -> dict[str, Any]:
    """The JSON form: each node's plan and result."""
    errors = [str(outcome.error) for outcome in outcomes if outcome.error is not None]
    nodes = {outcome.node: _node_json(outcome) for outcome in outcomes}
    return envelope(code, changed=any(map(_changes, outcomes)), errors=errors, nodes=nodes)


def _changes(outcome: NodeOutcome) -> bool:
    """Changed; or in a dry run, would be: Ansible's check mode means the same by it."""
    pending = outcome.error is None and outcome.plan is not None and bool(outcome.plan.files)
    return outcome.done or pending


def _node_json(outcome: NodeOutcome) -> dict[str, Any]:
    result: dict[str, Any] = {"changes": [], "files": [], "diff": ""}
    if outcome.plan is not None:
        result |= outcome.plan.as_json()
    result["findings"] = [dataclasses.asdict(finding) for finding in outcome.findings]
    result |= {"applied": outcome.done, "revision": None, "tested": None}
    result["probes"] = [{"route": route, **_probe_json(probe)} for route, probe in outcome.probes]
    if outcome.applied is not None:
        committed = outcome.applied.committed
        result |= {
            "revision": committed.revision,
            "tested": committed.tested,
            "in_place": list(committed.in_place),
            "workers": committed.workers,
            "draining": committed.draining,
        }
    return result | {"error": error_json(outcome.error)}


def _probe_json(probe: ProbeResult) -> dict[str, Any]:
    return {
        "ok": probe.ok,
        "status": probe.status,
        "answered_by": probe.answered_by,
        "message": probe.message,
        "seconds": round(probe.elapsed, 4),
    }


def _show(outcome: NodeOutcome, plan: NodePlan) -> None:
    if not outcome.done and outcome.error is None and plan.files:
        show_diff(plan.diff)
        return
    show_lines(_lines(outcome, plan))


def _lines(outcome: NodeOutcome, plan: NodePlan) -> Iterator[str]:
    for change in plan.changes:
        if change.action == "unchanged":
            where = f" ({change.where})" if change.where else ""
            note = f"; {change.note}" if change.note else ""
            yield f"{outcome.node}: {change.route}: nothing to do{where}{note}"
        elif outcome.done:
            server = change.server.partition(" (")[0]
            yield f"{outcome.node}: {change.route}: {_VERBS[change.action]} in {server} ({change.where})"
    for route, probe in outcome.probes:
        verdict = "live" if probe.ok else "NOT proved"
        yield f"{outcome.node}: {route}: {verdict}: {probe.message}"
    if outcome.applied is None:
        return
    committed = outcome.applied.committed
    for place in committed.in_place:
        yield f"{outcome.node}: written in place: {place}"
    tested = f"tested {committed.tested}; " if committed.tested else ""
    workers = _count(committed.workers, "new worker")
    if committed.draining:
        keep = "keeps its" if committed.draining == 1 else "keep their"
        workers += f", {_count(committed.draining, 'old one')} {keep} open sockets"
    yield f"{outcome.node}: revision {committed.revision}; {tested}{workers}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _warn(outcome: NodeOutcome) -> None:
    for finding in outcome.findings:
        show_warning(f"{outcome.node}: {finding.where}: {finding.message}", finding.hint)
    for route, probe in outcome.probes:
        if not probe.ok:
            show_warning(f"{outcome.node}: {route} is in place, but not proved: {probe.message}", probe.hint)
