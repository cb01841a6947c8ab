"""What ``nginxws history`` found, as text or JSON."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from nginxws.diff import edits_between, unified
from nginxws.errors import ExitCode, NginxwsError
from nginxws.nodes.endings import when
from nginxws.printable import one_line
from nginxws.report.document import envelope, error_json, show_json
from nginxws.report.text import show_diff, show_error, show_lines, show_note
from nginxws.revision import Revision


@dataclass(frozen=True, slots=True)
class NodeHistory:
    """The revisions of one node, or why they can't be told."""

    node: str
    revisions: Sequence[Revision] = ()
    error: NginxwsError | None = None


def show_history(
    found: Sequence[NodeHistory], code: ExitCode, output_format: str, *, quiet: bool, whole: bool
) -> None:
    """Revisions on stdout; errors and, unless ``quiet``, notes on stderr. ``whole`` adds their diffs."""
    for one in found:
        if one.error is not None:
            show_error(one.error)
    if output_format == "json":
        show_json(as_json(found, code, whole=whole))
        return
    for one in found:
        if whole:
            for revision in one.revisions:
                show_lines(_about(one.node, revision))
                show_diff(diff(revision))
            continue
        show_lines(_table(one))
        if not (one.revisions or one.error or quiet):
            show_note(f"{one.node}: no revisions: nothing was applied by nginxws yet")


def diff(revision: Revision) -> str:
    """The unified diff of a revision that holds its files' bytes."""
    parts = []
    for file in revision.files:
        assert file.old is not None, "asked for with its bytes"
        assert file.new is not None, "asked for with its bytes"
        parts.append(unified(file.old, edits_between(file.old, file.new), file.path))
    return "".join(parts)


def as_json(found: Sequence[NodeHistory], code: ExitCode, *, whole: bool) -> dict[str, Any]:
    """The JSON form: every node's revisions, oldest first."""
    nodes = {
        one.node: {
            "revisions": [revision_json(revision, whole=whole) for revision in one.revisions],
            "error": error_json(one.error),
        }
        for one in found
    }
    errors = [str(one.error) for one in found if one.error is not None]
    return envelope(code, changed=False, errors=errors, nodes=nodes)


def revision_json(revision: Revision, *, whole: bool = False) -> dict[str, Any]:
    """One revision; ``whole``: with its diff."""
    document: dict[str, Any] = {
        "number": revision.number,
        "time": iso(revision.since),
        "who": revision.who,
        "message": revision.message,
        "kind": revision.kind,
        "digest": revision.digest or None,
        "transaction": revision.transaction,
        "files": [{"path": file.path, "before": file.before, "after": file.after} for file in revision.files],
    }
    return document | {"diff": diff(revision)} if whole else document


def iso(seconds: int) -> str | None:
    """A moment in seconds since the epoch as RFC 3339 has it, in UTC; None where no clock says that."""
    try:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds)) if seconds else None
    except (OverflowError, ValueError, OSError):
        return None


def _table(one: NodeHistory) -> Iterator[str]:
    """One line a revision; the columns line up, but for the last, which is the message."""
    rows = [tuple(map(one_line, _cells(revision))) for revision in one.revisions]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for number, *cells, message in rows:
        padded = (cell.ljust(width) for cell, width in zip(cells, widths[1:], strict=False))
        yield f"{one.node}: {'  '.join([number.rjust(widths[0]), *padded, message])}".rstrip()


def _cells(revision: Revision) -> tuple[str, ...]:
    return str(revision.number), when(revision.since), revision.who, revision.kind, revision.message


def _about(node: str, revision: Revision) -> Iterator[str]:
    how = "rolled back" if revision.kind == "rollback" else "applied"
    yield f"{node}: revision {revision.number}, {how} {when(revision.since)} by {revision.who or 'somebody'}"
    if revision.message:
        yield f"{node}: message: {revision.message}"
    if revision.digest:
        yield f"{node}: digest: {revision.digest}"
