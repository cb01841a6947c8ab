"""``nginxws env export``: the environment, said in another tool's words. Asks no node."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from nginxws.cli.options import option

FORMATS = ("jps", "cloud-init", "compose", "ansible", "shell")


@click.command()
@option("--format", "output_format", type=click.Choice(FORMATS), required=True, scope="EXPORT_",
        help="Whose words: Cloud Scripting, cloud-init, Docker Compose, Ansible, a POSIX shell.")  # fmt: skip
@option("--out", type=click.Path(dir_okay=False), metavar="FILE", scope="EXPORT_",
        help="Write it to this file; stdout if left out.")  # fmt: skip
@option("--only", metavar="NAME",
        help="One node or application, where the format is for one machine or one balancer.")  # fmt: skip
@option("--image", "images", multiple=True, metavar="APP=IMAGE",
        help="Container image of an application (compose). Repeatable.")  # fmt: skip
@option("--run", "commands", multiple=True, metavar="APP=COMMAND",
        help="Command that the image runs, if not its own (compose). Repeatable.")  # fmt: skip
@option("--manifest", type=click.Path(dir_okay=False), metavar="PATH",
        help="The manifest.  [default: nginxws.toml here or in a folder above]")  # fmt: skip
def export(**options: Any) -> int:
    """Write the environment for another tool to bring up: no node is asked, and nginxws isn't needed there.

    The same managed blocks, the same releases: `nginxws env status` knows them later. What a format
    can't do is said at the top of what is written.
    """
    from nginxws.cli.env.changing import read_sources
    from nginxws.cli.env.nodes import Environment
    from nginxws.environment.export.formats import export as export_as
    from nginxws.environment.export.jobs import Ask
    from nginxws.errors import ExitCode, InvalidInput
    from nginxws.report.text import reporting, show_raw

    environment = Environment.need(options)
    ask = Ask(
        environment.manifest,
        read_sources(environment),
        environment.file.path.parent,
        options["only"],
        _pairs(options["images"], "--image"),
        _pairs(options["commands"], "--run"),
    )
    try:
        text = export_as(options["output_format"], ask)
    except InvalidInput as error:
        error.file = error.file or environment.file.name
        raise
    if options["out"]:
        _write(Path(options["out"]), text)
    else:
        with reporting():
            show_raw(text)
    return ExitCode.DONE


def _pairs(texts: tuple[str, ...], name: str) -> dict[str, str]:
    from nginxws.errors import InvalidInput

    found = {}
    for text in texts:
        app, equals, value = text.partition("=")
        if not (app and equals and value):
            raise InvalidInput(f"{name} {text!a} isn't APP=VALUE", hint=f"write it like {name} chat=VALUE")
        found[app] = value
    return found


def _write(path: Path, text: str) -> None:
    from nginxws import files
    from nginxws.errors import NginxwsError

    try:
        files.replace(path, text.encode())
    except OSError as error:
        raise NginxwsError(
            f"cannot write it: {error.strerror}",
            file=str(path),
            hint="may you write to this folder, and is there space on the disk?",
        ) from error
