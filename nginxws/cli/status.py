"""``nginxws status``: how a balancer stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from nginxws.cli.options import connection_options, output_options

if TYPE_CHECKING:
    from nginxws.nodes.link import NodeLink
    from nginxws.report.progress import Progress
    from nginxws.report.status import Standing


@click.command()
@connection_options
@output_options
def status(**options: Any) -> int:
    """Say how a node stands: what was applied last, what was edited by hand since, a change cut short,
    who holds the lock, NGINX's version and workers, old workers that still drain, open connections.

    It only looks, and waits for no lock. A node that can't be asked is told beside the others.
    """
    from nginxws.cli.looking import links_meant, on_each, worst_of
    from nginxws.report.progress import Progress
    from nginxws.report.status import Standing, show_status

    with Progress(verbose=options["verbose"], quiet=options["quiet"]) as progress:
        looked = on_each(
            links_meant(options, progress),
            lambda link: _look(link, progress),
            lambda node, error: Standing(node, error=error),
        )
    code = worst_of([one.error for one in looked])
    show_status(looked, code, options["output_format"], quiet=options["quiet"])
    return code


def _look(link: NodeLink, progress: Progress) -> Standing:
    from nginxws.config.tree import MappingReader, load
    from nginxws.nodes import history
    from nginxws.nodes.reading import read_node
    from nginxws.report.status import Standing
    from nginxws.status import node_status

    now = read_node(link, progress.on_node(link.name), undo=False)
    found = history.read(link.session(), link.options)
    # A file that is missing is told by NGINX's own test, which is part of what is shown.
    tree = load(now.nginx.conf, MappingReader(now.texts()))
    return Standing(link.name, node_status(now, tree, found))
