"""``nginxws list-routes``: what WebSocket routes a balancer has."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from nginxws.cli.options import connection_options, file_option, output_options
from nginxws.errors import ExitCode, NginxwsError

if TYPE_CHECKING:
    from nginxws.deploy import NodeOutcome
    from nginxws.inventory import ListedRoute


@click.command("list-routes")
@connection_options
@file_option
@output_options
def list_routes(**options: Any) -> int:
    """List WebSocket routes: managed ones, with drift, and hand-written ones.

    A managed route is drifted when somebody edited it by hand since nginxws wrote it.
    """
    from nginxws.deploy import NodeOutcome, worst
    from nginxws.report.text import show_error

    found: dict[str, list[ListedRoute]] = {}
    outcomes = []
    for name, routes, error in _each(options):
        outcomes.append(NodeOutcome(name, error=error))
        if error is not None:
            show_error(error)
        else:
            found[name] = routes
    code = worst(outcomes)
    if options["output_format"] == "json":
        _print_json(outcomes, found, code)
    else:
        _print_text(found)
    return code


def _each(options: dict[str, Any]) -> Iterator[tuple[str, list[ListedRoute], NginxwsError | None]]:
    """Yields name, routes and error of the file or of each node."""
    from nginxws.cli.running import file_meant, target_from
    from nginxws.cli.targets import open_links
    from nginxws.inventory import routes
    from nginxws.nodes.reading import read_node
    from nginxws.planner import load_tree
    from nginxws.report.text import show_pending

    file = file_meant(options)
    if file is not None:
        from nginxws import files

        try:
            yield file, routes(load_tree(files.snapshot(file))), None
        except NginxwsError as error:
            yield file, [], error
        return
    for link in open_links(target_from(options)):
        with link:
            try:
                now = read_node(link, lambda _step, _words: None, undo=False)
                show_pending(now)
                yield link.name, routes(load_tree(now)), None
            except NginxwsError as error:
                error.node = error.node or link.name
                yield link.name, [], error


def _print_json(outcomes: Sequence[NodeOutcome], found: dict[str, list[ListedRoute]], code: ExitCode) -> None:
    from nginxws.plan import FORMAT_VERSION
    from nginxws.report.outcome import error_json

    nodes = {
        outcome.node: {
            "routes": [dataclasses.asdict(route) for route in found.get(outcome.node, [])],
            "error": None if outcome.error is None else error_json(outcome.error),
        }
        for outcome in outcomes
    }
    click.echo(json.dumps({"format_version": FORMAT_VERSION, "rc": int(code), "nodes": nodes}, indent=2))


def _print_text(found: dict[str, list[ListedRoute]]) -> None:
    from nginxws.report.text import show_lines, show_note

    for node, routes in found.items():
        if not routes:
            show_note(f"{node}: no WebSocket routes")
            continue
        rows = [
            (
                f"{r.match} {r.path}".strip(),
                ", ".join(r.backends) or "-",
                r.state,
                f"{r.file}:{r.line}",
                r.server,
            )
            for r in routes
        ]
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        show_lines(
            f"{node}: "
            + "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]])
            + f"  in {row[4].partition(' ')[0]}"
            for row in rows
        )
