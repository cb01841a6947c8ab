"""From a changing command's options to a run of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from nginxws.cli.parameters import stands_there
from nginxws.cli.targets import Ask, ChangeTimes, TargetOptions
from nginxws.errors import InvalidInput
from nginxws.nodes.prompt import ask_secret
from nginxws.nodes.reading import Reading, until_waiting
from nginxws.report.progress import Progress

if TYPE_CHECKING:
    from nginxws.cli.change import Change
    from nginxws.nodes.link import NodeLink
    from nginxws.nodes.options import ProbePolicy
    from nginxws.route import Route

#: Makes the change; called when the nodes are being read already.
MakeChange = Callable[[], "Change"]
#: Opens nodes; gets what can put a question to somebody.
OpenNodes = Callable[[Ask], "list[NodeLink]"]


def run_change(make: MakeChange, options: dict[str, Any], open_nodes: OpenNodes | None = None) -> int:
    """Run a change on the file or on the nodes that the options name; returns the exit code.

    The nodes are being read while ``make`` imports what planning needs. ``open_nodes`` are other nodes than
    those that the options name.
    """
    from nginxws.cli.manifest_file import open_meant

    file = file_meant(options)
    if file is not None:
        return make().on_file(file)
    with Progress(verbose=options["verbose"], quiet=options["quiet"]) as progress:
        ask = progress.asking(ask_secret)
        links = open_nodes(ask) if open_nodes else open_meant(options, times_from(options), ask)
        undo = not options["dry_run"]
        readings = [(link, Reading(link, progress.on_node(link.name), undo=undo)) for link in links]
        until_waiting(links)
        return make().on_nodes(readings, progress)


def file_meant(options: dict[str, Any]) -> str | None:
    """The value of ``--file``, None when nodes are meant.

    What stands on the command line wins over the environment. Raises InvalidInput for both, and for
    options beside ``--file`` that say something about a node.
    """
    file: str | None = options["file"]
    if file is None:
        return None
    said = [stands_there(name) for name in ("file", "nodes")]
    if not options["nodes"] or said == [True, False]:
        return _alone(file)
    if said == [False, True]:
        return None
    raise InvalidInput(
        "--file and --node exclude each other", hint="a file here has no node: give one of them"
    )


def _alone(file: str) -> str:
    """The file, unless something was asked for that only happens on nodes: that isn't ignored silently."""
    context = click.get_current_context()
    about_nodes = {*TargetOptions.__dataclass_fields__, *ChangeTimes.__dataclass_fields__} - {"nodes"}
    given = [
        next(word for word in option.opts if word.startswith("--"))
        for option in context.command.params
        if (name := str(option.name)) in about_nodes or name.startswith("probe_")
        # What was turned off doesn't happen with a file either.
        if stands_there(name) and context.params[name] is not False and context.params[name] != "off"
    ]
    if given:
        raise InvalidInput(
            f"{', '.join(given)} {'is' if len(given) == 1 else 'are'} about a node, and --file names none",
            hint="leave that out, or name a node with --node instead of the file",
        )
    return file


def times_from(options: dict[str, Any]) -> ChangeTimes:
    """The values of ``change_options`` that the node is told."""
    return ChangeTimes(**{name: options[name] for name in ChangeTimes.__dataclass_fields__})


def probe_policy(options: dict[str, Any], route: Route | None) -> ProbePolicy:
    """How the route, or whatever it may be, is proved. Raises InvalidInput where no proof could work."""
    from nginxws.nodes.options import ProbePolicy

    policy = ProbePolicy(
        mode=options["probe_mode"],
        path=options["probe_path"],
        host=options["probe_host"],
        headers=options["probe_headers"],
        expect=options["probe_expect"],
        url=options["probe_url"],
        timeout=options["probe_timeout"],
    )
    unproved = route is None or options["dry_run"] or file_meant(options) is not None
    return checked_policy(policy, None if unproved else route)


def checked_policy(policy: ProbePolicy, route: Route | None) -> ProbePolicy:
    """The policy, if it can prove the route; None for one that won't be proved. Raises InvalidInput."""
    from nginxws.route import Match

    followed = route is None or route.match is not Match.REGEX or policy.path is not None
    if not followed and policy.mode != "off" and policy.url is None:
        raise InvalidInput(
            "no path to probe follows from a regular expression",
            hint="give one that it matches with --probe-path /…, or --probe off",
        )
    _check(policy)
    return policy


def _check(policy: ProbePolicy) -> None:
    """Refuse what no probe could send, before anything is touched."""
    if policy.path or policy.host or policy.headers or policy.expect != 101:
        from nginxws.nodes.probe.types import ProbeRequest

        path, host = policy.path or "/", policy.host or "localhost"
        ProbeRequest(path, host, headers=policy.headers, expect=policy.expect)
    if policy.url is not None:
        from nginxws.nodes.probe.url import parse_url

        parse_url(policy.url)
