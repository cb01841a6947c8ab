"""``nginxws recover`` and ``nginxws unlock``: after something was cut short."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from nginxws.cli.options import Seconds, connection_options, option, output_options

if TYPE_CHECKING:
    from nginxws.nodes.link import NodeLink
    from nginxws.nodes.reading import OnStep
    from nginxws.report.recovery import NodeResult

    #: A node's part of the work.
    Work = Callable[[NodeLink, OnStep], NodeResult]


@click.command()
@option("--reload-command", metavar="CMD", default="", help="How the node reloads NGINX.")
@option("--lock-timeout", type=Seconds(), default=30, show_default=True, help="Longest wait for the lock.")
@option(
    "--reload-timeout",
    type=Seconds(),
    default=30,
    show_default=True,
    help="Longest wait for the new workers.",
)
@option("--accept", is_flag=True, help="Keep the files as they are now, and forget the undo.")
@connection_options
@output_options
def recover(**options: Any) -> int:
    """Undo what an interrupted command left half done on a node, and say what was found.

    Every command that changes a node does this first by itself; this one only looks and
    undoes. With nothing to undo it does nothing. Files that somebody edited meanwhile are never
    overwritten: put them right by hand, then --accept.
    """
    from nginxws.nodes.reading import recover_node
    from nginxws.report.recovery import recovered

    def one(link: NodeLink, on_step: OnStep) -> NodeResult:
        found = recover_node(link, accept=options["accept"], on_step=on_step)
        return recovered(link.name, found)

    return _each_node(options, one, "revision")


@click.command()
@option("--force", is_flag=True, help="End the live process that holds the lock; it restores first.")
@connection_options
@output_options
def unlock(**options: Any) -> int:
    """Say who holds a node's lock, and free it when its owner is dead.

    A lock is the node's own and ends with its owner, so there is seldom anything to free. A
    live owner keeps it (exit code 7), unless --force ends that process; what it had begun is
    undone first.
    """
    from nginxws.nodes import transaction
    from nginxws.report.recovery import unlocked

    def one(link: NodeLink, on_step: OnStep) -> NodeResult:
        on_step("unlock", "")
        holder = transaction.unlock(link.session(), link.options, force=options["force"])
        return unlocked(link.name, holder)

    return _each_node(options, one, "holder")


def _each_node(options: dict[str, Any], work: Work, field: str) -> int:
    """Do ``work`` on every node and show what became of it; ``field`` is its own in the JSON form."""
    from nginxws.cli.manifest_file import open_meant
    from nginxws.cli.targets import ChangeTimes
    from nginxws.deploy import NodeOutcome, worst
    from nginxws.nodes.prompt import ask_secret
    from nginxws.report.document import show_json
    from nginxws.report.progress import Progress
    from nginxws.report.recovery import as_json, show_result
    from nginxws.report.text import reporting

    named = {name: options[name] for name in ChangeTimes.__dataclass_fields__ if name in options}
    times = ChangeTimes(**{"lock_timeout": 0, **named})
    results = []
    with Progress(verbose=options["verbose"], quiet=options["quiet"]) as progress:
        links = open_meant(options, times, progress.asking(ask_secret))
        for link in links:
            results.append(_on_node(link, progress.on_node(link.name), work, field))
            progress.pause()
            with reporting():
                show_result(results[-1], options["output_format"], quiet=options["quiet"])
    code = worst(NodeOutcome(result.node, error=result.error) for result in results)
    if options["output_format"] == "json":
        with reporting():
            show_json(as_json(results, code))
    return code


def _on_node(link: NodeLink, on_step: OnStep, work: Work, field: str) -> NodeResult:
    from nginxws.errors import NginxwsError
    from nginxws.report.recovery import NodeResult

    with link:
        try:
            on_step("connect", "")
            link.session()
            return work(link, on_step)
        except NginxwsError as error:
            error.node = error.node or link.name
            return NodeResult(link.name, field, error=error)
