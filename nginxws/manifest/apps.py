"""What the models can't know about applications: order, places and files that are meant twice. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from nginxws.errors import InvalidInput, Problem
from nginxws.manifest.environment import AddressEntry, AppEntry
from nginxws.manifest.fields import APP_BACKEND
from nginxws.manifest.model import Manifest, RouteEntry
from nginxws.manifest.positions import KeyPath, Positions, dotted
from nginxws.manifest.wanted import address_of, no_app, target
from nginxws.validate import shown


def apps_of(entry: RouteEntry) -> list[str]:
    """The applications that a route leads to, each once."""
    found = (APP_BACKEND.match(backend) for backend in entry.backends)
    return list(dict.fromkeys(one[1] for one in found if one is not None))


def app_paths(manifest: Manifest, name: str) -> list[str]:
    """The paths of the application's routes, each once; a regular expression isn't one."""
    paths = []
    for entry in manifest.routes:
        if (entry.match or manifest.defaults.match) != "regex" and name in apps_of(entry):
            paths.append(entry.path)
    return list(dict.fromkeys(paths))


def file_on_node(app: AppEntry, entry: AddressEntry) -> str:
    """The file's absolute path on the node; one of the source stands below the link ``current``."""
    below = [app.target or "/", *(["current"] if app.source is not None else [])]
    # POSIX leaves a path's first two slashes to the system; here they are one.
    return posixpath.normpath("/" + posixpath.join(*below, entry.file).lstrip("/"))


def in_order(manifest: Manifest) -> tuple[list[str], list[str]]:
    """The applications, each after those that it comes ``after``, else as they stand; and the rest.

    The rest wait for each other, or for such as do.
    """
    order: list[str] = []
    left = list(manifest.apps)
    while ready := next((one for one in left if not set(manifest.apps[one].after) & set(left)), None):
        left.remove(ready)
        order.append(ready)
    return order, left


def with_addresses(manifest: Manifest) -> Manifest:
    """The manifest with a stand-in address where an application has none: that is a problem of its own."""
    lost = {name: app for name, app in manifest.apps.items() if _no_address(name, app) is not None}
    found = {name: app.model_copy(update={"address": "localhost"}) for name, app in lost.items()}
    return manifest.model_copy(update={"apps": {**manifest.apps, **found}})


def problems(manifest: Manifest, positions: Positions, *, all_routes: bool) -> Iterator[Problem]:
    """What is wrong with the applications. ``all_routes``: none was left out because it is wrong itself."""
    for name, app in manifest.apps.items():
        here: KeyPath = ("apps", name)
        if (error := _no_address(name, app)) is not None:
            hint = "add address: the host by which balancers reach it"
            yield _problem(positions, (*here, "ssh"), error.message, hint)
        for number, one in enumerate(app.after):
            if one not in manifest.apps:
                unknown = no_app(manifest, one)
                yield _problem(positions, (*here, "after", number), unknown.message, unknown.hint)
        if app.websocket:
            yield from _websocket(manifest, name, app, positions, all_routes)
    yield from _circles(manifest, positions)
    yield from _same_place(manifest, positions)
    yield from _same_file(manifest, positions)


def _problem(positions: Positions, path: KeyPath, message: str, hint: str | None) -> Problem:
    return Problem(positions.line(path), dotted(path), message, hint)


def _no_address(name: str, app: AppEntry) -> InvalidInput | None:
    try:
        address_of(name, app)
    except InvalidInput as error:
        return error
    return None


def _websocket(
    manifest: Manifest, name: str, app: AppEntry, positions: Positions, all_routes: bool
) -> Iterator[Problem]:
    """Files whose address nothing tells, and files of a release, which are only rewritten in the source."""
    if manifest.environment is None:
        message = f"the WebSocket address of {name} needs [environment]"
        yield _problem(
            positions, ("apps", name, "websocket"), message, 'add it, with domain = "chat.example.com"'
        )
    paths = app_paths(manifest, name)
    for number, entry in enumerate(app.websocket):
        here: KeyPath = ("apps", name, "websocket", number)
        if entry.path is None and len(paths) != 1 and all_routes:
            ways = f"several routes: {', '.join(paths)}" if paths else "no route with a path"
            hint = f'say which one, like path = "{paths[0] if paths else "/ws/"}"'
            yield _problem(positions, here, f"path is missing: {name} has {ways}", hint)
        place = file_on_node(app, entry)
        if app.source is not None and entry.file.startswith("/"):
            below = posixpath.normpath(app.target or "/")
            inside = place.removeprefix(f"{below}/current/").removeprefix(f"{below}/releases/")
            if inside != place:
                message = f"{shown(entry.file)} is a file of a release"
                hint = "write it relative to the source: it is rewritten before it is sent"
                yield _problem(positions, (*here, "file"), message, hint)


def _circles(manifest: Manifest, positions: Positions) -> Iterator[Problem]:
    """Applications that wait for each other: each circle once, at the first of it."""
    _order, left = in_order(manifest)
    told: set[str] = set()
    for start in left:
        walk = [start]
        while (following := next(one for one in manifest.apps[walk[-1]].after if one in left)) not in walk:
            walk.append(following)
        circle = walk[walk.index(following) :]
        if told.isdisjoint(circle):
            first = min(circle, key=left.index)
            names = ", ".join(sorted(circle, key=left.index))
            who = f"{names} wait for each other" if len(circle) > 1 else f"{names} waits for itself"
            yield _problem(positions, ("apps", first, "after"), who, "leave one of these `after` out")
        told |= set(walk)


def _machine(name: str, app: AppEntry) -> str:
    """The node, as far as the target tells: not who logs in."""
    reach = target(name, app).removeprefix("ssh://").rpartition("@")[2]
    return reach.removesuffix(":22").lower()


def _same_place(manifest: Manifest, positions: Positions) -> Iterator[Problem]:
    taken: dict[tuple[str, str], str] = {}
    for name, app in manifest.apps.items():
        if app.target is None:
            continue
        first = taken.setdefault((_machine(name, app), posixpath.normpath(app.target)), name)
        if first != name:
            message = f"{shown(app.target)} is the target of {first} on this node already"
            yield _problem(
                positions, ("apps", name, "target"), message, "each application needs a folder of its own"
            )


def _same_file(manifest: Manifest, positions: Positions) -> Iterator[Problem]:
    taken: dict[tuple[str, str], KeyPath] = {}
    for name, app in manifest.apps.items():
        for number, entry in enumerate(app.websocket):
            here: KeyPath = ("apps", name, "websocket", number, "file")
            place = file_on_node(app, entry)
            first = taken.setdefault((_machine(name, app), place), here)
            if first != here:
                message = f"{shown(place)} is named twice: line {positions.line(first)} names it already"
                hint = "leave one of them out: a file has one address"
                yield _problem(positions, here, message, hint)
