"""What the documentation's tests share: its pages, and the commands it is about."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from nginxws.cli import COMMANDS, cli

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
    """Every command by its name."""
    context = click.Context(cli, info_name="nginxws")
    found = {name: cli.get_command(context, name) for name in COMMANDS}
    return {name: command for name, command in found.items() if command is not None}
