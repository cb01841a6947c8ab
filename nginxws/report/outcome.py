"""The result of a changing command, as text or JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

from nginxws.counting import count
from nginxws.deploy import NodeOutcome
from nginxws.errors import ExitCode
from nginxws.nodes.endings import drainers
from nginxws.nodes.probe.types import ProbeResult
from nginxws.nodes.transaction import Committed, Workers
from nginxws.plan import NodePlan
from nginxws.report.document import envelope, error_json, show_json
from nginxws.report.manifest import ManifestResult
from nginxws.report.notices import Places
from nginxws.report.review import FORMATS, show_review
from nginxws.report.text import show_diff, show_error, show_lines, show_warning

#: Generations of old workers from which on the operator is warned: memory may run out in the end.
MANY_GENERATIONS = 10
_MANY_HINT = (
    "each keeps its memory until its last socket closes: limit that with `worker_shutdown_timeout` in the "
    "node's configuration, or refuse further reloads with --max-draining"
)
_VERBS = {"add": "added", "change": "changed", "remove": "removed"}


def show_outcomes(
    outcomes: Sequence[NodeOutcome],
    code: ExitCode,
    output_format: str,
    *,
    quiet: bool,
    places: Places | None = None,
    title: str = "nginxws",
    manifest: ManifestResult | None = None,
) -> None:
    """Results on stdout, errors and warnings on stderr.

    ``places`` and ``title`` are for services that review changes: where routes are wanted, and what was run.
    """
    show_troubles(outcomes)
    if manifest is not None:
        manifest.show_troubles()
    if output_format == "json":
        show_json(as_json(outcomes, code, manifest))
        return
    if output_format in FORMATS:
        show_review(outcomes, output_format, title, places)
        return
    if quiet:
        return
    if manifest is not None:
        manifest.show(alone=not outcomes)
    for outcome in outcomes:
        if outcome.plan is not None:
            _show(outcome, outcome.plan, alone=len(outcomes) == 1)


def show_troubles(outcomes: Sequence[NodeOutcome]) -> None:
    """Errors and warnings on stderr."""
    for outcome in outcomes:
        if outcome.error is not None:
            show_error(outcome.error)
        _warn(outcome)


def as_json(
    outcomes: Sequence[NodeOutcome], code: ExitCode, manifest: ManifestResult | None = None
) -> dict[str, Any]:
    """The JSON form: each node's plan and result, and that of the manifest where there is one."""
    errors = [str(outcome.error) for outcome in outcomes if outcome.error is not None]
    nodes = {outcome.node: node_json(outcome) for outcome in outcomes}
    changed = any(map(_changes, outcomes))
    if manifest is None:
        return envelope(code, changed=changed, errors=errors, nodes=nodes)
    if manifest.error is not None:
        errors.append(str(manifest.error))
    changed = changed or manifest.changed
    return envelope(code, changed=changed, errors=errors, manifest=manifest.as_json(), nodes=nodes)


def _changes(outcome: NodeOutcome) -> bool:
    """Changed; or in a dry run, would be: Ansible's check mode means the same by it."""
    return outcome.done or outcome.result == "planned"


def node_json(outcome: NodeOutcome) -> dict[str, Any]:
    """One node's plan and result."""
    result: dict[str, Any] = {"changes": [], "files": [], "diff": ""}
    if outcome.plan is not None:
        result |= outcome.plan.as_json()
    result["findings"] = [dataclasses.asdict(finding) for finding in outcome.findings]
    result |= {"result": outcome.result, "applied": outcome.done, "revision": None, "tested": None}
    result["probes"] = [{"route": route, **probe_json(probe)} for route, probe in outcome.probes]
    if outcome.applied is not None:
        committed = outcome.applied.committed
        result |= {
            "revision": committed.revision,
            "tested": committed.tested,
            "in_place": list(committed.in_place),
            "workers": dataclasses.asdict(committed.workers),
        }
    if outcome.taken_back is not None:
        result["taken_back"] = outcome.taken_back.committed.revision
    return result | {"error": error_json(outcome.error)}


def probe_json(probe: ProbeResult) -> dict[str, Any]:
    """What one handshake came to."""
    return {
        "ok": probe.ok,
        "status": probe.status,
        "answered_by": probe.answered_by,
        "message": probe.message,
        "seconds": round(probe.elapsed, 4),
    }


def _show(outcome: NodeOutcome, plan: NodePlan, *, alone: bool) -> None:
    if not outcome.done and outcome.error is None and plan.files:
        if not alone:  # several nodes have their files at the same paths; patch(1) skips the line
            show_lines([f"{outcome.node}: this would change:"])
        show_diff(plan.diff)
        return
    told = list(lines(outcome, plan))
    if not told and outcome.error is None:
        told = [f"{outcome.node}: nothing to do"]
    show_lines(told)


def lines(outcome: NodeOutcome, plan: NodePlan, *, unchanged: bool = True) -> Iterator[str]:
    """What became of a node, in lines; without ``unchanged`` only of what had to be done."""
    for change in plan.changes:
        if change.action != "unchanged":
            if outcome.done and change.action in _VERBS:
                server = change.server.partition(" (")[0]
                yield f"{outcome.node}: {change.route}: {_VERBS[change.action]} in {server} ({change.where})"
        elif unchanged:
            where = f" ({change.where})" if change.where else ""
            note = f"; {change.note}" if change.note else ""
            yield f"{outcome.node}: {change.route}: nothing to do{where}{note}"
    for route, probe in outcome.probes:
        verdict = "live" if probe.ok else "NOT proved"
        yield f"{outcome.node}: {route}: {verdict}: {probe.message}"
    if outcome.taken_back is not None:
        yield f"{outcome.node}: taken back by revision {outcome.taken_back.committed.revision}"
    elif outcome.applied is not None:
        yield from _committed(outcome.node, outcome.applied.committed)


def _committed(node: str, committed: Committed) -> Iterator[str]:
    for place in committed.in_place:
        yield f"{node}: written in place: {place}"
    tested = f"tested {committed.tested}; " if committed.tested else ""
    workers = committed.workers
    yield f"{node}: revision {committed.revision}; {tested}{count(workers.serving, 'new worker')}"
    if workers.draining:
        yield f"{node}: {_drainers(workers)}"


def _drainers(workers: Workers) -> str:
    return drainers(workers.generations, workers.draining, workers.oldest_seconds)


def _warn(outcome: NodeOutcome) -> None:
    workers = outcome.applied.committed.workers if outcome.applied else None
    if workers is not None and workers.generations >= MANY_GENERATIONS:
        show_warning(f"{outcome.node}: {_drainers(workers)}", _MANY_HINT)
    for finding in outcome.findings:
        show_warning(f"{outcome.node}: {finding.where}: {finding.message}", finding.hint)
    for route, probe in outcome.probes:
        if not probe.ok:
            show_warning(f"{outcome.node}: {route} is in place, but not proved: {probe.message}", probe.hint)
