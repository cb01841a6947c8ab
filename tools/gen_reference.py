"""Writes docs/reference/cli.md from the commands, and the manifest's JSON Schema from its models.

By ``make docs``; tests hold both to be current.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

import click

from nginxws.cli import cli
from nginxws.cli.group import LazyGroup
from nginxws.manifest import schema

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reference" / "cli.md"
SCHEMA = ROOT / "nginxws" / "manifest" / "nginxws.schema.json"

_HEAD = """\
# Commands and options

This page is generated from the commands (`make docs`); `nginxws COMMAND --help` says the same.

Options stand after the command. Each has an environment variable, named beside it: the option on the
command line wins. A flag's variable is `1` or `0`; an option that can be repeated takes words separated by
blanks, `--header` and `--probe-header` take one `NAME=VALUE` a line. DURATION is `90`, `90s`, `5m`, `1h`
or `1d`. What the exit codes mean stands in [exit-codes.md](exit-codes.md), what `--format json` prints in
[json.md](json.md).

`nginxws --version` prints the version; `-h` or `--help` explains any command.
"""


def page() -> str:
    """The whole page."""
    with click.Context(cli, info_name="nginxws", **cli.context_settings) as root:
        parts = [_HEAD, "\n".join(_contents(root))]
        for command, context in _commands(root):
            parts.append("\n".join(_section(command, context)))
    return "\n".join(parts)


def _commands(parent: click.Context) -> Iterator[tuple[click.Command, click.Context]]:
    """Every command and its context; those of a group come after the group."""
    group = parent.command
    if isinstance(group, click.Group):
        for name in group.list_commands(parent):
            command = group.get_command(parent, name)
            assert command is not None
            context = click.Context(command, info_name=name, parent=parent)
            yield command, context
            yield from _commands(context)


def _name(context: click.Context) -> str:
    return context.command_path.partition(" ")[2]


def _contents(root: click.Context) -> Iterator[str]:
    yield "| command | what it does |"
    yield "|---|---|"
    for _command, context in _commands(root):
        name = _name(context)
        assert isinstance(context.parent, click.Context)
        group = context.parent.command
        assert isinstance(group, LazyGroup)
        yield f"| [`{name}`](#{name.replace(' ', '-')}) | {group.one_line(context.info_name or '')} |"
    yield ""


def _section(command: click.Command, context: click.Context) -> Iterator[str]:
    yield f"## {_name(context)}"
    yield ""
    yield f"    {' '.join([context.command_path, *command.collect_usage_pieces(context)])}"
    yield ""
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        yield paragraph.removeprefix("\b\n")
        yield ""
    if isinstance(command, click.Group):
        return
    yield "| option | environment variable | what it does |"
    yield "|---|---|---|"
    for parameter in command.params:
        record = parameter.get_help_record(context)
        if isinstance(parameter, click.Option) and record is not None:
            yield f"| `{_cell(record[0])}` | `{parameter.envvar}` | {_what(parameter)} |"
    yield ""


def _what(option: click.Option) -> str:
    text = " ".join((option.help or "").split())
    shown = option.show_default if isinstance(option.show_default, str) else option.default
    if option.show_default and not option.is_flag:
        text += f" [default: {shown}]"
    return _cell(text).replace("<", "&lt;")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page())
    SCHEMA.write_text(schema.text())
