"""How a command without a result ends: its error in words and, where JSON was asked for, as a document."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence

import click

from nginxws.cli.group import LazyGroup
from nginxws.errors import ExitCode, InvalidInput, NginxwsError


def show_failure(
    error: click.ClickException | NginxwsError, group: LazyGroup, arguments: Sequence[str] | None
) -> ExitCode:
    """Show an error in the one form that all have; returns its exit code.

    ``arguments`` are the command line's, None for those of the process.
    """
    from nginxws.report.text import show_error

    if isinstance(error, click.ClickException):
        if type(error).__name__ == "NoArgsIsHelpError":  # click 8.2 and later: its text is the help
            click.echo(error.format_message(), err=True)
            return ExitCode.USAGE
        context = error.ctx if isinstance(error, click.UsageError) else None
        hint = None if context is None else f"see `{context.command_path} --help`"
        error = InvalidInput(error.format_message(), hint=hint)
    show_error(error)
    wanted = wanted_format(sys.argv[1:] if arguments is None else arguments, group)
    with contextlib.suppress(OSError):  # the words were said, and the code says the rest
        if wanted == "json":
            from nginxws.report import document

            document.show_json(document.failure(error))
        elif wanted in ("github", "gitlab"):
            from nginxws.report.review import show_review_error

            show_review_error(error, wanted)
    return error.code


def bug(error: Exception) -> NginxwsError:
    """An error that no one has thought of."""
    from traceback import format_exception

    return NginxwsError(
        f"this is a bug of nginxws: {type(error).__name__}: {error}",
        detail="".join(format_exception(error)[-3:]),
        hint="a node undoes by itself what wasn't committed; `nginxws recover` says what became of it",
    )


def wanted_format(arguments: Sequence[str], group: LazyGroup) -> str | None:
    """The value of ``--format``, None for none. The words themselves tell: they may not even parse."""
    wanted, words = None, iter(arguments)
    for word in words:
        if word == "--":
            break
        if word == "--format":
            wanted = next(words, None)
        elif word.startswith("--format="):
            wanted = word.partition("=")[2]
    if wanted is None and _has_formats(arguments, group):
        wanted = os.environ.get("NGINXWS_FORMAT")
    return wanted


def _has_formats(arguments: Sequence[str], group: LazyGroup) -> bool:
    """Whether the command has such an option: only then its variable means something."""
    command: click.Command | None = group
    for word in arguments:
        if isinstance(command, LazyGroup) and not word.startswith("-"):
            command = command.get_command(click.Context(command), word)
    return command is not None and any("--format" in option.opts for option in command.params)
