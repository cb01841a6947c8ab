"""Results and errors as text for people: results on stdout, messages on stderr."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TextIO

import click

from nginxws.errors import NginxwsError
from nginxws.printable import clean, one_line
from nginxws.report.ci_log import fenced, spelled

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
            put(f"  {clean(line)}", err=True)
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
    put(clean(text), err=True)


def show_diff(diff: str) -> None:
    """A unified diff on stdout; coloured on a terminal, and then free of control characters.

    Into a pipe or a file it goes byte for byte, so that ``patch`` can use it. In the log of a CI service
    it must not be read as commands: lines around it, or where that is impossible a warning, see to it.
    """
    if not sys.stdout.isatty():
        _show_raw(diff)
        return
    for line in _diff_lines(diff):
        bold = True if line[:3] in ("---", "+++") else None
        line = _fit(spelled(clean(line), os.environ), sys.stdout)
        click.secho(line, fg=_DIFF_COLOURS.get(line[:1]), bold=bold, color=_colour())


def show_text(text: str) -> None:
    """Configuration text on stdout: as it is, but without control characters on a terminal."""
    if sys.stdout.isatty():
        click.echo(_fit(clean(text), sys.stdout))
    else:
        _write(f"{text}\n")


def show_raw(text: str) -> None:
    """Text that is made safe already, on stdout as UTF-8."""
    _write(text)


def show_lines(lines: Iterable[str]) -> None:
    """Result lines on stdout, each one line whatever it holds."""
    for line in lines:
        put(one_line(line))


def put(text: str, *, err: bool = False) -> None:
    """Text and a line end: every message and result but configuration text and JSON goes out here.

    It is neutral in a CI service's log, and what the stream's encoding lacks is spelled out.
    """
    with _told() if err else contextlib.nullcontext():
        click.echo(_fit(spelled(text, os.environ), sys.stderr if err else sys.stdout), err=err)


@contextlib.contextmanager
def reporting() -> Iterator[None]:
    """Around the report of work that is done: that nobody reads it, or it has no room, undoes nothing.

    The exit code says what became of the nodes.
    """
    try:
        yield
    except OSError as error:
        hush()
        if not isinstance(error, BrokenPipeError):
            show_warning(f"the report could not be written: {error.strerror}")


def hush() -> None:
    """Send what is still to come on stdout nowhere: its reader went away (``| head``)."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _say(label: str, colour: str, text: str) -> None:
    """Further lines are indented: nothing that a node says can look like a message of ours."""
    first, *more = clean(text).split("\n")
    whole = "\n".join([f"{label}: {first}", *(f"  {line.removeprefix('  ')}" for line in more)])
    with _told():
        click.secho(f"{label}: ", fg=colour, bold=True, nl=False, err=True, color=_colour())
        click.echo(_fit(spelled(whole, os.environ), sys.stderr).removeprefix(f"{label}: "), err=True)


def _told() -> contextlib.AbstractContextManager[None]:
    """Around a message on stderr: work on a node isn't cut short because nobody hears of it."""
    return contextlib.suppress(OSError)


def _show_raw(diff: str) -> None:
    # A regular file is no service's log.
    log = fenced(diff, {} if _is_file(sys.stdout) else os.environ)
    _write(f"{log.before}{log.diff}{log.after}")
    if not log.exact:
        show_warning(
            "the diff isn't exact: what this CI service would take for commands is spelled out in it",
            "send stdout into a file to have it as it is",
        )


def _write(text: str) -> None:
    """Text as the bytes that it stands for, whatever the stream's encoding."""
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))
    sys.stdout.buffer.flush()


def _is_file(stream: TextIO) -> bool:
    try:
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except (OSError, ValueError):  # a stream without file descriptor, or closed
        return False


def _diff_lines(diff: str) -> list[str]:
    """The lines of a diff, and no others: what Unicode also calls a line end must not start a line here."""
    return [line.removesuffix("\r") for line in diff.removesuffix("\n").split("\n")] if diff else []


def _fit(text: str, stream: TextIO | None) -> str:
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _colour() -> bool | None:
    """None leaves it to whether the stream is a terminal."""
    return False if os.environ.get(_NO_COLOR) else None
