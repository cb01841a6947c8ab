"""What a result has to say about single places, for the formats that review tools read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from nginxws.deploy import NodeOutcome
from nginxws.errors import ManifestError, NginxwsError
from nginxws.plan import Change

Level = Literal["error", "warning", "notice"]

#: File and line (from 1) that wants a route on a node, by node and route; with "" as the route: the node.
Places = Mapping[tuple[str, str], tuple[str, int]]

_CHANGE_LEVELS: dict[str, Level] = {"drift": "warning", "conflict": "error"}
_VERBS = {
    "add": "would be added",
    "change": "would be changed",
    "remove": "would be removed",
    "drift": "was edited by hand",
    "conflict": "has a hand-written location in its way",
}
_DONE = {"add": "was added", "change": "was changed", "remove": "was removed"}


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to be shown beside a line. ``check`` is its kind, the same for all of the kind.

    ``file`` is empty where no place is known; ``line`` counts from 1.
    """

    level: Level
    check: str
    message: str
    file: str = ""
    line: int = 1
    node: str = ""


def notices(outcomes: Sequence[NodeOutcome], places: Places) -> Iterator[Notice]:
    """Everything worth an annotation in a command's result, node by node."""
    for outcome in outcomes:
        yield from _of_node(outcome, places)
        if outcome.error is not None:
            yield from of_error(outcome.error, places)


def of_error(error: NginxwsError, places: Places | None = None) -> Iterator[Notice]:
    """An error; one for each problem of a manifest. What befell a node stands beside its entry."""
    kind = type(error).__name__
    if isinstance(error, ManifestError):
        for problem in error.problems:
            message = f"{problem.message}; {problem.hint}" if problem.hint else problem.message
            yield Notice("error", kind, message, error.file or "", problem.line)
        return
    message = f"{error}; {error.hint}" if error.hint else str(error)
    node = error.node or ""
    file, line = (places or {}).get((node, ""), (error.file or "", error.line or 1))
    yield Notice("error", kind, message, file, line, node)


def _of_node(outcome: NodeOutcome, places: Places) -> Iterator[Notice]:
    node = outcome.node
    for change in outcome.plan.changes if outcome.plan is not None else ():
        if change.action != "unchanged" and (outcome.done or outcome.error is None):
            yield _of_change(outcome, change, places)
    for finding in outcome.findings:
        file, line = _place(node, "", places, finding.where)
        yield Notice("warning", finding.rule, f"{node}: {finding.where}: {finding.message}", file, line, node)
    for route, probe in outcome.probes:
        if not probe.ok:
            file, line = _place(node, route, places)
            message = f"{node}: {route}: not proved: {probe.message}"
            yield Notice("warning", "probe", message, file, line, node)


def _of_change(outcome: NodeOutcome, change: Change, places: Places) -> Notice:
    node = outcome.node
    file, line = _place(node, change.route, places, change.where)
    words = _DONE.get(change.action) if outcome.done else None
    message = f"{node}: {change.route} {words or _VERBS[change.action]}"
    if change.note:
        message += f": {change.note}"
    return Notice(_CHANGE_LEVELS.get(change.action, "notice"), change.action, message, file, line, node)


def _place(node: str, route: str, places: Places, where: str = "") -> tuple[str, int]:
    """Where a route, else its node, is wanted; else ``where`` (``file:line`` on the node)."""
    path, _, number = where.rpartition(":")
    known = (path, int(number)) if number.isascii() and number.isdigit() else ("", 1)
    return places.get((node, route)) or places.get((node, "")) or known
