"""From a manifest's text to its model, or to the list of all that is wrong in it. Pure."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from nginxws.errors import InvalidInput, ManifestError, NginxwsError, Problem
from nginxws.manifest import apps
from nginxws.manifest.model import FORMAT, Manifest, RouteEntry
from nginxws.manifest.positions import KeyPath, Positions, dotted
from nginxws.manifest.wanted import chosen_nodes, make_route, resolved
from nginxws.manifest.wording import as_written, from_pydantic
from nginxws.printable import one_line
from nginxws.route import Route

#: Bytes of a manifest; ten thousand routes take about two million.
MAX_SIZE = 16 * 1024 * 1024

#: Puts nodes from elsewhere into a manifest.
Join = Callable[[Manifest], Manifest]
#: A location: node, server, modifier, path.
_Place = tuple[str, str | None, str, str]
_AT_LINE = re.compile(r" \(at line (\d+), column (\d+)\)$")


def parse(text: str, name: str, join: Join | None = None) -> Manifest:
    """The manifest. ``name`` is what errors call the file. Raises ManifestError with every problem.

    ``join`` puts nodes from elsewhere into it before it is checked as a whole; what that raises is raised.
    """
    return read(text, name, join)[0]


def read(text: str, name: str, join: Join | None = None) -> tuple[Manifest, Positions]:
    """The manifest, and where in the text its parts stand. Raises ManifestError with every problem."""
    data, positions = _load(text, name)
    _check_format(data, positions, name)
    try:
        manifest, problems = Manifest.model_validate(data), []
        kept = list(range(len(manifest.routes)))
    except ValidationError as error:
        found = error.errors(include_url=False)
        problems = [from_pydantic(one, positions) for one in found]
        unknown = [tuple(one["loc"]) for one in found if one["type"] == "extra_forbidden"]
        manifest, kept = _salvaged(data, [tuple(one["loc"]) for one in found], unknown)
    if join is not None:
        manifest = _joined(manifest, join, problems, name)
    whole = len(kept) == len(_list(data.get("routes")))
    problems += apps.problems(manifest, positions, all_routes=whole)
    problems += [*_routes(apps.with_addresses(manifest), kept, positions), *_labels(manifest, positions)]
    if problems:
        raise ManifestError(sorted(problems, key=lambda problem: problem.line), file=name)
    return manifest, positions


def _joined(manifest: Manifest, join: Join, problems: Sequence[Problem], name: str) -> Manifest:
    """With nodes from elsewhere; what is wrong there isn't told before what is wrong here."""
    try:
        return join(manifest)
    except NginxwsError:
        if problems:
            raise ManifestError(sorted(problems, key=lambda problem: problem.line), file=name) from None
        raise


def _salvaged(
    data: Mapping[str, Any], bad: Sequence[KeyPath], unknown: Sequence[KeyPath]
) -> tuple[Manifest, list[int]]:
    """What is left without the keys and routes that pydantic refuses, so that the rest is checked as well.

    Also the numbers that the routes which are left had. A route is left when all that is wrong in it are
    ``unknown`` keys: without another one it may be a different route. Where a node may have lost its labels,
    which nodes a route is for can't be checked, and it is taken to be for none.
    """
    nodes, defaults, routes = (data.get(key) for key in ("nodes", "defaults", "routes"))
    lost = any(path[0] == "nodes" and _about_labels(path) for path in bad)
    wrong = {path[1] for path in bad if path[0] == "routes" and len(path) > 1 and path not in unknown}
    kept = [number for number in range(len(_list(routes))) if number not in wrong]
    plain = [_without(_list(routes)[number], unknown, "routes", number) for number in kept]
    entries = [{**entry, **({"nodes": []} if lost else {})} for entry in plain]
    sound = {name: _without(node, bad, "nodes", name) for name, node in _table(nodes).items()}
    named = {name: node for name, node in sound.items() if ("nodes", name, "[key]") not in bad}
    rest: dict[str, Any] = {
        "defaults": _without(defaults, bad, "defaults"),
        "nodes": named,
        "routes": entries,
    }
    rest["apps"] = {
        name: _ANY_APP if any(path[:2] == ("apps", name) for path in bad) else app
        for name, app in _table(data.get("apps")).items()
        if ("apps", name, "[key]") not in bad
    }
    wrong_around = any(path[0] == "environment" for path in bad)
    rest["environment"] = _ANY_ENVIRONMENT if wrong_around else data.get("environment")
    return Manifest.model_validate({"format": FORMAT, **rest}), kept


#: Stand for an application and an environment that something is wrong with: others may lean on them.
_ANY_APP = {"address": "localhost", "port": 1}
_ANY_ENVIRONMENT = {"domain": "localhost"}


def _about_labels(path: KeyPath) -> bool:
    key = str(path[2]) if len(path) > 2 else ""
    return key == "[key]" or bool(get_close_matches(key, ["labels"]))


