"""What the documentation's tests share: its pages, and the commands it is about."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from nginxws.cli import cli

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def pages() -> dict[str, str]:
    """Every page for readers, by its path in the repository."""
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    return {str(path.relative_to(ROOT)): path.read_text() for path in found}


@pytest.fixture(scope="session")
def commands() -> dict[str, click.Command]:
    """Every command by its name; one of a group by both names: ``env up``."""
    return dict(_commands(click.Context(cli, info_name="nginxws", **cli.context_settings)))


def _commands(parent: click.Context) -> Iterator[tuple[str, click.Command]]:
    group = parent.command
    assert isinstance(group, click.Group)
    for name in group.list_commands(parent):
        command = group.get_command(parent, name)
        assert command is not None
        context = click.Context(command, info_name=name, parent=parent)
        yield context.command_path.partition(" ")[2], command
        if isinstance(command, click.Group):
            yield from _commands(context)
