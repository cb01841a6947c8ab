"""``nginxws env url``: where the environment is reached. Asks no node."""

from __future__ import annotations

from typing import Any

import click

from nginxws.cli.options import option


@click.command()
@option("--manifest", type=click.Path(dir_okay=False), metavar="PATH",
        help="The manifest.  [default: nginxws.toml here or in a folder above]")  # fmt: skip
@option("--format", "output_format", type=click.Choice(["text", "json"]), default="text",
        show_default=True, help="Shape of the result on stdout.")  # fmt: skip
def url(**options: Any) -> int:
    """Print the environment's WebSocket addresses, a line each; no node is asked.

    With an application behind it, its name and the route's path come first. Without `tls = true` there are
    no wss:// addresses: the balancers would need TLS for them.
    """
    from nginxws.cli.env.nodes import Environment
    from nginxws.errors import ExitCode
    from nginxws.report.environment import show_urls

    environment = Environment.need(options)
    show_urls(environment.entry.domain, environment.urls, options["output_format"])
    return ExitCode.DONE
