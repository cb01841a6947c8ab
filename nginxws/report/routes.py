"""What ``nginxws list-routes`` found, as text or JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nginxws.errors import ExitCode, NginxwsError
from nginxws.printable import one_line
from nginxws.report.document import envelope, error_json, show_json
from nginxws.report.text import show_error, show_lines, show_note

if TYPE_CHECKING:
    from nginxws.inventory import ListedRoute


@dataclass(frozen=True, slots=True)
class NodeRoutes:
    """The routes of one node (or file), or why they can't be told."""

    node: str
    routes: Sequence[ListedRoute] = ()
    error: NginxwsError | None = None


def show_routes(found: Sequence[NodeRoutes], code: ExitCode, output_format: str, *, quiet: bool) -> None:
    """Routes on stdout; errors and, unless ``quiet``, notes on stderr."""
    for one in found:
        if one.error is not None:
            show_error(one.error)
    if output_format == "json":
        show_json(as_json(found, code))
        return
    for one in found:
        show_lines(_table(one))
        if not (one.routes or one.error or quiet):
            show_note(f"{one.node}: no WebSocket routes")


def as_json(found: Sequence[NodeRoutes], code: ExitCode) -> dict[str, Any]:
    """The JSON form: every route as the inventory has it, by node."""
    nodes = {
        one.node: {
            "routes": [dataclasses.asdict(route) for route in one.routes],
            "error": error_json(one.error),
        }
        for one in found
    }
    errors = [str(one.error) for one in found if one.error is not None]
    return envelope(code, changed=False, errors=errors, nodes=nodes)


def _table(one: NodeRoutes) -> Iterator[str]:
    """One line a route; the columns line up, but for the last, which is the server."""
    rows = [tuple(map(one_line, _cells(route))) for route in one.routes]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for *cells, file, server in rows:
        padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=False))
        yield f"{one.node}: {'  '.join([*padded, file])}  in {server}"


def _cells(route: ListedRoute) -> tuple[str, ...]:
    return (
        f"{route.match} {route.path}".strip(),
        ", ".join(route.backends) or "-",
        route.state,
        f"{route.file}:{route.line}",
        route.server.partition(" ")[0],
    )
