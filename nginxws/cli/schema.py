"""``nginxws schema``: the JSON Schema of nginxws.toml, for editors."""

from __future__ import annotations

import click


@click.command()
def schema() -> None:
    """Print the JSON Schema of nginxws.toml: editors complete and check a manifest with it.

    Save it beside the manifest as nginxws.schema.json, and begin the manifest with the line
    "#:schema ./nginxws.schema.json" (Taplo, Even Better TOML).
    """
    from importlib.resources import files

    click.echo(files("nginxws.manifest").joinpath("nginxws.schema.json").read_text("utf-8"), nl=False)
