"""``nginxws env up``: everything the manifest says, live and proved from outside, or as it was."""

from __future__ import annotations

from typing import Any

import click

from nginxws.cli.options import (
    Seconds,
    change_options,
    environment_options,
    option,
    output_options,
    provider_option,
    take_over_options,
)


@click.command()
@option("--wait", type=Seconds(least=0), metavar="DURATION",
        help="Longest wait for SSH of each node, or 0.  [default: the manifest's, else 2m]")  # fmt: skip
@option("--install", is_flag=False, flag_value="auto", type=click.Choice(["auto", "apt", "dnf", "apk"]),
        help="Install NGINX on balancers that have none; without a value with what is there.")  # fmt: skip
@option("--parallel", type=click.IntRange(1, 64), default=1, show_default=True, metavar="N",
        help="Balancers at once, after the first that changes.")  # fmt: skip
@take_over_options
@change_options
@provider_option
@environment_options
@output_options
def up(**options: Any) -> int:
    """Bring the environment up as the manifest says, all of it or nothing.

    Waits for SSH, deploys applications whose source the manifest names, writes their WebSocket address,
    restarts them, puts the routes on the balancers, and proves every address from here. Whatever fails on
    the way takes everything back. What is as wanted already is left alone, restarts included.
    """
    from nginxws.cli.env.running import bring_up

    return bring_up(options)
