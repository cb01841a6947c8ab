"""``nginxws history``: what was applied to a balancer, and what each time it was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from nginxws.cli.options import connection_options, output_options

if TYPE_CHECKING:
    from nginxws.nodes.link import NodeLink
    from nginxws.report.history import NodeHistory
    from nginxws.report.progress import Progress


@click.command()
@click.argument("words", metavar="[show REVISION]", nargs=-1)
@connection_options
@output_options
def history(words: tuple[str, ...], **options: Any) -> int:
    """List the revisions that a node keeps, oldest first: when, who, how, and why.

    Every change that was carried out is a revision; the node keeps the newest 20 (--keep of the
    commands that change it). `history show REVISION` prints one with its diff.
    """
    from nginxws.cli.looking import links_meant, on_each, worst_of
    from nginxws.report.history import NodeHistory, show_history
    from nginxws.report.progress import Progress

    wanted = _wanted(words)
    with Progress(verbose=options["verbose"], quiet=options["quiet"]) as progress:
        looked = on_each(
            links_meant(options, progress),
            lambda link: _look(link, wanted, progress),
            lambda node, error: NodeHistory(node, error=error),
        )
    code = worst_of([one.error for one in looked])
    whole = wanted is not None
    show_history(looked, code, options["output_format"], quiet=options["quiet"], whole=whole)
    return code


def _look(link: NodeLink, wanted: int | None, progress: Progress) -> NodeHistory:
    """The node's revisions, or the wanted one with the bytes of its files."""
    from nginxws.nodes import history as driver
    from nginxws.report.history import NodeHistory

    progress.step(link.name, "connect")
    session = link.session()
    progress.step(link.name, "history")
    found = driver.read(session, link.options)
    if wanted is None:
        return NodeHistory(link.name, found.revisions)
    return NodeHistory(link.name, driver.with_bytes(session, link.options, [found.revision(wanted)]))


def _wanted(words: tuple[str, ...]) -> int | None:
    """The number after ``show``, None for the list. Raises click.UsageError."""
    if not words:
        return None
    if len(words) == 2 and words[0] == "show" and words[1].isascii() and words[1].isdigit() and int(words[1]):
        return int(words[1])
    raise click.UsageError("after history comes nothing, or: show REVISION (a number)")
