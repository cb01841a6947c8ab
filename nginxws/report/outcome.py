"""The result of a changing command, as text or JSON."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from typing import Any

import click

from nginxws.deploy import NodeOutcome
from nginxws.errors import ExitCode, NginxwsError
from nginxws.nodes.probe_types import ProbeResult
from nginxws.plan import FORMAT_VERSION, NodePlan
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
        click.echo(json.dumps(as_json(outcomes, code), indent=2, ensure_ascii=True))
        return
    for outcome in outcomes:
        if outcome.plan is not None and not quiet:
            _show(outcome, outcome.plan)


def as_json(outcomes: Sequence[NodeOutcome], code: ExitCode) -> dict[str, Any]:
    """The JSON form: what drivers such as Ansible look for, then each node's plan and result."""
    errors = [str(outcome.error) for outcome in outcomes if outcome.error is not None]
    return {
        "format_version": FORMAT_VERSION,
        "changed": any(_changes(outcome) for outcome in outcomes),
        "failed": bool(errors),
        "rc": int(code),
        "msg": "; ".join(errors),
        "nodes": {outcome.node: _node_json(outcome) for outcome in outcomes},
    }


def _changes(outcome: NodeOutcome) -> bool:
    """Changed; or in a dry run, would be: Ansible's check mode means the same by it."""
    pending = outcome.error is None and outcome.plan is not None and bool(outcome.plan.files)
    return outcome.done or pending


def _node_json(outcome: NodeOutcome) -> dict[str, Any]:
    result: dict[str, Any] = {"changes": [], "files": [], "diff": ""}
    if outcome.plan is not None:
        result |= outcome.plan.as_json()
    result["findings"] = [dataclasses.asdict(finding) for finding in outcome.findings]
    result |= {"applied": outcome.done, "revision": None, "tested": None, "probes": []}
    if outcome.applied is not None:
        committed = outcome.applied.committed
        result |= {
            "revision": committed.revision,
            "tested": committed.tested,
            "workers": committed.workers,
            "draining": committed.draining,
            "probes": [{"route": route, **_probe_json(probe)} for route, probe in outcome.applied.probes],
        }
    return result | {"error": None if outcome.error is None else error_json(outcome.error)}


def _probe_json(probe: ProbeResult) -> dict[str, Any]:
    return {
        "ok": probe.ok,
        "status": probe.status,
        "answered_by": probe.answered_by,
        "message": probe.message,
        "seconds": round(probe.elapsed, 4),
    }


def error_json(error: NginxwsError) -> dict[str, Any]:
    """An error with its exit code, place and next step."""
    return {
        "code": int(error.code),
        "kind": type(error).__name__,
        "message": error.message,
        "file": error.file,
        "line": error.line,
        "detail": error.detail,
        "hint": error.hint,
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
            yield f"{outcome.node}: {change.route}: {_VERBS[change.action]} in {change.server}"
    if outcome.applied is None:
        return
    for route, probe in outcome.applied.probes:
        verdict = "live" if probe.ok else "NOT proved"
        yield f"{outcome.node}: {route}: {verdict}: {probe.message}"
    committed = outcome.applied.committed
    draining = f", {committed.draining} old ones keep their open sockets" if committed.draining else ""
    tested = f"tested {committed.tested}; " if committed.tested else ""
    yield f"{outcome.node}: revision {committed.revision}; {tested}{committed.workers} new workers{draining}"


def _warn(outcome: NodeOutcome) -> None:
    for finding in outcome.findings:
        show_warning(f"{outcome.node}: {finding.where}: {finding.message}", finding.hint)
    if outcome.applied is None:
        return
    for route, probe in outcome.applied.probes:
        if not probe.ok:
            show_warning(f"{outcome.node}: {route} is in place, but not proved: {probe.message}", probe.hint)
