"""The WebSocket routes that a configuration has: managed ones with their drift, and hand-written ones."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from nginxws.config.blocks import ManagedBlock
from nginxws.config.document import Directive
from nginxws.config.matching import location_key
from nginxws.config.servers import ServerBlock, inherited
from nginxws.config.shared import tree_blocks
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

    A location counts when it is managed, or when it passes the Upgrade header on
    by itself or by its parents. Raises ConfigError when our markers don't pair up.
    """
    blocks = [block for block in tree_blocks(tree) if block.id.kind == "route"]
    upstreams = {
        _text(one.directive.args[0]): one for one in tree.http_level() if _is_upstream(one.directive)
    }
    owners = _Owners(blocks)
    return [
        listed
        for server in tree.http_servers()
        for location in server.locations
        if (listed := _listed(server, location, owners.of(location), upstreams)) is not None
    ]


class _Owners:
    """Which managed block a location stands in."""

    def __init__(self, blocks: list[ManagedBlock]) -> None:
        self._of: dict[int, list[ManagedBlock]] = {}
        for block in blocks:
            self._of.setdefault(id(block.document), []).append(block)

    def of(self, location: Located) -> ManagedBlock | None:
        blocks = self._of.get(id(location.file.document), [])
        index = bisect_right(blocks, location.directive.start, key=lambda block: block.span.start) - 1
        inside = index >= 0 and location.directive.start < blocks[index].span.end
        return blocks[index] if inside else None


def _listed(
    server: ServerBlock, location: Located, owner: ManagedBlock | None, upstreams: dict[str, Located]
) -> ListedRoute | None:
    inside = server.inside(location)
    if owner is None and not _passes_upgrade(server, inside):
        return None
    key = location_key(location.directive)
    state: State = "hand-written" if owner is None else "drifted" if owner.drifted else "managed"
    return ListedRoute(
        path=key.path,
        match=key.modifier,
        backends=tuple(_backends(inside, upstreams)),
        state=state,
        server=server.label,
        file=location.file.path,
        line=location.directive.line,
    )


def _passes_upgrade(server: ServerBlock, inside: list[Located]) -> bool:
    if not any(one.directive.name == b"proxy_pass" for one in inside):
        return False
    own = [one.directive for one in inside if one.directive.name == b"proxy_set_header"]
    if not own:
        own = [one.directive for one in inherited(server, b"proxy_set_header")]
    return any(len(d.args) == 2 and d.args[0].lower() == b"upgrade" and d.args[1] for d in own)


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
