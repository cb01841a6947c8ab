"""``nginxws remove-route``: the managed block out again, to the byte."""

from __future__ import annotations

from typing import Any

import click

from nginxws.cli.options import change_options, connection_options, file_option, output_options, server_option


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
    from nginxws.cli.change import Change, settings_from
    from nginxws.cli.running import run_change
    from nginxws.plan import Drop
    from nginxws.planner import make_plan
    from nginxws.snapshot import Snapshot

    wanted = Drop(path, overwrite_drift=options["overwrite_drift"], server=options["server"])

    def plan(now: Snapshot) -> Any:
        return make_plan(now, [wanted])

    return run_change(Change(plan, settings_from(options)), options)
