"""``nginxws apply``: the manifest, or exactly a saved plan of it, on all its nodes."""

from __future__ import annotations

from typing import Any

import click

from nginxws.cli.options import (
    Seconds,
    change_options,
    connection_options,
    option,
    review_options,
    take_over_options,
)


@click.command()
@click.argument("planfile", required=False, type=click.Path(exists=True, dir_okay=False))
@option(
    "--max-age",
    type=Seconds(),
    default=86400,
    show_default="24h",
    help="Refuse a saved plan older than this.",
)
@option("--parallel", type=click.IntRange(1, 64), default=1, show_default=True, metavar="N",
        help="Nodes at once, after the first that changes.")  # fmt: skip
@option("--on-failure", type=click.Choice(["stop", "rollback-all"]), default="stop", show_default=True,
        help="What becomes of the nodes that are done when one fails.")  # fmt: skip
@take_over_options
@change_options
@connection_options
@review_options
def apply(planfile: str | None, **options: Any) -> int:
    """Bring the nodes of the manifest to what it says: all their routes, each node in one transaction.

    With PLANFILE, made by `nginxws plan --out PLANFILE`, exactly that is done: if the manifest, a node's
    NGINX or any file of its configuration is another one by now, nothing is touched on any node.

    The first node that changes is the canary. After a failure no further node is tried. Nothing is touched
    at all when a node can't be planned for, or has a hand edit or a hand-written location in the way.
    """
    from nginxws.cli.applying import run

    return run(planfile, options)
