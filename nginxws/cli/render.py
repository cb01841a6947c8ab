"""``nginxws render``: a route's block on stdout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from nginxws.cli.options import option, route_options


@click.command()
@click.argument("path")
@click.argument("backends", metavar="BACKEND...", nargs=-1, required=True)
@route_options
@option("--shared", is_flag=True, help="Print what the block needs in http context first: maps, upstream.")
def render(path: str, backends: tuple[str, ...], shared: bool, **options: Any) -> None:
    """Print the location block for PATH and its BACKENDs: no node, no file.

    A BACKEND is HOST:PORT, [IPV6]:PORT, unix:/PATH, with http://, https://, ws:// or wss://
    in front if you like, and parameters after it: "10.0.0.6:8080 weight=2".
    """
    from nginxws.cli.route_values import make_route
    from nginxws.render import render as render_route
    from nginxws.report.text import show_note, show_text

    templates = options.pop("templates")
    rendered = render_route(
        make_route(path, backends, options), templates=Path(templates) if templates else None
    )
    parts = [rendered.location]
    if shared:
        parts = [
            *([rendered.maps] if rendered.maps else []),
            *(rendered.upstream or ())[1:],
            rendered.location,
        ]
    elif rendered.maps:
        show_note("note: this block needs maps in http context; --shared prints them too")
    for part in parts:
        show_text(part)
