"""What ``nginxws status`` found, as text or JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from nginxws.counting import count
from nginxws.errors import ExitCode, NginxwsError
from nginxws.nodes.endings import drainers, holder, when
from nginxws.report.document import envelope, error_json, show_json
from nginxws.report.history import iso, revision_json
from nginxws.report.text import show_error, show_lines
from nginxws.status import NodeStatus


@dataclass(frozen=True, slots=True)
class Standing:
    """How one node stands, or why that can't be told."""

    node: str
    status: NodeStatus | None = None
    error: NginxwsError | None = None


def show_status(found: Sequence[Standing], code: ExitCode, output_format: str, *, quiet: bool) -> None:
    """A few lines a node on stdout, errors on stderr."""
    for one in found:
        if one.error is not None:
            show_error(one.error)
    if output_format == "json":
        show_json(as_json(found, code))
        return
    for one in found:
        if one.status is not None and not quiet:
            show_lines(f"{one.node}: {line}" for line in _lines(one.status))


def as_json(found: Sequence[Standing], code: ExitCode) -> dict[str, Any]:
    """The JSON form, by node; after an error there is nothing but that."""
    nodes = {
        one.node: ({} if one.status is None else _status_json(one.status)) | {"error": error_json(one.error)}
        for one in found
    }
    errors = [str(one.error) for one in found if one.error is not None]
    return envelope(code, changed=False, errors=errors, nodes=nodes)


def _status_json(status: NodeStatus) -> dict[str, Any]:
    pending = status.pending
    return {
        "nginx": status.nginx,
        "conf": status.conf,
        "state_dir": status.state_dir,
        "running": bool(status.master),
        "master": status.master or None,
        "revision": None if status.revision is None else revision_json(status.revision),
        "edited": list(status.edited),
        "managed": status.managed,
        "drifted": [
            {"path": route.path, "server": route.server, "file": route.file, "line": route.line}
            for route in status.drifted
        ],
        "pending": None
        if pending is None
        else {"transaction": pending.transaction, "who": pending.who, "time": iso(pending.since)},
        "holder": holder(status.holder) if status.holder else "",
        "workers": {
            "serving": status.serving,
            "draining": status.draining,
            "generations": status.generations,
            "oldest_seconds": status.oldest_seconds,
        },
        "sockets": None
        if status.sockets is None
        else {str(port): number for port, number in status.sockets.items()},
        "worker_shutdown_timeout": status.shutdown_timeout or None,
        "test_failure": status.test_failure,
    }


def _lines(status: NodeStatus) -> Iterator[str]:
    running = f"running (master {status.master})" if status.master else "NOT running"
    yield f"{status.nginx or 'NGINX'}, {running}: {status.conf}"
    if status.test_failure is not None:
        yield f"its own test fails: {_complaint(status.test_failure)}"
    yield from _applied(status)
    if status.pending is not None:
        began = f"{status.pending.who or 'somebody'}, begun {when(status.pending.since)}"
        yield f"a change by {began}, is not finished: under way, or cut short (then `nginxws recover`)"
    if status.holder:
        yield f"locked by {holder(status.holder)}"
    yield from _workers(status)
    yield f"state directory: {status.state_dir}"


def _complaint(words: str) -> str:
    """The line of NGINX's words that says why; warnings may come before it."""
    lines = words.strip().split("\n")
    return next((line for line in lines if "[emerg]" in line), lines[0]) or "without a word"


def _applied(status: NodeStatus) -> Iterator[str]:
    revision = status.revision
    if revision is None:
        yield "no revisions: nothing was applied by nginxws yet"
    else:
        why = f": {revision.message}" if revision.message else ""
        yield f"revision {revision.number}, {when(revision.since)} by {revision.who or 'somebody'}{why}"
    for path in status.edited:
        yield f"edited by hand since then: {path}"
    drifted = f", {len(status.drifted)} drifted" if status.drifted else ""
    yield f"{count(status.managed, 'managed route')}{drifted}"
    for route in status.drifted:
        yield f"drifted: {route.path} ({route.file}:{route.line})"


def _workers(status: NodeStatus) -> Iterator[str]:
    limit = status.shutdown_timeout
    if status.master:
        yield f"{count(status.serving, 'worker')} serving"
    if status.draining:
        yield drainers(status.generations, status.draining, status.oldest_seconds)
    yield f"worker_shutdown_timeout: {limit or 'none: old workers wait for their sockets without limit'}"
    if status.sockets is None:
        yield "open connections: unknown (the node has no ss)"
    elif status.sockets:
        ports = ", ".join(f"{number} on port {port}" for port, number in status.sockets.items())
        yield f"open connections: {ports}"
