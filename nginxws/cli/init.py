"""``nginxws init``: a manifest to begin with."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nginxws.cli.options import option, reach_options
from nginxws.errors import NginxwsError

if TYPE_CHECKING:
    from nginxws.manifest.starter import StarterNode, StarterRoute
    from nginxws.readback import FoundRoute
    from nginxws.report.progress import Progress


@click.command("init")
@option("--from", "nodes", multiple=True, metavar="NAME|URL|local",
        help="Begin with this node and the routes that it has. Repeatable.")  # fmt: skip
@option("--manifest", type=click.Path(dir_okay=False), metavar="PATH",
        default="nginxws.toml", show_default=True, help="The file to write.")  # fmt: skip
@option("--force", is_flag=True, help="Overwrite a manifest that is there.")
@reach_options
@option("--quiet", "-q", is_flag=True, help="Errors only.")
@option("--verbose", "-v", is_flag=True, help="Every step, also without a terminal.")
def init(**options: Any) -> None:
    """Write a manifest (nginxws.toml) to begin with: an example, all commented out.

    With --from the node is read, and what it has is written instead: its managed routes, so that
    `nginxws plan` has nothing to do, and its hand-written WebSocket locations as proposals,
    commented out. Nothing on the node is changed.
    """
    from nginxws.manifest.reading import parse
    from nginxws.manifest.starter import starter
    from nginxws.report.progress import Progress

    path = Path(options["manifest"])
    _refuse_another(path, options["force"])
    with Progress(verbose=options["verbose"], quiet=options["quiet"]) as progress:
        nodes, found = _read(options, progress)
    text = starter(nodes, _merged([node.name for node in nodes], found))
    parse(text, str(path))
    _refuse_another(path, options["force"])  # reading nodes takes its time
    _write(path, text)
    if not options["quiet"]:
        _tell(path, found)


def _refuse_another(path: Path, force: bool) -> None:
    if path.exists() and not force:
        raise NginxwsError(
            "it is there already",
            file=str(path),
            hint="overwrite it with --force, or name another: --manifest",
        )


def _read(options: dict[str, Any], progress: Progress) -> tuple[list[StarterNode], list[list[FoundRoute]]]:
    """The nodes that were named, and the routes of each."""
    if not options["nodes"]:
        return [], []
    from nginxws.cli.targets import open_links, target_from
    from nginxws.manifest.starter import StarterNode
    from nginxws.nodes.prompt import ask_secret
    from nginxws.nodes.reading import read_node
    from nginxws.readback import read_back
    from nginxws.report.text import show_pending

    nodes: list[StarterNode] = []
    found: list[list[FoundRoute]] = []
    for link in open_links(target_from(options), None, progress.asking(ask_secret)):
        with link:
            try:
                now = read_node(link, progress.on_node(link.name), undo=False)
                routes = read_back(now)
            except NginxwsError as error:
                error.node = error.node or link.name
                raise
        progress.pause()
        show_pending(now)
        name = _name(link.name, [node.name for node in nodes])
        nodes.append(StarterNode(name, _keys(link.name, name, options)))
        found.append(routes)
    return nodes, found


def _name(text: str, taken: Sequence[str]) -> str:
    """What the manifest calls a node that was named on the command line."""
    import re

    from nginxws.nodes.transport import Target

    host = Target.parse(text).host or "local"
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", host).strip(".-_")[:60] or "node"
    number = 2
    while name in taken:
        name, number = f"{name.removesuffix(f'-{number - 1}')}-{number}", number + 1
    return name


def _keys(text: str, name: str, options: dict[str, Any]) -> dict[str, Any]:
    """The keys of a node's table: how it was reached just now."""
    reach = {} if text == name != "local" else {"ssh": text.removeprefix("ssh://").removesuffix("/")}
    if "ssh" in reach and text.startswith("ssh://") and "@" not in reach["ssh"] and ":" not in reach["ssh"]:
        reach = {"ssh": text}
    said = {key: options[key] for key in ("home", "nginx_conf", "nginx_bin", "state_dir") if options[key]}
    sudo = options["sudo"] or options["ask_sudo_password"] or options["sudo_password_fd"] is not None
    return {**reach, **said, **({"sudo": True} if sudo else {})}


def _merged(names: Sequence[str], found: Sequence[Sequence[FoundRoute]]) -> list[StarterRoute]:
    """One entry for what several nodes have alike; managed routes first."""
    from nginxws.manifest.starter import StarterRoute

    alike: dict[tuple[str, bool, int], tuple[FoundRoute, list[str], list[str]]] = {}
    for name, routes in zip(names, found, strict=True):
        seen: Counter[tuple[str, bool]] = Counter()
        for route in routes:
            kind = json.dumps(dict(route.values), sort_keys=True), route.usable
            _, its, notes = alike.setdefault((*kind, seen[kind]), (route, [], []))
            seen[kind] += 1
            its.append(name)
            notes.extend(_notes(name, route))
    return [
        StarterRoute(
            {**route.values, **({} if len(nodes) == len(names) else {"nodes": nodes})},
            notes,
            not route.usable,
        )
        for route, nodes, notes in sorted(alike.values(), key=lambda one: not one[0].usable)
    ]


def _notes(name: str, route: FoundRoute) -> list[str]:
    place = f"{name}: {route.where}"
    if not route.managed:
        return [
            f"{place}: written by hand; to take it over, uncomment this and apply with --adopt or --replace"
        ]
    if not route.usable:
        return [
            f"{place}: managed, but this can't be read back: complete it, or apply would remove the route"
        ]
    if route.drifted:
        return [f"{place}: edited by hand since nginxws wrote it; plan says so"]
    return [] if route.exact else [f"{place}: not all of it could be read back; plan shows what would change"]


def _write(path: Path, text: str) -> None:
    from nginxws import files

    try:
        files.replace(path.resolve(), text.encode())
    except OSError as error:
        raise NginxwsError(
            f"cannot write it: {error.strerror}",
            file=str(path),
            hint="may you write to this folder, and is there space on the disk?",
        ) from error


def _tell(path: Path, found: Sequence[Sequence[FoundRoute]]) -> None:
    from nginxws.counting import count
    from nginxws.report.text import show_lines

    managed = sum(route.managed for routes in found for route in routes)
    hand = sum(not route.managed for routes in found for route in routes)
    words = [count(len(found), "node"), count(managed, "managed route"), count(hand, "hand-written location")]
    show_lines([f"{path}: written" + (f": {', '.join(words)}" if found else "")])
    show_lines(
        ["next: `nginxws plan`" if found else "next: name your balancers in it, then `nginxws add-route`"]
    )
