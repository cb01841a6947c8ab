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
from nginxws.cli.failing import bug, show_failure
from nginxws.cli.group import LazyGroup
from nginxws.errors import ExitCode, Interrupted, NginxwsError

#: Command name -> module of nginxws.cli that holds it, and its one-line help.
COMMANDS = {
    "add-route": ("add_route", "Put a WebSocket route on a balancer: live and proved, or as it was."),
    "remove-route": ("remove_route", "Take a managed route out again, to the byte."),
    "list-routes": ("list_routes", "List WebSocket routes, managed and hand-written, with drift."),
    "plan": ("plan", "Show what the manifest would change on its nodes."),
    "apply": ("apply", "Bring the manifest's nodes to what it says, or to exactly what was planned."),
    "status": ("status", "Say how a node stands: revision, drift, workers, sockets, lock."),
    "history": ("history", "List what was applied to a node; show one revision with its diff."),
    "rollback": ("rollback", "Go back to an earlier revision, to the byte, or our blocks alone."),
    "env": ("env", "Bring up a whole environment: applications, addresses, routes."),
    "init": ("init", "Write a manifest to begin with, also from what nodes have."),
    "schema": ("schema", "Print the JSON Schema of the manifest, for editors."),
    "tf-external": ("tf_external", "Answer Terraform's external data source; it only looks."),
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
        return show_failure(error, cli, arguments)
    except (click.Abort, KeyboardInterrupt):
        # Commands that change nodes tell of their own interruptions: nothing had begun here.
        words = sys.argv[1:] if arguments is None else arguments
        asks = "env status" if words[:1] == ["env"] else "recover"
        hint = f"`nginxws {asks}` says if a node has something to undo"
        return show_failure(Interrupted("interrupted", hint=hint), cli, arguments)
    except OSError as error:
        failed = NginxwsError(f"cannot go on: {error}", hint="is the disk full, or the output closed?")
        return show_failure(failed, cli, arguments)
    except Exception as error:
        return show_failure(bug(error), cli, arguments)
    return int(outcome) if isinstance(outcome, int) else ExitCode.DONE
