"""``nginxws rollback``: a node as an earlier revision left it."""

from __future__ import annotations

from functools import partial
from typing import Any

import click

from nginxws.cli.options import change_options, connection_options, option, probe_options, review_options


@click.command()
@click.argument("revision", type=click.IntRange(0), required=False)
@option("--surgical", is_flag=True, help="Take only our blocks back, and leave what others edited since.")
@connection_options
@change_options
@partial(probe_options, mode="warn")
@review_options
def rollback(revision: int | None, **options: Any) -> int:
    """Bring a node back to what it was after REVISION; without one, to before its newest revision.

    A rollback is a change like any other: a plan with a diff, the same transaction, a revision of
    its own. So a second one without REVISION undoes the first. REVISION 0 is before the first.

    The files get their bytes of then. Where somebody else has edited one of them since, nothing is
    changed, unless --surgical: then our blocks alone go back, and all else stays as it is.
    """
    from nginxws.cli.looking import links_meant
    from nginxws.cli.running import probe_policy, times_from
    from nginxws.nodes.reading import Reading, until_waiting
    from nginxws.report.progress import Progress

    policy = probe_policy(options, None)
    with Progress(verbose=options["verbose"], quiet=options["quiet"]) as progress:
        links = links_meant(options, progress, times_from(options))
        undo = not options["dry_run"]
        readings = [(link, Reading(link, progress.on_node(link.name), undo=undo)) for link in links]
        until_waiting(links)
        from nginxws.cli.change import Change, settings_from
        from nginxws.nodes.rollback import GoingBack

        surgical, drift = options["surgical"], options["overwrite_drift"]
        ways = {link.name: GoingBack(link, revision, surgical, drift) for link in links}
        change = Change(lambda now: ways[now.node].plan(now), settings_from(options), policy)
        return change.on_nodes(readings, progress)
