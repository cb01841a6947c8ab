"""What ``nginxws recover`` and ``nginxws unlock`` did, as text or JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nginxws.errors import ExitCode, NginxwsError
from nginxws.report.document import envelope, error_json
from nginxws.report.text import show_error, show_lines

if TYPE_CHECKING:
    from nginxws.nodes.transaction import Recovered


@dataclass(frozen=True, slots=True)
class NodeResult:
    """What became of one node: a sentence, and the command's own JSON field (None after an error)."""

    node: str
    field: str
    value: int | str | None = None
    changed: bool = False
    text: str = ""
    error: NginxwsError | None = None


def recovered(node: str, found: Recovered) -> NodeResult:
    """The result of ``recover``; its field is ``revision``, the newest, 0 for none."""
    if found.undone:
        text = f"undone: {found.cause}"
    elif not found.accepted:
        text = "nothing to recover" + (f", but {found.cause}" if found.cause else "")
    else:
        text = "kept as it is" + (f", but NGINX doesn't serve it: {found.cause}" if found.cause else "")
    if found.last_revision:
        text += f"; the newest revision is {found.last_revision}"
    return NodeResult(node, "revision", found.last_revision, found.undone or found.accepted, text)


def unlocked(node: str, holder: str) -> NodeResult:
    """The result of ``unlock``; its field is ``holder``, who held the lock, empty when nobody did."""
    text = f"freed: it was locked by {holder}" if holder else "not locked"
    return NodeResult(node, "holder", holder, bool(holder), text)


def show_result(result: NodeResult, output_format: str, *, quiet: bool) -> None:
    """One node's result as soon as it is there: the sentence on stdout, an error on stderr."""
    if result.error is not None:
        show_error(result.error)
    elif output_format == "text" and not quiet:
        show_lines([f"{result.node}: {result.text}"])


def as_json(results: Sequence[NodeResult], code: ExitCode) -> dict[str, Any]:
    """The JSON form of all nodes' results."""
    nodes = {
        result.node: {
            "changed": result.changed,
            "text": result.text,
            result.field: result.value,
            "error": error_json(result.error),
        }
        for result in results
    }
    errors = [str(result.error) for result in results if result.error is not None]
    return envelope(code, changed=any(result.changed for result in results), errors=errors, nodes=nodes)
