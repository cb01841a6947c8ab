"""The WebSocket routes that a configuration has: managed ones with their drift, and hand-written ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from nginxws.config.document import Directive
from nginxws.config.matching import location_key
from nginxws.config.servers import ServerBlock, inherited
from nginxws.config.shared import BlockIndex, tree_blocks
from nginxws.config.tree import ConfigTree, Located

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
    """Every WebSocket location of every HTTP server, in NGINX's order.

    A location counts when it is managed, or when it passes the Upgrade header on by itself
    or by its server's headers; those inside other locations count as well. Raises
    ConfigError when our markers don't pair up.
    """
    index = BlockIndex(block for block in tree_blocks(tree) if block.id.kind == "route")
    upstreams = {
        _text(one.directive.args[0]): one for one in tree.http_level() if _is_upstream(one.directive)
    }
    return [listed for server in tree.http_servers() for listed in _in_server(server, index, upstreams)]


def _in_server(
    server: ServerBlock, index: BlockIndex, upstreams: dict[str, Located]
) -> Iterator[ListedRoute]:
    from_parents = _sends_upgrade(inherited(server, b"proxy_set_header"))
    for location, inside in _nested(server, server.locations):
        owner = index.owner(location)
        if owner is None and not _passes_upgrade(inside, from_parents):
            continue
        key = location_key(location.directive)
        yield ListedRoute(
            path=key.path,
            match=key.modifier,
            backends=tuple(_backends(inside, upstreams)),
            state="hand-written" if owner is None else "drifted" if owner.drifted else "managed",
            server=server.label,
            file=location.file.path,
            line=location.directive.line,
        )


def _nested(server: ServerBlock, locations: Iterable[Located]) -> Iterator[tuple[Located, list[Located]]]:
    """The locations and what each holds, those inside it next."""
    for location in locations:
        inside = server.inside(location)
        yield location, inside
        yield from _nested(server, (one for one in inside if one.directive.name == b"location"))


def _passes_upgrade(inside: list[Located], from_parents: bool) -> bool:
    if not any(one.directive.name == b"proxy_pass" for one in inside):
        return False
    own = [one for one in inside if one.directive.name == b"proxy_set_header"]
    return _sends_upgrade(own) if own else from_parents


def _sends_upgrade(headers: list[Located]) -> bool:
    words = (one.directive.args for one in headers)
    return any(len(args) == 2 and args[0].lower() == b"upgrade" and args[1] != b"" for args in words)


def _backends(inside: list[Located], upstreams: dict[str, Located]) -> Iterator[str]:
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
