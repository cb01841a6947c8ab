"""``nginxws remove-route``: the managed block out again, to the byte."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from nginxws.cli.options import (
    change_options,
    connection_options,
    file_option,
    manifest_options,
    review_options,
    server_option,
)

if TYPE_CHECKING:
    from nginxws.cli.change import Change


@click.command("remove-route")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@connection_options
@file_option
@server_option
@manifest_options
@change_options
@review_options
def remove_route(paths: tuple[str, ...], **options: Any) -> int:
    """Take the managed route for PATH out of a balancer's configuration; of several PATHs, all at once.

    What nginxws put in goes out, byte for byte, and NGINX is reloaded; open WebSockets stay
    open until they close. Hand-written locations are never touched. A route that isn't there
    is nothing to do.

    With a manifest (nginxws.toml) the route goes out of it as well, when all its nodes are done.
    """
    from nginxws.cli.manifest_edit import edited_manifest, remove
    from nginxws.cli.running import run_change

    manifest = edited_manifest(options)
    if manifest is not None:
        return remove(manifest, paths, options)

    def make() -> Change:
        from nginxws.cli.change import Change, settings_from
        from nginxws.plan import Drop
        from nginxws.planner import make_plan

        drift, server = options["overwrite_drift"], options["server"]
        wanted = [Drop(path, overwrite_drift=drift, server=server) for path in dict.fromkeys(paths)]
        return Change(lambda now: make_plan(now, wanted), settings_from(options))

    return run_change(make, options)
