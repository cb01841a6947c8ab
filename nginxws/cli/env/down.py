"""``nginxws env down``: our part of the environment taken back."""

from __future__ import annotations

from typing import Any

import click

from nginxws.cli.options import change_options, environment_options, output_options, provider_option


@click.command()
@change_options
@provider_option
@environment_options
@output_options
def down(**options: Any) -> int:
    """Take our part of the environment back, to the byte, all of it or nothing.

    The manifest's routes leave the balancers; edited files get the text that they had before, releases and
    their link go, and applications are restarted. Other routes, NGINX itself and what applications wrote
    stay. Where there is nothing of ours, nothing is touched. From a file that was edited by hand since, the
    address alone is taken; where that can't be told from the edit, nothing is begun without
    --overwrite-drift.
    """
    from nginxws.cli.env.running import take_down

    return take_down(options)
