"""What ``nginxws plan`` and ``nginxws apply`` say of several nodes, as text and JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from nginxws.counting import count
from nginxws.deploy import NodeOutcome
from nginxws.errors import ExitCode
from nginxws.plan import NodePlan
from nginxws.planfile import PlanFile
from nginxws.printable import one_line
from nginxws.report.document import envelope, show_json
from nginxws.report.notices import Places
from nginxws.report.outcome import lines, node_json, show_outcomes, show_troubles
from nginxws.report.review import FORMATS, show_review
from nginxws.report.text import show_diff, show_lines

_SIGNS = {"add": "+", "change": "~", "remove": "-", "drift": "!", "conflict": "!"}
_TO_DO = (("add", "to add"), ("change", "to change"), ("remove", "to remove"))
_DONE = (("add", "added"), ("change", "changed"), ("remove", "removed"))
_LEFT = (("drift", "drifted"), ("conflict", "in conflict"))


def show_plan(
    outcomes: Sequence[NodeOutcome],
    code: ExitCode,
    output_format: str,
    saved: PlanFile,
    *,
    quiet: bool,
    places: Places | None = None,
) -> None:
    """Every node's plan on stdout, errors and warnings on stderr."""
    if output_format == "json":
        show_troubles(outcomes)
        show_json(plan_json(outcomes, code, saved))
    elif output_format in FORMATS:
        show_troubles(outcomes)
        show_review(outcomes, output_format, "nginxws plan", places)
    elif quiet:
        show_troubles(outcomes)
    else:
        show_plans(outcomes)


def show_plans(outcomes: Sequence[NodeOutcome]) -> None:
    """Node by node: the counts, what isn't left as it is, and the diff."""
    for outcome in outcomes:
        if outcome.plan is not None:
            show_node(outcome.node, outcome.plan)
    show_troubles(outcomes)


def show_node(node: str, plan: NodePlan) -> None:
    """One node's counts, what isn't left as it is, and the diff."""
    show_lines(_heading(node, plan))
    show_diff(plan.diff)


def plan_json(outcomes: Sequence[NodeOutcome], code: ExitCode, saved: PlanFile) -> dict[str, Any]:
    """The plan file's fields behind those that every document begins with: ``apply`` takes this, too."""
    pending = any(outcome.plan is not None and is_pending(outcome.plan) for outcome in outcomes)
    errors = [str(outcome.error) for outcome in outcomes if outcome.error is not None]
    content = saved.document()
    content.pop("format_version")
    return envelope(code, changed=pending, errors=errors, **content)


def nodes_json(outcomes: Sequence[NodeOutcome]) -> dict[str, Any]:
    """What a plan file keeps for its readers."""
    return {outcome.node: node_json(outcome) for outcome in outcomes}


def is_pending(plan: NodePlan) -> bool:
    """Whether the node isn't as wanted: something would change, or is left that should."""
    return bool(plan.files or plan.blocked)


def show_applied(
    outcomes: Sequence[NodeOutcome],
    code: ExitCode,
    output_format: str,
    *,
    quiet: bool,
    places: Places | None = None,
) -> None:
    """What became of every node; as text, with a table at the end."""
    if output_format != "text":
        show_outcomes(outcomes, code, output_format, quiet=quiet, places=places, title="nginxws apply")
        return
    show_troubles(outcomes)
    if quiet:
        return
    for outcome in outcomes:
        if outcome.plan is not None:
            show_lines(lines(outcome, outcome.plan, unchanged=False))
    show_lines(_table(outcomes))


def _heading(node: str, plan: NodePlan) -> Iterator[str]:
    yield f"{node}: {_counts(plan, _TO_DO, always=True)}"
    for change in plan.changes:
        if change.action != "unchanged":
            where = " ".join(filter(None, (change.server.partition(" (")[0], f"({change.where})")))
            note = f": {change.note}" if change.note else ""
            yield f"  {_SIGNS[change.action]} {change.action} {change.route}  {where}{note}"


def _counts(plan: NodePlan, words: Sequence[tuple[str, str]], *, always: bool = False) -> str:
    """ "2 to add, 1 to change, 0 to remove, 1 drifted"."""
    numbers = {action: sum(change.action == action for change in plan.changes) for action in _SIGNS}
    told = [f"{numbers[action]} {word}" for action, word in words if always or numbers[action]]
    told += [f"{numbers[action]} {word}" for action, word in _LEFT if numbers[action]]
    return ", ".join(told)


def _table(outcomes: Sequence[NodeOutcome]) -> Iterator[str]:
    """One line a node: its name, what became of it, how much changed, the revision."""
    rows = [("NODE", "RESULT", "ROUTES", "REVISION"), *map(row, outcomes)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for cells in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def row(outcome: NodeOutcome) -> tuple[str, str, str, str]:
    """A node's line of the table, cell by cell."""
    kept = outcome.taken_back or outcome.applied
    plan = outcome.plan
    if plan is None:
        routes = ""
    elif outcome.done:
        routes = _counts(plan, _DONE)
    elif outcome.result == "unchanged":
        routes = count(len(plan.changes), "route")
    else:
        routes = _counts(plan, _TO_DO)
    revision = "" if kept is None else str(kept.committed.revision)
    return one_line(outcome.node), outcome.result, routes or "-", revision or "-"
