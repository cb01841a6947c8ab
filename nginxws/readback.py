"""Routes read back from a node's configuration, as entries of a manifest. Pure.

What a block's directives say is made a route again, and planned: where that changes nothing, the entry is
exact. Options that a block doesn't show (how a route is proved, templates) can't be read back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from nginxws.config.blocks import ManagedBlock
from nginxws.config.document import Directive
from nginxws.config.matching import location_key
from nginxws.config.octets import to_text
from nginxws.config.servers import ServerBlock, choose_server, inherited, spelling
from nginxws.config.shared import BlockIndex, tree_blocks
from nginxws.config.tree import ConfigTree, Located
from nginxws.errors import ConfigError, InvalidInput, RenderError
from nginxws.inventory import routes
from nginxws.manifest.model import Manifest, RouteEntry
from nginxws.manifest.wanted import make_route
from nginxws.plan import Put
from nginxws.planner import already_there, load_tree
from nginxws.render import OUR_HEADERS
from nginxws.snapshot import Snapshot

_MATCHES = {"^~": "priority", "": "prefix", "=": "exact", "~": "regex"}
_BALANCE = {"least_conn": "least-conn", "ip_hash": "ip-hash", "random": "random"}
_TIMES = ("read_timeout", "send_timeout", "connect_timeout")
_HOUR = "1h"


@dataclass(frozen=True, slots=True)
class FoundRoute:
    """A route of a node, with the keys of an entry that would be it.

    ``exact``: planned, it changes nothing. ``usable``: it can stand in a manifest at all. ``where`` is
    ``file:line``; ``managed`` says that it carries our marker, ``drifted`` that it was edited by hand.
    """

    values: Mapping[str, Any]
    where: str
    managed: bool = True
    drifted: bool = False
    exact: bool = False
    usable: bool = True


def read_back(now: Snapshot) -> list[FoundRoute]:
    """Every WebSocket route of a node, managed ones first. ConfigError for files that can't be read."""
    tree = load_tree(now)
    return [*_managed(now, tree), *_hand_written(tree)]


def _managed(now: Snapshot, tree: ConfigTree) -> Iterator[FoundRoute]:
    index = BlockIndex(block for block in tree_blocks(tree) if block.id.kind == "route")
    there, upstreams = already_there(now, tree), _upstreams(tree)
    for server in {id(one.directive): one for one in tree.http_servers()}.values():
        owned: dict[ManagedBlock, list[Located]] = {}
        for location in server.locations:
            if (owner := index.owner(location)) is not None:
                owned.setdefault(owner, []).append(location)
        place = _server_key(tree, server) if owned else {}
        for block, locations in owned.items():
            found = _candidates(upstreams, server, block, locations)
            yield _read([values | place for values in found], block, there)


def _read(
    candidates: Sequence[dict[str, Any]], block: ManagedBlock, there: Callable[[Put], bool]
) -> FoundRoute:
    usable = [(values, put) for values in candidates if (put := _put(values)) is not None]
    exact = next((values for values, put in usable if _changes_nothing(put, there)), None)
    return FoundRoute(
        exact or (usable[0][0] if usable else candidates[0]),
        f"{block.file}:{block.line}",
        drifted=block.drifted,
        exact=exact is not None,
        usable=bool(usable),
    )


def _server_key(tree: ConfigTree, server: ServerBlock) -> dict[str, str]:
    """What has to be said of the server: nothing where it is the only one that could be meant."""
    try:
        only = choose_server(tree, None).directive is server.directive
    except ConfigError:
        only = False
    return {} if only else {"server": spelling(tree.http_servers(), server)}


def _put(values: Mapping[str, Any]) -> Put | None:
    """The route of an entry, None when there can't be one."""
    try:
        entry = RouteEntry.model_validate(dict(values))
        return Put(make_route(Manifest(format=1), entry), server=entry.server)
    except (ValidationError, InvalidInput):
        return None


def _changes_nothing(put: Put, there: Callable[[Put], bool]) -> bool:
    try:
        return there(put)
    except (ConfigError, InvalidInput, RenderError):
        return False


# --- directives to options -----------------------------------------------------------------------


def _upstreams(tree: ConfigTree) -> dict[str, Directive]:
    """The upstream blocks by their name."""
    found: dict[str, Directive] = {}
    for one in tree.http_level():
        if one.directive.name == b"upstream" and len(one.directive.args) == 1:
            found.setdefault(to_text(one.directive.args[0]), one.directive)
    return found


