"""What the demo says on stdout: numbered steps, and under each what was seen."""

from __future__ import annotations

import difflib
import os
import shlex
import sys
from collections.abc import Sequence

import click


class Narrator:
    """Prints the story as it goes; colours only on a terminal, and not with NO_COLOR."""

    def __init__(self) -> None:
        self._coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        self._step = 0

    def step(self, text: str) -> None:
        """Begin the next step."""
        self._step += 1
        self._line(f"\n{self._step}. {text}", bold=True)

    def fact(self, name: str, value: str) -> None:
        """One thing that is so."""
        self._line(f"   {name:<14}{value}")

    def command(self, argv: Sequence[str]) -> None:
        """A command as it can be pasted into a shell, an option a line."""
        words = (f"\\\n       {shlex.quote(w)}" if w.startswith("--") else shlex.quote(w) for w in argv)
        self._line(f"   $ {' '.join(words)}", fg="cyan")

    def good(self, text: str) -> None:
        """Something that turned out as it should."""
        self._line(f"   ✓ {text}", fg="green")

    def bad(self, text: str) -> None:
        """Something that doesn't work, yet."""
        self._line(f"   ✗ {text}", fg="yellow")

    def text(self, text: str) -> None:
        """A remark."""
        self._line(f"   {text}" if text else "")

    def cut_off(self) -> None:
        """A command was ended before its time: clear its progress line, show the cursor again."""
        if sys.stdout.isatty():
            click.echo("\r\x1b[2K\x1b[?25h", nl=False)

    def diff(self, before: str, after: str, name: str) -> None:
        """What changed in a file."""
        lines = difflib.unified_diff(
            before.splitlines(), after.splitlines(), f"{name} before", name, lineterm=""
        )
        for line in lines:
            colour = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1])
            self._line(f"   {line}".rstrip(), fg=colour)

    def _line(self, text: str, *, fg: str | None = None, bold: bool = False) -> None:
        if self._coloured:
            text = click.style(text, fg=fg, bold=bold or None)
        elif not _can_print(text):
            text = text.replace("✓", "ok:").replace("✗", "no:")
        click.echo(text)


def _can_print(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True
