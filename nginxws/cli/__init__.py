"""The command line: one module a command or close family; this one starts them.

``main`` turns every ending into the exit codes of the contract (``errors.ExitCode``):
click's own usage errors are 64, not 2, and an abort is 130.
"""

from __future__ import annotations

import sys
from typing import NoReturn

import click

from nginxws import __version__
from nginxws.cli import signals
from nginxws.cli.group import LazyGroup
from nginxws.errors import ExitCode, Interrupted, InvalidInput, NginxwsError

#: Command name -> module of nginxws.cli that holds it, and its one-line help.
COMMANDS = {
    "add-route": ("add_route", "Put a WebSocket route on a balancer: live and proved, or as it was."),
    "remove-route": ("remove_route", "Take a managed route out again, to the byte."),
    "list-routes": ("list_routes", "List WebSocket routes, managed and hand-written, with drift."),
    "render": ("render", "Print a route's block; no node, no file."),
    "probe": ("probe", "Try a WebSocket handshake and say what the answer means."),
    "recover": ("recover", "Undo what an interrupted command left on a node."),
    "unlock": ("recover", "Say who holds a node's lock, and free it."),
    "demo": ("demo", "A balancer, a chat application, and a route added by nginxws itself."),
}


@click.group(
    cls=LazyGroup,
    commands_in=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name=None, version=__version__, prog_name="nginxws")
def cli() -> None:
    """Put a WebSocket route on an NGINX balancer: live, proved, or the node is as it was.

    \b
        nginxws add-route /ws/ 10.0.0.5:8080 --node lb1 --dry-run
        nginxws add-route /ws/ 10.0.0.5:8080 --node lb1
    """


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and exit with a code of the contract."""
    signals.install()
    code = run(arguments)
    signals.settled()
    sys.exit(code)


def run(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    try:
        outcome = cli.main(args=arguments, prog_name="nginxws", standalone_mode=False)
    except (click.ClickException, NginxwsError) as error:
        return _show(error)
    except (click.Abort, KeyboardInterrupt):
        # Commands that change nodes tell of their own interruptions: nothing had begun here.
        return _show(
            Interrupted("interrupted", hint="`nginxws recover` says if a node has something to undo")
        )
    except OSError as error:
        return _show(NginxwsError(f"cannot go on: {error}", hint="is the disk full, or the output closed?"))
    except Exception as error:
        return _show(_bug(error))
    return int(outcome) if isinstance(outcome, int) else ExitCode.DONE


def _bug(error: Exception) -> NginxwsError:
    from traceback import format_exception

    return NginxwsError(
        f"this is a bug of nginxws: {type(error).__name__}: {error}",
        detail="".join(format_exception(error)[-3:]),
        hint="a node undoes by itself what wasn't committed; `nginxws recover` says what became of it",
    )


def _show(error: click.ClickException | NginxwsError) -> int:
    """Show an error in the one form that all have; returns its exit code."""
    from nginxws.report.text import show_error

    if isinstance(error, click.ClickException):
        if type(error).__name__ == "NoArgsIsHelpError":  # click 8.2 and later: its text is the help
            click.echo(error.format_message(), err=True)
            return ExitCode.USAGE
        context = error.ctx if isinstance(error, click.UsageError) else None
        hint = None if context is None else f"see `{context.command_path} --help`"
        error = InvalidInput(error.format_message(), hint=hint)
    show_error(error)
    return error.code
