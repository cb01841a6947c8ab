"""``nginxws remove-route``: the managed block out again, to the byte."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from nginxws.cli.options import change_options, connection_options, file_option, output_options, server_option

if TYPE_CHECKING:
    from nginxws.cli.change import Change


@click.command("remove-route")
@click.argument("path")
@connection_options
@file_option
@server_option
@change_options
@output_options
def remove_route(path: str, **options: Any) -> int:
    """Take the managed route for PATH out of a balancer's configuration.

    What nginxws put in goes out, byte for byte, and NGINX is reloaded; open WebSockets stay
    open until they close. Hand-written locations are never touched. A route that isn't there
    is nothing to do.
    """
    from nginxws.cli.running import run_change

    def make() -> Change:
        from nginxws.cli.change import Change, settings_from
        from nginxws.plan import Drop
        from nginxws.planner import make_plan

        wanted = Drop(path, overwrite_drift=options["overwrite_drift"], server=options["server"])
        return Change(lambda now: make_plan(now, [wanted]), settings_from(options))

    return run_change(make, options)
