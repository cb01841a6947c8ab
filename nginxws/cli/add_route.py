"""``nginxws add-route``: from the shell to a proved WebSocket route."""

from __future__ import annotations

from typing import Any

import click

from nginxws.cli.options import (
    change_options,
    connection_options,
    file_option,
    option,
    output_options,
    probe_options,
    route_options,
    server_option,
)


@click.command("add-route")
@click.argument("path")
@click.argument("backends", metavar="BACKEND...", nargs=-1, required=True)
@route_options
@option("--adopt", is_flag=True, help="Take over an equivalent hand-written location of this path.")
@option("--replace", is_flag=True, help="Put the route in place of a hand-written location of this path.")
@connection_options
@file_option
@server_option
@change_options
@probe_options
@output_options
def add_route(path: str, backends: tuple[str, ...], **options: Any) -> int:
    """Put a WebSocket route for PATH to its BACKENDs on a balancer.

    Renders the location, splices it into the right server block, checks it, pushes it over
    SSH, reloads NGINX, and proves the route by a real handshake. If anything fails, the node
    is as it was. A route that is there already, unchanged, touches nothing.

    A BACKEND is HOST:PORT, [IPV6]:PORT, unix:/PATH, with http://, https://, ws:// or wss://
    in front if you like, and parameters after it: "10.0.0.6:8080 weight=2".
    """
    from nginxws.cli.change import Change, settings_from, templates_from
    from nginxws.cli.route_values import make_route
    from nginxws.cli.running import probe_policy, run_change
    from nginxws.plan import Put
    from nginxws.planner import make_plan
    from nginxws.snapshot import Snapshot

    route = make_route(path, backends, options)
    wanted = Put(
        route,
        adopt=options["adopt"],
        replace=options["replace"],
        overwrite_drift=options["overwrite_drift"],
        server=options["server"],
    )
    templates = templates_from(options)
    policy = probe_policy(options, route)

    def plan(now: Snapshot) -> Any:
        return make_plan(now, [wanted], templates=templates)

    return run_change(Change(plan, settings_from(options), policy), options)
