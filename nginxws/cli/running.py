"""From a changing command's options to a run of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from nginxws.cli.targets import ChangeTimes, TargetOptions, open_links
from nginxws.errors import InvalidInput
from nginxws.nodes.prompt import ask_secret
from nginxws.nodes.reading import Reading, until_waiting
from nginxws.report.progress import Progress

if TYPE_CHECKING:
    from nginxws.cli.change import Change
    from nginxws.nodes.options import ProbePolicy
    from nginxws.route import Route

#: Makes the change; called when the nodes are being read already.
MakeChange = Callable[[], "Change"]


def run_change(make: MakeChange, options: dict[str, Any]) -> int:
    """Run a change on the file or on the nodes that the options name; returns the exit code.

    The nodes are being read while ``make`` imports what planning needs.
    """
    file = file_meant(options)
    if file is not None:
        return make().on_file(file)
    with Progress(verbose=options["verbose"], quiet=options["quiet"]) as progress:
        links = open_links(target_from(options), times_from(options), progress.asking(ask_secret))
        undo = not options["dry_run"]
        readings = [(link, Reading(link, progress.on_node(link.name), undo=undo)) for link in links]
        until_waiting(links)
        return make().on_nodes(readings, progress)


def file_meant(options: dict[str, Any]) -> str | None:
    """The value of ``--file``, None when nodes are meant.

    What stands on the command line wins over the environment. Raises InvalidInput for both.
    """
    file: str | None = options["file"]
    if file is None or not options["nodes"]:
        return file
    source = click.get_current_context().get_parameter_source
    said = [source(name) is ParameterSource.COMMANDLINE for name in ("file", "nodes")]
    if said == [True, False]:
        return file
    if said == [False, True]:
        return None
    raise InvalidInput(
        "--file and --node exclude each other", hint="a file here has no node: give one of them"
    )


def target_from(options: dict[str, Any]) -> TargetOptions:
    """The values of ``connection_options``."""
    return TargetOptions(**{name: options[name] for name in TargetOptions.__dataclass_fields__})


def times_from(options: dict[str, Any]) -> ChangeTimes:
    """The values of ``change_options`` that the node is told."""
    return ChangeTimes(**{name: options[name] for name in ChangeTimes.__dataclass_fields__})


def probe_policy(options: dict[str, Any], route: Route) -> ProbePolicy:
    """How the route is proved. Raises InvalidInput where no proof could work."""
    from nginxws.nodes.options import ProbePolicy
    from nginxws.route import Match

    mode, path, url = options["probe_mode"], options["probe_path"], options["probe_url"]
    needs_path = mode != "off" and url is None and not options["dry_run"] and file_meant(options) is None
    if route.match is Match.REGEX and needs_path and path is None:
        raise InvalidInput(
            "no path to probe follows from a regular expression",
            hint="give one that it matches with --probe-path /…, or --probe off",
        )
    policy = ProbePolicy(
        mode=mode,
        path=path,
        host=options["probe_host"],
        headers=options["probe_headers"],
        expect=options["probe_expect"],
        url=url,
        timeout=options["probe_timeout"],
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
