"""Results and errors as text for people: results on stdout, messages on stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterable

import click

from nginxws.errors import NginxwsError
from nginxws.report.clean import clean

_DIFF_COLOURS = {"+": "green", "-": "red", "@": "cyan"}
_DETAIL_LINES = 30


def show_error(error: NginxwsError) -> None:
    """``error: NODE: FILE:LINE: what`` and ``hint: what to do``, on stderr."""
    _say("error", "red", str(error))
    if error.detail:
        for line in error.detail.strip().split("\n")[:_DETAIL_LINES]:
            click.echo(f"  {clean(line)}", err=True)
    if error.hint:
        _say("hint", "cyan", error.hint)


def show_warning(text: str, hint: str | None = None) -> None:
    """``warning: …`` on stderr."""
    _say("warning", "yellow", text)
    if hint:
        _say("hint", "cyan", hint)


def show_note(text: str) -> None:
    """A plain message on stderr."""
    click.echo(clean(text), err=True)


def show_diff(diff: str) -> None:
    """A unified diff on stdout; coloured on a terminal, and then free of control characters.

    Into a pipe or a file it goes byte for byte, so that ``patch`` can use it.
    """
    if not sys.stdout.isatty():
        sys.stdout.flush()
        sys.stdout.buffer.write(diff.encode("utf-8", "surrogateescape"))
        sys.stdout.buffer.flush()
        return
    for line in diff.splitlines():
        click.secho(clean(line), fg=_DIFF_COLOURS.get(line[:1]), bold=line[:3] in ("---", "+++"))


def show_lines(lines: Iterable[str]) -> None:
    """Result lines on stdout."""
    for line in lines:
        click.echo(clean(line))


def _say(label: str, colour: str, text: str) -> None:
    click.secho(f"{label}: ", fg=colour, bold=True, nl=False, err=True)
    click.echo(clean(text), err=True)
