"""A plan kept in a file, and whether it still is the plan. Pure: text in, text out.

A plan file says what was agreed on. It is never where configuration comes from: ``apply`` plans anew from
manifest and node, and carries that out only if it is the same to the byte. So nothing that somebody writes
into the file can reach a node.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from nginxws.errors import NginxwsError, StaleError
from nginxws.plan import NodePlan
from nginxws.printable import one_line

#: Version of the file: a reader ignores unknown minors and refuses unknown majors.
FORMAT_VERSION = "1.0"
#: Bytes of a plan file that are read.
MAX_SIZE = 256 * 1024 * 1024
#: How far a plan may come from the future: clocks differ.
_SKEW = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class PlannedNode:
    """What was planned for one node: sha256 by real path of every file it has, and of those as they will be.

    ``before`` are the node's files as the plan found them, ``after`` those that change; ``error`` says why
    there was no plan.
    """

    nginx: str
    before: Mapping[str, str]
    after: Mapping[str, str]
    error: str = ""


@dataclass(frozen=True, slots=True)
class PlanFile:
    """A saved plan. ``created`` is in UTC, ``manifest`` the sha256 of the manifest's bytes.

    ``options`` are those of ``plan`` that shape the result; ``report`` is what people and other programs
    read of it.
    """

    created: datetime
    created_by: str
    program: str
    manifest: str
    options: Mapping[str, bool]
    nodes: Mapping[str, PlannedNode]
    report: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def to_json(self) -> str:
        """The file's text."""
        return json.dumps(self.document(), indent=2, ensure_ascii=True) + "\n"

    def document(self) -> dict[str, Any]:
        """What the file holds."""
        return {
            "format_version": FORMAT_VERSION,
            "created": self.created.astimezone(UTC).isoformat(timespec="seconds"),
            "created_by": self.created_by,
            "nginxws": self.program,
            "manifest": {"sha256": self.manifest},
            "options": dict(self.options),
            "nodes": {name: self._node(name, node) for name, node in self.nodes.items()},
        }

    def _node(self, name: str, node: PlannedNode) -> dict[str, Any]:
        own = {"nginx": node.nginx, "base": dict(node.before), "after": dict(node.after)}
        return {**self.report.get(name, {}), **own, "planned": not node.error}

    def expired(self, now: datetime, max_age: timedelta) -> str:
        """Why the plan's time is over; empty when it isn't."""
        age = now - self.created
        if age > max_age:
            return f"the plan is {_hours(age)} old, and may be {_hours(max_age)}"
        if age < -_SKEW:
            return f"the plan comes from the future, by {_hours(-age)}: one of the two clocks is wrong"
        return ""


def planned_node(nginx: str, plan: NodePlan) -> PlannedNode:
    """What a plan file keeps of a node's plan."""
    after = {file["path"]: file["after"] for file in plan.as_json()["files"]}
    return PlannedNode(nginx, dict(plan.base), after)


def stale(saved: PlannedNode, now: PlannedNode) -> list[str]:
    """What differs between a node's plan as saved and as made anew, a line each; empty: it is the same.

    Where no plan could be made anew, what is there now is compared alone.
    """
    if saved.error:
        return [f"there was no plan for it: {saved.error}"]
    reasons = []
    if saved.nginx != now.nginx:
        reasons.append(f"its NGINX is {now.nginx}, and was {saved.nginx}")
    for path in sorted({*saved.before, *now.before}):
        if saved.before.get(path) != now.before.get(path):
            what = "is gone" if path not in now.before else "changed" if path in saved.before else "is new"
            reasons.append(f"{path} {what} since")
    if not reasons and not now.error and saved.after != now.after:
        reasons.append("the plan made anew is another one (another nginxws, or other templates?)")
    return reasons


def refuse_stale(node: str, reasons: list[str]) -> None:
    """Raise StaleError when there are reasons."""
    if reasons:
        raise StaleError(
            f"not what was planned: {reasons[0]}",
            node=node,
            detail="\n".join(reasons[1:]) or None,
            hint="nothing was touched; make a new plan with `nginxws plan --out`, and have it looked at",
        )


def from_json(text: str, name: str) -> PlanFile:
    """Read a plan file. Raises NginxwsError for what isn't one, or is of a later major format."""
    try:
        return _read(json.loads(text))
    except _Malformed as error:
        raise NginxwsError(f"not a plan of nginxws: {error}", file=name, hint=_MAKE_ONE) from error
    except (ValueError, RecursionError) as error:
        raise NginxwsError("not a plan of nginxws: not JSON", file=name, hint=_MAKE_ONE) from error


_MAKE_ONE = "make one with `nginxws plan --out FILE`"


class _Malformed(ValueError):
    """Something in the file isn't what it should be."""


def _read(data: Any) -> PlanFile:
    version = _text(_member(data, "format_version"), "format_version")
    if version.partition(".")[0] != FORMAT_VERSION.partition(".")[0]:
        raise _Malformed(f"format {one_line(version)} isn't known, only {FORMAT_VERSION} is")
    created = _moment(_text(_member(data, "created"), "created"))
    options = _table(_member(data, "options"), "options")
    nodes = _table(_member(data, "nodes"), "nodes")
    return PlanFile(
        created=created,
        created_by=_text(_member(data, "created_by"), "created_by"),
        program=_text(_member(data, "nginxws"), "nginxws"),
        manifest=_text(_member(_member(data, "manifest"), "sha256"), "manifest.sha256"),
        options={name: value is True for name, value in options.items()},
        nodes={name: _planned(node) for name, node in nodes.items()},
    )


def _planned(data: Any) -> PlannedNode:
    if _member(data, "planned") is not True:
        error = _table(data, "a node").get("error")
        message = error.get("message") if isinstance(error, dict) else ""
        return PlannedNode("", {}, {}, one_line(str(message or "unknown reason")))
    return PlannedNode(_text(_member(data, "nginx"), "nginx"), _texts(data, "base"), _texts(data, "after"))


def _member(data: Any, key: str) -> Any:
    if not isinstance(data, dict) or key not in data:
        raise _Malformed(f"it has no {key}")
    return data[key]


def _table(value: Any, key: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _Malformed(f"{key} isn't an object")
    return value


def _text(value: Any, key: str) -> str:
    if not isinstance(value, str):
        raise _Malformed(f"{key} isn't text")
    return value


def _texts(data: Any, key: str) -> dict[str, str]:
    return {path: _text(value, key) for path, value in _table(_member(data, key), key).items()}


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise _Malformed("created isn't a time") from error
    if moment.tzinfo is None:
        raise _Malformed("created has no time zone")
    return moment


def _hours(age: timedelta) -> str:
    minutes = int(age.total_seconds()) // 60
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
