"""``nginxws list-routes``: what WebSocket routes a balancer has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from nginxws.cli.options import connection_options, file_option, output_options
from nginxws.errors import NginxwsError

if TYPE_CHECKING:
    from nginxws.report.progress import Progress
    from nginxws.report.routes import NodeRoutes


@click.command("list-routes")
@connection_options
@file_option
@output_options
def list_routes(**options: Any) -> int:
    """List WebSocket routes: managed ones, with drift, and hand-written ones.

    A managed route is drifted when somebody edited it by hand since nginxws wrote it.
    """
    from nginxws.deploy import NodeOutcome, worst
    from nginxws.report.progress import Progress
    from nginxws.report.routes import show_routes

    with Progress(verbose=options["verbose"], quiet=options["quiet"]) as progress:
        found = list(_found(options, progress))
    code = worst(NodeOutcome(one.node, error=one.error) for one in found)
    show_routes(found, code, options["output_format"], quiet=options["quiet"])
    return code


def _found(options: dict[str, Any], progress: Progress) -> Iterator[NodeRoutes]:
    """The routes of the file, or of each node."""
    from nginxws.cli.manifest_file import open_meant
    from nginxws.cli.running import file_meant
    from nginxws.inventory import routes
    from nginxws.nodes.prompt import ask_secret
    from nginxws.nodes.reading import read_node
    from nginxws.planner import load_tree
    from nginxws.report.routes import NodeRoutes
    from nginxws.report.text import show_pending

    if (file := file_meant(options)) is not None:
        yield _in_file(file)
        return
    for link in open_meant(options, None, progress.asking(ask_secret)):
        with link:
            try:
                now = read_node(link, progress.on_node(link.name), undo=False)
                progress.pause()
                show_pending(now)
                yield NodeRoutes(link.name, routes(load_tree(now)))
            except NginxwsError as error:
                error.node = error.node or link.name
                yield NodeRoutes(link.name, error=error)


def _in_file(path: str) -> NodeRoutes:
    from nginxws import files
    from nginxws.inventory import routes
    from nginxws.planner import load_tree
    from nginxws.report.routes import NodeRoutes

    try:
        return NodeRoutes(path, routes(load_tree(files.snapshot(path))))
    except NginxwsError as error:
        return NodeRoutes(path, error=error)
