"""The WebSocket routes that a configuration has: managed ones with their drift, and hand-written ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from nginxws.config.blocks import BlockId, ManagedBlock
from nginxws.config.document import Directive
from nginxws.config.matching import location_key
from nginxws.config.servers import ServerBlock
from nginxws.config.shared import BlockIndex, needs, tree_blocks
from nginxws.config.tree import ConfigTree, Located
from nginxws.config.upgrade import passes_upgrade

State = Literal["managed", "drifted", "hand-written"]


@dataclass(frozen=True, slots=True)
class ListedRoute:
    """One WebSocket location. ``backends`` are as ``proxy_pass`` or its upstream names them."""

    path: str
    match: str
    backends: tuple[str, ...]
    state: State
    server: str
    file: str
    line: int


def routes(tree: ConfigTree) -> list[ListedRoute]:
    """Every WebSocket location of every HTTP server, in NGINX's order; a server included twice counts once.

    A location counts when it is managed, or when it passes the Upgrade header on by itself or by its
    parents' headers; those inside other locations count as well. A managed one has drifted when its block,
    or a shared block it leans on, was edited by hand or is missing. Raises ConfigError when our markers
    don't pair up.
    """
    blocks = tree_blocks(tree)
    index = BlockIndex(block for block in blocks if block.id.kind == "route")
    shared = {block.id: block for block in blocks if block.id.kind != "route"}
    upstreams = {
        _text(one.directive.args[0]): one for one in tree.http_level() if _is_upstream(one.directive)
    }
    servers = {id(server.directive): server for server in tree.http_servers()}
    return [listed for server in servers.values() for listed in _in_server(server, index, shared, upstreams)]


def _in_server(
    server: ServerBlock,
    index: BlockIndex,
    shared: Mapping[BlockId, ManagedBlock],
    upstreams: Mapping[str, Located],
) -> Iterator[ListedRoute]:
    for location, inside in _nested(server, server.locations):
        owner = index.owner(location)
        if owner is None and not passes_upgrade(server, location, inside):
            continue
        key = location_key(location.directive)
        yield ListedRoute(
            path=key.path,
            match=key.modifier,
            backends=tuple(_backends(inside, upstreams)),
            state="hand-written" if owner is None else _state(owner, inside, shared),
            server=server.label,
            file=location.file.path,
            line=location.directive.line,
        )


def _state(owner: ManagedBlock, inside: list[Located], shared: Mapping[BlockId, ManagedBlock]) -> State:
    leaned_on = [shared.get(need) for need in needs(inside)]
    if owner.drifted or any(block is None or block.drifted for block in leaned_on):
        return "drifted"
    return "managed"


def _nested(server: ServerBlock, locations: Iterable[Located]) -> Iterator[tuple[Located, list[Located]]]:
    """The locations and what each holds, those inside it next."""
    for location in locations:
        inside = server.inside(location)
        yield location, inside
        yield from _nested(server, (one for one in inside if one.directive.name == b"location"))


def _backends(inside: list[Located], upstreams: Mapping[str, Located]) -> Iterator[str]:
    for one in inside:
        if one.directive.name != b"proxy_pass" or not one.directive.args:
            continue
        target = _text(one.directive.args[0])
        name = target.partition("://")[2].partition("/")[0]
        if name not in upstreams:
            yield target
            continue
        for server in upstreams[name].directive.children:
            if server.name == b"server" and server.args:
                yield " ".join(_text(word) for word in server.args)


def _is_upstream(directive: Directive) -> bool:
    return directive.name == b"upstream" and bool(directive.args)


def _text(word: bytes) -> str:
    return word.decode("utf-8", "surrogateescape")
