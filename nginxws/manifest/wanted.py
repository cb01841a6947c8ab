"""What a manifest wants of each of its nodes. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from nginxws import validate
from nginxws.errors import InvalidInput
from nginxws.manifest.environment import AppEntry
from nginxws.manifest.fields import APP_BACKEND
from nginxws.manifest.model import Manifest, NodeEntry, RouteEntry, RouteOptions
from nginxws.route import Route


@dataclass(frozen=True, slots=True)
class WantedRoute:
    """A route that a node is to have.

    ``options`` are the entry's with the defaults filled in (how it is proved is among them), ``number``
    is the entry's place among the routes, from 0.
    """

    route: Route
    server: str | None
    options: RouteOptions
    number: int


def merged(manifest: Manifest, entry: RouteEntry) -> RouteOptions:
    """The entry's options, each taken from the defaults where it is left out."""
    names = RouteOptions.model_fields
    own = {name: value for name in names if (value := getattr(entry, name)) is not None}
    return manifest.defaults.model_copy(update=own)


def make_route(manifest: Manifest, entry: RouteEntry) -> Route:
    """The route of an entry. Raises InvalidInput."""
    options = merged(manifest, entry)
    return Route.create(
        entry.path,
        [resolved(manifest, text) for text in entry.backends],
        match=options.match,
        slashless=options.slashless,
        balance=options.balance,
        read_timeout=options.read_timeout,
        send_timeout=options.send_timeout,
        connect_timeout=options.connect_timeout,
        headers=pairs(options.header or ()),
        host=options.host,
        tls_name=options.backend_tls_name,
        tls_ca=options.backend_tls_ca,
        preset=options.preset or "default",
    )


def resolved(manifest: Manifest, backend: str) -> str:
    """A backend with ``app:NAME`` replaced by the application's address. Raises InvalidInput."""
    found = APP_BACKEND.match(backend)
    if found is None:
        return backend
    app = manifest.apps.get(found[1])
    if app is None:
        raise no_app(manifest, found[1])
    return f"{address_of(found[1], app)}:{app.port}{backend[found.end() :]}"


def no_app(manifest: Manifest, name: str) -> InvalidInput:
    """The error for an application that the manifest doesn't have."""
    close = get_close_matches(name, list(manifest.apps), n=1)
    known = ", ".join(manifest.apps) or "none"
    return InvalidInput(
        f"no application of the manifest is called {name}",
        hint=f"did you mean {close[0]}?" if close else f"there are: {known}; add [apps.{name}]",
    )


def address_of(name: str, app: AppEntry) -> str:
    """Where balancers reach an application: its address, else the host of its SSH target.

    Raises InvalidInput when that isn't a host.
    """
    if app.address is not None:
        return app.address
    reach = target(name, app).removeprefix("ssh://").rpartition("@")[2]
    if reach == "local":
        return "127.0.0.1"
    has_port = re.fullmatch(r"(\[.*\]|[^:]*):[0-9]+", reach)
    return validate.host(has_port[1] if has_port else reach, f"the address of {name}")


def pairs(texts: Iterable[str]) -> list[tuple[str, str]]:
    """``NAME=VALUE`` texts as name and value."""
    return [(name, value) for name, _, value in (text.partition("=") for text in texts)]


def chosen_nodes(manifest: Manifest, names: Sequence[str] | None) -> list[str]:
    """The nodes that are named, by name or label, in the manifest's order; all of them for None.

    Raises InvalidInput for a name that is neither.
    """
    if names is None:
        return list(manifest.nodes)
    labels = {label for node in manifest.nodes.values() for label in node.labels}
    for name in names:
        if name not in manifest.nodes and name not in labels:
            known = [*manifest.nodes, *sorted(labels)]
            close = get_close_matches(name, known, n=1)
            raise InvalidInput(
                f"no node or label of the manifest is called {name}",
                hint=f"did you mean {close[0]}?" if close else f"there are: {', '.join(known) or 'none'}",
            )
    return [name for name in manifest.nodes if _is_named(manifest, name, names)]


def _is_named(manifest: Manifest, node: str, names: Sequence[str] | None) -> bool:
    """Whether a node is among those that are named, by its name or a label; None names all."""
    return names is None or node in names or any(label in names for label in manifest.nodes[node].labels)


def routes_for(manifest: Manifest, node: str) -> tuple[WantedRoute, ...]:
    """The routes that one node is to have, in the order of the manifest, which was read by ``reading.py``."""
    found = []
    for number, entry in enumerate(manifest.routes):
        if _is_named(manifest, node, entry.nodes):
            server = entry.server or manifest.nodes[node].server
            options = merged(manifest, entry)
            found.append(WantedRoute(make_route(manifest, entry), server, options, number))
    return tuple(found)


def target(name: str, node: NodeEntry | AppEntry) -> str:
    """What ``--node`` would say for a node of the manifest: ``ssh = "deploy@10.0.0.2:22"`` has a port."""
    text = node.ssh or name
    if "://" in text or text == "local":
        return text
    host = text.rpartition("@")[2]
    has_port = host.startswith("[") or host.count(":") == 1
    return f"ssh://{text}" if has_port else text
