"""``nginxws env status``: how the environment stands."""

from __future__ import annotations

from typing import Any

import click

from nginxws.cli.options import environment_options, option, output_options, provider_option


@click.command()
@option("--detailed-exitcode", is_flag=True, help="Exit 2 when something isn't as wanted.")
@provider_option
@environment_options
@output_options
def status(**options: Any) -> int:
    """Say how each application and balancer stands: the release, the address in its files, whether its
    port answers, the routes, what was edited by hand, changes that were cut short.

    It only looks, and waits for nothing.
    """
    from nginxws.cli.env.standing import show_status

    return show_status(options)
