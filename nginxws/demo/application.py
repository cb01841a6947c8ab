"""The chat as an application of its own: ``python -m nginxws.demo.application --port 8080``.

What an application node runs. The page comes from a folder that can be deployed, and whose
``chat.js`` holds the one WebSocket address; it is read at the start, so a new one needs a restart.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
import sys
from contextlib import suppress
from pathlib import Path

import click

from nginxws.demo import chat
from nginxws.demo.page import FOLDER
from nginxws.demo.processes import Interrupts
from nginxws.errors import Interrupted, NginxwsError
from nginxws.report.text import show_error


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8080,
    show_default=True,
    help="The port to listen on; 0 takes a free one.",
)
@click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=FOLDER,
    show_default="the page that comes with nginxws",
    help="Where the page is.",
)
@click.option(
    "--origin",
    "origins",
    multiple=True,
    help="A site whose pages may open a WebSocket here, as https://chat.example.com; else all may.",
)
def main(host: str, port: int, folder: Path, origins: tuple[str, ...]) -> None:
    """Serve the chat until INT or TERM; every client then gets a Close frame (1001, going away)."""
    allowed = re.compile("|".join(re.escape(origin) for origin in origins)) if origins else None
    try:
        asyncio.run(_serve(host, port, folder, allowed))
    except NginxwsError as error:
        show_error(error)
        sys.exit(error.code)


async def _serve(host: str, port: int, folder: Path, origins: re.Pattern[str] | None) -> None:
    """Serve until a signal comes.

    Raises:
        NginxwsError: the page can't be read, or the port not be had.
    """
    with Interrupts() as interrupts:
        try:
            async with chat.serve(host, port, folder=folder, origins=origins) as bound:
                shown = f"[{host}]" if ":" in host else host
                click.echo(f"serving the chat at http://{shown}:{bound}/")
                with suppress(Interrupted):
                    await interrupts.run(_forever())
        except OSError as error:
            unknown = isinstance(error, socket.gaierror) or not error.errno
            reason = error.strerror if unknown else os.strerror(error.errno or 0)
            raise NginxwsError(
                f"can't listen on {host}:{port}: {reason}", hint="choose another --host or --port"
            ) from error


async def _forever() -> None:
    await asyncio.Event().wait()


if __name__ == "__main__":
    main()
