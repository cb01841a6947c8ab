"""One route put into a manifest's text, or taken out: comments, order and spelling of the rest stay. Pure.

Every edit is proved before it is handed out: the new text must read as the old one with just this change.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from nginxws.errors import ManifestError, NginxwsError, Problem
from nginxws.manifest import splicing
from nginxws.manifest.model import Manifest, RouteEntry
from nginxws.manifest.positions import Positions, dotted
from nginxws.manifest.reading import Join, read
from nginxws.manifest.wanted import chosen_nodes


def put_route(
    text: str,
    name: str,
    path: str,
    backends: Sequence[str],
    options: Mapping[str, Any],
    *,
    nodes: Sequence[str] | None = None,
    server: str | None = None,
    join: Join | None = None,
) -> str:
    """The text with this route in it: a changed entry, else a new one after the others.

    ``options`` are the keys of the entry that are to be set (see ``RouteEntry``); what an entry that is
    there has besides stays, and so does the spelling of what means the same already. ``nodes`` are names
    and labels, None for those of the entry that is there, or all. ``name`` is the file's; ``join`` as for
    ``reading.read``. Raises
    ManifestError when the text is wrong before or after, or when the entry that is there is for other
    nodes as well; InvalidInput for an unknown node.
    """
    manifest, positions = read(text, name, join)
    number = _entry_to_change(manifest, positions, name, path, nodes, server)
    values: dict[str, Any] = {"backends": list(backends), **options}
    wanted = tomllib.loads(text)
    routes = wanted.setdefault("routes", [])
    if number is None:
        places = {"nodes": None if nodes is None else list(nodes), "server": server}
        values = {
            "path": path,
            **values,
            **{key: value for key, value in places.items() if value is not None},
        }
        edited = splicing.appended(text, values)
        routes.append(values)
    else:
        entry = manifest.routes[number]
        if nodes is not None and set(chosen_nodes(manifest, nodes)) - set(
            chosen_nodes(manifest, entry.nodes)
        ):
            values["nodes"] = list(nodes)
        values = {key: value for key, value in values.items() if not _means(entry, key, value)}
        if "backend" in routes[number] and "backends" in values:
            values["backend"] = _only(values.pop("backends"), positions, number, name)
        edited = splicing.changed(text, number, values)
        routes[number].update(values)
    return _proved(edited, wanted, name, join)


def _only(backends: Sequence[str], positions: Positions, number: int, name: str) -> str:
    """The one backend of an entry that is written with the key ``backend``; ManifestError for several."""
    if len(backends) == 1:
        return backends[0]
    key = ("routes", number, "backend")
    problem = Problem(
        positions.line(key),
        dotted(key),
        f"{dotted(key)} holds one backend, not {len(backends)}",
        "write it as backends = [...] first",
    )
    raise ManifestError([problem], file=name)


def _means(entry: RouteEntry, key: str, value: Any) -> bool:
    """Whether a key of the entry says already what this value says."""
    try:
        other = RouteEntry.model_validate({"path": entry.path, "backends": entry.backends, key: value})
    except ValidationError:
        return False  # the proof of the edited text tells what is wrong
    return bool(getattr(entry, key) == getattr(other, key))


def drop_route(
    text: str,
    name: str,
    path: str,
    *,
    nodes: Sequence[str] | None = None,
    server: str | None = None,
    join: Join | None = None,
) -> str:
    """The text without this route, or with fewer nodes for it; as it is when the route isn't in it.

    Without ``nodes`` and ``server`` all entries for the path go. Raises ManifestError when an entry is for
    other nodes as well and doesn't name them one by one; InvalidInput for an unknown node.
    """
    manifest, positions = read(text, name, join)
    wanted = tomllib.loads(text)
    meant = set(chosen_nodes(manifest, nodes))
    for number in reversed(_entries(manifest, path, None if nodes is None else meant, server)):
        entry = manifest.routes[number]
        rest = [node for node in chosen_nodes(manifest, entry.nodes) if node not in meant]
        if not rest:
            text = splicing.without(text, number)
            del wanted["routes"][number]
        elif set(rest) <= set(entry.nodes or ()) and set(entry.nodes or ()) <= set(manifest.nodes):
            text = splicing.changed(text, number, {"nodes": rest})
            wanted["routes"][number]["nodes"] = rest
        else:
            raise _for_others(positions, name, number, rest)
    if not wanted.get("routes"):
        wanted.pop("routes", None)
    return _proved(text, wanted, name, join)


def _entries(manifest: Manifest, path: str, meant: set[str] | None, server: str | None) -> list[int]:
    """The numbers of the entries for this path that concern any of the nodes meant; None: all entries."""
    found = []
    for number, entry in enumerate(manifest.routes):
        nodes = set(chosen_nodes(manifest, entry.nodes))
        nodes = nodes if meant is None else nodes & meant
        servers = {manifest.nodes[node].server for node in nodes} if entry.server is None else {entry.server}
        concerned = entry.path == path and (nodes or meant is None)
        if concerned and (server is None or servers <= {server}):
            found.append(number)
    return found


def _entry_to_change(
    manifest: Manifest,
    positions: Positions,
    name: str,
    path: str,
    nodes: Sequence[str] | None,
    server: str | None,
) -> int | None:
    """The entry that a new version of the route takes the place of, None for a new entry."""
    meant = set(chosen_nodes(manifest, nodes))
    found = _entries(manifest, path, None if nodes is None else meant, server)
    if not found:
        return None
    if len(found) > 1:
        lines = ", ".join(str(positions.line(("routes", number))) for number in found)
        problem = Problem(
            positions.line(("routes", found[0])),
            dotted(("routes", found[0])),
            f"{path} stands in several entries (lines {lines})",
            "say which one with --node or --server, or edit the file",
        )
        raise ManifestError([problem], file=name)
    rest = [node for node in chosen_nodes(manifest, manifest.routes[found[0]].nodes) if node not in meant]
    if rest:
        raise _for_others(positions, name, found[0], rest)
    return found[0]


def _for_others(positions: Positions, name: str, number: int, rest: Sequence[str]) -> ManifestError:
    problem = Problem(
        positions.line(("routes", number)),
        dotted(("routes", number)),
        f"this entry is for other nodes as well: {', '.join(rest)}",
        "leave --node out to mean all of its nodes, or edit the file",
    )
    return ManifestError([problem], file=name)


def _proved(text: str, wanted: Mapping[str, Any], name: str, join: Join | None) -> str:
    """The text, if it reads as it should. Raises ManifestError for what is wrong with the new entry."""
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _cannot_edit(name) from error
    if found != wanted:
        raise _cannot_edit(name)
    read(text, name, join)
    return text


def _cannot_edit(name: str) -> NginxwsError:
    return NginxwsError(
        "the way this manifest is written can't be edited here",
        file=name,
        hint="nothing was changed; write its routes as [[routes]] tables, or edit the file by hand",
    )
