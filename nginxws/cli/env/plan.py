"""``nginxws env plan``: what ``env up`` would change."""

from __future__ import annotations

from typing import Any

import click

from nginxws.cli.options import (
    Seconds,
    environment_options,
    option,
    output_options,
    provider_option,
    take_over_options,
)


@click.command()
@option("--wait", type=Seconds(least=0), default=0,
        help="Longest wait for SSH of each node.  [default: none]")  # fmt: skip
@option("--install", is_flag=False, flag_value="auto", type=click.Choice(["auto", "apt", "dnf", "apk"]),
        help="Plan as with `env up --install`.")  # fmt: skip
@option("--detailed-exitcode", is_flag=True, help="Exit 2 when something isn't as wanted.")
@option("--overwrite-drift", is_flag=True,
        help="Replace managed blocks, and files of applications, that were edited by hand.")  # fmt: skip
@take_over_options
@provider_option
@environment_options
@output_options
def plan(**options: Any) -> int:
    """Show what `env up` would change on each application's node and each balancer; nothing is changed."""
    from nginxws.cli.env.running import show_plan

    return show_plan(options)