def _candidates(
    upstreams: Mapping[str, Directive],
    server: ServerBlock,
    block: ManagedBlock,
    locations: Sequence[Located],
) -> Iterator[dict[str, Any]]:
    """What the entry may be, the likeliest first."""
    said = _Said(locations[0].directive)
    key = location_key(locations[0].directive)
    upstream, backends = _backends(upstreams, said)
    match = _MATCHES.get(key.modifier, "prefix")
    route = {"path": block.id.name, "backends": backends}
    usual = {**route, **({"match": match} if match != "priority" else {})}
    whole = {**usual, **_slashless(locations), **_balance(upstream), **_times(said), **_tls(said)}
    yield {**whole, **_headers(server, said)}
    yield whole
    yield {**route, **({"match": match} if match != "prefix" else {}), "preset": "plain"}


class _Said:
    """A block's directives by name."""

    def __init__(self, block: Directive) -> None:
        self.all: dict[str, list[list[str]]] = {}
        for one in block.children:
            self.all.setdefault(to_text(one.name), []).append([to_text(word) for word in one.args])

    def __getitem__(self, name: str) -> str | None:
        """The first argument of a directive."""
        found = self.all.get(name, [[]])[0]
        return found[0] if found else None


def _backends(upstreams: Mapping[str, Directive], said: _Said) -> tuple[Directive | None, list[str]]:
    """The upstream block, and the backends as on the command line."""
    scheme, _, place = (said["proxy_pass"] or "").partition("://")
    prefix = "https://" if scheme == "https" else ""
    upstream = upstreams.get(place)
    if upstream is None:
        return None, [prefix + place] if place else []
    servers = (child for child in upstream.children if child.name == b"server")
    return upstream, [prefix + " ".join(to_text(word) for word in child.args) for child in servers]


def _slashless(locations: Sequence[Located]) -> dict[str, str]:
    if len(locations) < 2:
        return {}
    redirected = any(child.name == b"return" for child in locations[1].directive.children)
    return {"slashless": "redirect" if redirected else "alias"}


def _balance(upstream: Directive | None) -> dict[str, str]:
    names = [] if upstream is None else [to_text(child.name) for child in upstream.children]
    found = [_BALANCE[name] for name in names if name in _BALANCE]
    return {"balance": found[0]} if found else {}


def _times(said: _Said) -> dict[str, str]:
    found = {key: value for key in _TIMES if (value := said[f"proxy_{key}"]) is not None}
    return {key: value for key, value in found.items() if key == "connect_timeout" or value != _HOUR}


def _tls(said: _Said) -> dict[str, str]:
    keys = {"backend_tls_name": "proxy_ssl_name", "backend_tls_ca": "proxy_ssl_trusted_certificate"}
    found = {key: value for key, name in keys.items() if (value := said[name]) is not None}
    host = (said["proxy_pass"] or "").partition("://")[2].rpartition(":")[0]
    if found.get("backend_tls_name") == host:  # what would be taken from the backend anyway
        del found["backend_tls_name"]
    return found


def _headers(server: ServerBlock, said: _Said) -> dict[str, Any]:
    """The headers that are neither ours nor the parents'."""
    known = {(name.lower(), value) for name, value in OUR_HEADERS}
    for one in inherited(server, b"proxy_set_header"):
        known.add((to_text(one.directive.args[0]).lower(), to_text(one.directive.args[-1])))
    pairs = [(words[0], words[1]) for words in said.all.get("proxy_set_header", []) if len(words) == 2]
    own = [(name, value) for name, value in pairs if (name.lower(), value) not in known]
    host = [value for name, value in own if name.lower() == "host"]
    rest = [f"{name}={value}" for name, value in own if name.lower() != "host"]
    return {**({"host": host[0]} if host else {}), **({"header": rest} if rest else {})}


def _hand_written(tree: ConfigTree) -> Iterator[FoundRoute]:
    """Locations of people, as entries that adopt them could look."""
    for one in routes(tree):
        if one.state == "hand-written":
            backends = [backend.removeprefix("http://").partition("/")[0] for backend in one.backends]
            values: dict[str, Any] = {"path": one.path, "backends": backends}
            if (match := _MATCHES.get(one.match, "regex")) != "priority":
                values["match"] = match
            yield FoundRoute(values, f"{one.file}:{one.line}", managed=False, usable=False)