def _without(value: Any, bad: Sequence[KeyPath], *path: str | int) -> dict[str, Any]:
    """A table without the keys that are wrong."""
    wrong = {one[len(path)] for one in bad if one[: len(path)] == path and len(one) > len(path)}
    return {key: one for key, one in _table(value).items() if key not in wrong}


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def refuse_too_long(size: int, name: str) -> None:
    """Raise ManifestError when a manifest has more than ``MAX_SIZE`` bytes; it has at least ``size``."""
    if size > MAX_SIZE:
        problem = Problem(1, "", f"longer than {MAX_SIZE} bytes", "is it the right file?")
        raise ManifestError([problem], file=name)


def _load(text: str, name: str) -> tuple[dict[str, Any], Positions]:
    refuse_too_long(len(text), name)
    if text.startswith("\ufeff"):
        problem = Problem(1, "", "begins with a byte order mark", "save the file as UTF-8 without one")
        raise ManifestError([problem], file=name)
    try:
        return tomllib.loads(text), Positions.of(text)
    except tomllib.TOMLDecodeError as error:
        words = str(error)
        found = _AT_LINE.search(words)
        line = int(found[1]) if found else text.count("\n") + 1
        where = f" (column {found[2]})" if found else ""
        message = f"not TOML: {one_line(_AT_LINE.sub('', words))}{where}"
        raise ManifestError([Problem(line, "", message, "see toml.io")], file=name) from error
    except RecursionError as error:
        raise ManifestError(
            [Problem(1, "", "nested too deeply", "see `nginxws schema`")], file=name
        ) from error


def _check_format(data: Mapping[str, Any], positions: Positions, name: str) -> None:
    """Another format's keys would only give misleading messages."""
    version = data.get("format", FORMAT)
    if type(version) is int and version != FORMAT:
        problem = Problem(
            positions.line(("format",)),
            "format",
            f"format {version} isn't known to this nginxws, which reads format {FORMAT}",
            "use the release of nginxws that it was written for",
        )
        raise ManifestError([problem], file=name)


# --- what the models can't know ------------------------------------------------------------------


def _routes(manifest: Manifest, kept: Sequence[int], positions: Positions) -> Iterator[Problem]:
    """Malformed routes, nodes that aren't there, and two routes for one location of one server."""
    taken: dict[_Place, int] = {}
    for number, entry in zip(kept, manifest.routes, strict=True):
        here: KeyPath = ("routes", number)
        unknown = list(_unknown_nodes(manifest, entry, here, positions))
        yield from unknown
        try:
            route = make_route(manifest, entry)
        except InvalidInput as error:
            where = as_written(_culprit(manifest, entry, error, here), positions)
            yield Problem(positions.line(where), dotted(where), error.message, error.hint)
            continue
        places = [] if unknown else list(_places(manifest, entry, route))
        line = positions.line(here)
        if twice := next((place for place in places if place in taken), None):
            message = f"{route.path} is wanted twice on {twice[0]}: line {taken[twice]} wants it already"
            yield Problem(line, dotted(here), message, "leave one of them out")
        taken |= dict.fromkeys(places, line)


def _culprit(manifest: Manifest, entry: RouteEntry, error: InvalidInput, here: KeyPath) -> KeyPath:
    """The path, or a backend that isn't there, else the whole entry: two of its keys don't fit together."""
    for number, backend in enumerate(entry.backends):
        try:
            resolved(manifest, backend)
        except InvalidInput:
            return (*here, "backends", number)
    try:
        Route.create(entry.path, ["localhost:1"], match=entry.match)
    except InvalidInput as alone:
        return (*here, "path") if alone.message == error.message else here
    return here


def _places(manifest: Manifest, entry: RouteEntry, route: Route) -> Iterator[_Place]:
    """Node, server, modifier and path of every location that the entry makes.

    A managed route is known by its path: two that differ in how they match can't both be had.
    """
    for node in chosen_nodes(manifest, entry.nodes):
        server = entry.server or manifest.nodes[node].server
        yield node, server, "", route.path
        for modifier, path in route.locations:
            yield node, server, modifier.replace("^~", ""), path


def _unknown_nodes(
    manifest: Manifest, entry: RouteEntry, here: KeyPath, positions: Positions
) -> Iterator[Problem]:
    known = [*manifest.nodes, *{label for node in manifest.nodes.values() for label in node.labels}]
    for number, name in enumerate(entry.nodes or ()):
        if name not in known:
            close = get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"there are: {', '.join(known) or 'none'}"
            path: KeyPath = (*here, "nodes", number)
            yield Problem(positions.line(path), dotted(path), f"no node or label is called {name}", hint)


def _labels(manifest: Manifest, positions: Positions) -> Iterator[Problem]:
    for name, node in manifest.nodes.items():
        for number, label in enumerate(node.labels):
            if label in manifest.nodes:
                path: KeyPath = ("nodes", name, "labels", number)
                message = f"the label {label} is the name of a node as well"
                yield Problem(positions.line(path), dotted(path), message, "rename one of them")
