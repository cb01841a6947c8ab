"""From a changing command's options to a run of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nginxws.cli.targets import ChangeTimes, TargetOptions, open_links
from nginxws.deploy import ProbePolicy
from nginxws.errors import InvalidInput
from nginxws.route import Match, Route

if TYPE_CHECKING:
    from nginxws.cli.change import Change


def run_change(change: Change, options: dict[str, Any]) -> int:
    """Run on the file or on the nodes that the options name."""
    if options["file"] is not None:
        if options["nodes"]:
            raise InvalidInput("--file and --node exclude each other", hint="a file here has no node")
        return change.on_file(options["file"])
    return change.on_nodes(open_links(target_from(options), times_from(options)))


def target_from(options: dict[str, Any]) -> TargetOptions:
    """The values of ``connection_options``."""
    return TargetOptions(**{name: options[name] for name in TargetOptions.__dataclass_fields__})


def times_from(options: dict[str, Any]) -> ChangeTimes:
    """The values of ``change_options`` that the node is told."""
    return ChangeTimes(**{name: options[name] for name in ChangeTimes.__dataclass_fields__})


def probe_policy(options: dict[str, Any], route: Route) -> ProbePolicy:
    """How the route is proved. Raises InvalidInput where no proof could work."""
    from nginxws.nodes.probe_headers import parse_probe_header

    mode, path, url = options["probe_mode"], options["probe_path"], options["probe_url"]
    if route.match is Match.REGEX and mode != "off" and path is None and url is None:
        raise InvalidInput(
            "no path to probe follows from a regular expression",
            hint="give one that it matches with --probe-path /…, or --probe off",
        )
    return ProbePolicy(
        mode=mode,
        path=path,
        host=options["probe_host"],
        headers=tuple(parse_probe_header(text) for text in options["probe_headers"]),
        expect=options["probe_expect"],
        url=url,
        timeout=options["probe_timeout"],
    )
