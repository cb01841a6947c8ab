"""A click group that imports a command's module only when the command runs.

``--help`` and ``--version`` list commands from the table alone: paramiko and
Jinja2 cost a quarter of a second that they have no use for.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any, TextIO

import click

from nginxws.errors import ExitCode


class LazyGroup(click.Group):
    """Commands by name in a table ``name -> (module of nginxws.cli, one-line help)``."""

    def __init__(self, *args: Any, commands_in: Mapping[str, tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._table = commands_in

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        with _reader_may_leave():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        with _reader_may_leave():
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._table)

    def one_line(self, name: str) -> str:
        """A command's one-line help."""
        return self._table[name][1]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._table:
            return None
        module = import_module(f"nginxws.cli.{self._table[cmd_name][0]}")
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in self._table and not name.startswith("-"):
            from difflib import get_close_matches

            close = get_close_matches(name, self._table, n=1)
            ctx.fail(f"No such command {name!r}." + (f" Did you mean {close[0]!r}?" if close else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_module, text) in self._table.items()])


@contextmanager
def _reader_may_leave() -> Iterator[None]:
    """When the reader of our output goes away (`| head`) that isn't our failure: end quietly."""
    try:
        yield
    except BrokenPipeError:
        if not (_is_broken(sys.stdout) or _is_broken(sys.stderr)):
            raise  # some other pipe
        from nginxws.report.text import hush

        hush()
        raise click.exceptions.Exit(ExitCode.DONE) from None


def _is_broken(stream: TextIO) -> bool:
    """Whether nobody reads the stream any more: what was written stays in its buffer, or poll(2) says so."""
    import select

    try:
        stream.flush()
        if not hasattr(select, "poll"):
            return False
        poll = select.poll()
        poll.register(stream.fileno(), 0)  # errors and hang-ups are reported in any case
        return bool(poll.poll(0))
    except BrokenPipeError:
        return True
    except (OSError, ValueError):  # a stream without file descriptor, or closed
        return False
