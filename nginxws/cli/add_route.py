"""``nginxws add-route``: from the shell to a proved WebSocket route."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from nginxws.cli.options import (
    change_options,
    connection_options,
    file_option,
    manifest_options,
    option,
    probe_options,
    review_options,
    route_options,
    server_option,
)

if TYPE_CHECKING:
    from nginxws.cli.change import Change


@click.command("add-route")
@click.argument("path")
@click.argument("backends", metavar="BACKEND...", nargs=-1, required=True)
@route_options
@option("--adopt", is_flag=True, help="Take over an equivalent hand-written location of this path.")
@option("--replace", is_flag=True, help="Put the route in place of a hand-written location of this path.")
@connection_options
@file_option
@server_option
@manifest_options
@change_options
@probe_options
@review_options
def add_route(path: str, backends: tuple[str, ...], **options: Any) -> int:
    """Put a WebSocket route for PATH to its BACKENDs on a balancer.

    Renders the location, splices it into the right server block, checks it, pushes it over
    SSH, reloads NGINX, and proves the route by a real handshake. If anything fails, the node
    is as it was. A route that is there already, unchanged, touches nothing.

    With a manifest (nginxws.toml) the route goes into it, with the options that are given here, and
    on the nodes that it is for; the manifest is written when all of them are done.

    A BACKEND is HOST:PORT, [IPV6]:PORT, unix:/PATH, with http://, https://, ws:// or wss://
    in front if you like, and parameters after it: "10.0.0.6:8080 weight=2".
    """
    from nginxws.cli.manifest_edit import add, edited_manifest
    from nginxws.cli.route_values import make_route
    from nginxws.cli.running import probe_policy, run_change

    manifest = edited_manifest(options)
    if manifest is not None:
        return add(manifest, path, backends, options)
    route = make_route(path, backends, options)
    policy = probe_policy(options, route)

    def make() -> Change:
        from nginxws.cli.change import Change, settings_from, templates_from
        from nginxws.plan import Put
        from nginxws.planner import make_plan

        wanted = Put(
            route,
            adopt=options["adopt"],
            replace=options["replace"],
            overwrite_drift=options["overwrite_drift"],
            server=options["server"],
        )
        templates = templates_from(options)
        return Change(
            lambda now: make_plan(now, [wanted], templates=templates),
            settings_from(options),
            policy,
        )

    return run_change(make, options)
