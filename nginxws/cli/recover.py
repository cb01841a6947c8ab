"""``nginxws recover`` and ``nginxws unlock``: after something was cut short."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from nginxws.cli.options import Seconds, connection_options, option, output_options

if TYPE_CHECKING:
    from nginxws.nodes.link import NodeLink


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

    def one(link: NodeLink) -> dict[str, Any]:
        found = recover_node(link, accept=options["accept"])
        text = f"undone: {found.cause}" if found.undone else "nothing to recover"
        if found.accepted:
            text = "kept as it is" + (f", but NGINX doesn't serve it: {found.cause}" if found.cause else "")
        if found.last_revision:
            text += f"; the newest revision is {found.last_revision}"
        return {"changed": found.undone or found.accepted, "text": text, "revision": found.last_revision}

    return _each_node(options, one)


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

    def one(link: NodeLink) -> dict[str, Any]:
        holder = transaction.unlock(link.session(), link.options, force=options["force"])
        text = f"freed: it was locked by {holder}" if holder else "not locked"
        return {"changed": bool(holder), "text": text, "holder": holder}

    return _each_node(options, one)


def _each_node(options: dict[str, Any], one: Callable[[NodeLink], dict[str, Any]]) -> int:
    from nginxws.cli.running import target_from
    from nginxws.cli.targets import ChangeTimes, open_links
    from nginxws.deploy import NodeOutcome, worst
    from nginxws.errors import NginxwsError
    from nginxws.plan import FORMAT_VERSION
    from nginxws.report.outcome import error_json
    from nginxws.report.text import show_error, show_lines

    named = {name: options[name] for name in ChangeTimes.__dataclass_fields__ if name in options}
    times = ChangeTimes(**{"lock_timeout": 0, **named})
    outcomes, nodes = [], {}
    for link in open_links(target_from(options), times):
        with link:
            try:
                result: dict[str, Any] = one(link) | {"error": None}
                outcomes.append(NodeOutcome(link.name))
            except NginxwsError as error:
                error.node = error.node or link.name
                show_error(error)
                outcomes.append(NodeOutcome(link.name, error=error))
                result = {"changed": False, "text": "", "error": error_json(error)}
        nodes[link.name] = result
        if result["text"] and options["output_format"] == "text" and not options["quiet"]:
            show_lines([f"{link.name}: {result['text']}"])
    code = worst(outcomes)
    if options["output_format"] == "json":
        click.echo(json.dumps({"format_version": FORMAT_VERSION, "rc": int(code), "nodes": nodes}, indent=2))
    return code
