"""Results and errors as text for people: results on stdout, messages on stderr."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from nginxws.errors import NginxwsError
from nginxws.printable import clean, one_line

#: Environment variable that asks for no colours (no-color.org).
_NO_COLOR = "NO_COLOR"
if TYPE_CHECKING:
    from nginxws.snapshot import Snapshot

_DIFF_COLOURS = {"+": "green", "-": "red", "@": "cyan"}
_DETAIL_LINES = 30


def show_error(error: NginxwsError) -> None:
    """``error: NODE: FILE:LINE: what`` and ``hint: what to do``, on stderr."""
    _say("error", "red", str(error))
    if error.detail:
        for line in error.detail.strip().split("\n")[:_DETAIL_LINES]:
            click.echo(f"  {clean(line)}", err=True)
    if error.hint:
        show_hint(error.hint)


def show_warning(text: str, hint: str | None = None) -> None:
    """``warning: …`` on stderr."""
    _say("warning", "yellow", text)
    if hint:
        show_hint(hint)


def show_hint(text: str) -> None:
    """``hint: …``, the next step, on stderr."""
    _say("hint", "cyan", text)


def show_recovered(now: Snapshot) -> None:
    """Say what was undone on the node before its configuration was read."""
    if now.recovered:
        show_warning(f"{now.node}: undone first: {now.recovered}")


def show_pending(now: Snapshot) -> None:
    """Warn when what was read is the middle of somebody's interrupted change."""
    if now.pending is not None:
        show_warning(
            f"{now.node}: a change by {now.pending.who} was cut short, and is not undone yet",
            "what is shown compares with the middle of it; the next change undoes it first, "
            "`nginxws recover` does it now",
        )


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
        bold = True if line[:3] in ("---", "+++") else None
        click.secho(clean(line), fg=_DIFF_COLOURS.get(line[:1]), bold=bold, color=_colour())


def show_lines(lines: Iterable[str]) -> None:
    """Result lines on stdout, each one line whatever it holds."""
    for line in lines:
        click.echo(one_line(line))


def hush() -> None:
    """Send what is still to come on stdout nowhere: its reader went away (``| head``)."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _say(label: str, colour: str, text: str) -> None:
    """Further lines are indented: nothing that a node says can look like a message of ours."""
    first, *more = clean(text).split("\n")
    click.secho(f"{label}: ", fg=colour, bold=True, nl=False, err=True, color=_colour())
    click.echo("\n".join([first, *(f"  {line.removeprefix('  ')}" for line in more)]), err=True)


def _colour() -> bool | None:
    """None leaves it to whether the stream is a terminal."""
    return False if os.environ.get(_NO_COLOR) else None
