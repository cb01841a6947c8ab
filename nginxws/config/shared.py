"""Managed blocks of a whole tree, and the shared ones (maps, upstreams) that several routes lean on."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator

from nginxws.config.blocks import BlockId, ManagedBlock, find_blocks
from nginxws.config.document import Document, Span
from nginxws.config.octets import to_text
from nginxws.config.tree import ConfigTree, Located

PREFIX = b"nginxws_"
"""Every variable and upstream of ours starts so."""

MAPS = BlockId("map", "websocket")
"""The block of the maps, once per configuration."""

MAP_NAMES = frozenset({b"nginxws_upgrade", b"nginxws_connection"})
"""The variables that the maps block defines."""

_NAME = re.compile(rb"(?<![A-Za-z0-9_])nginxws_[A-Za-z0-9_.-]*")
_VARIABLE = re.compile(rb"nginxws_[A-Za-z0-9_]*")


def tree_blocks(tree: ConfigTree) -> list[ManagedBlock]:
    """All managed blocks of all files, in the order of the files.

    Raises ConfigError when the markers of a file don't pair up.
    """
    return [block for file in tree.files.values() for block in find_blocks(file.document)]


def references(tree: ConfigTree, without: Iterable[ManagedBlock] = ()) -> set[bytes]:
    """The names ``nginxws_…`` used anywhere outside some blocks: upstreams, and variables without ``$``.

    Give the blocks that are about to go, and the shared blocks whose need is in question. Comments don't
    count; a mention in Lua code does. A name may come with what follows it (``nginxws_a.b`` gives both
    ``nginxws_a.b`` and ``nginxws_a``): rather one too many than a block removed that is needed.
    """
    spans: defaultdict[int, list[Span]] = defaultdict(list)
    for block in without:
        spans[id(block.document)].append(block.span)
    found: set[bytes] = set()
    for file in tree.files.values():
        found |= _names(file.document, spans[id(file.document)])
    return found | {variable[0] for name in found if (variable := _VARIABLE.match(name))}


def _names(document: Document, hidden: list[Span]) -> set[bytes]:
    """Names outside the hidden spans and comments: one walk over both, in step."""
    comments = [(comment.start, comment.end) for comment in document.comments]
    skipped = sorted([*((span.start, span.end) for span in hidden), *comments])
    found: set[bytes] = set()
    index = 0
    for match in _NAME.finditer(document.data):
        start = match.start()
        while index < len(skipped) and skipped[index][1] <= start:
            index += 1
        if index == len(skipped) or start < skipped[index][0]:
            found.add(match[0])
    return found


class BlockIndex:
    """Which managed block a directive of the tree stands in, if any."""

    def __init__(self, blocks: Iterable[ManagedBlock]) -> None:
        self._blocks: defaultdict[int, list[ManagedBlock]] = defaultdict(list)
        for block in blocks:
            self._blocks[id(block.document)].append(block)
        for found in self._blocks.values():
            found.sort(key=_start)

    def owner(self, located: Located) -> ManagedBlock | None:
        """The block, or None for a hand-written directive."""
        blocks = self._blocks.get(id(located.file.document), [])
        offset = located.directive.start
        position = bisect_right(blocks, offset, key=_start) - 1
        return blocks[position] if position >= 0 and offset < blocks[position].span.end else None


def _start(block: ManagedBlock) -> int:
    return block.span.start


def foreign_definitions(tree: ConfigTree, blocks: Iterable[ManagedBlock]) -> list[Located]:
    """Hand-written directives of ``http`` that define a name of ours, such as a ``map`` for
    ``$nginxws_upgrade``: of two such maps the last silently wins, a second upstream NGINX refuses.

    ``blocks`` are the tree's managed blocks.
    """
    index = BlockIndex(blocks)
    return [one for one in tree.http_level() if _defines_ours(one) and index.owner(one) is None]


def needs(inside: Iterable[Located]) -> Iterator[BlockId]:
    """The shared blocks that a location leans on, by what it holds."""
    for one in inside:
        directive = one.directive
        if directive.name == b"proxy_pass" and directive.args:
            target = _NAME.match(directive.args[0].partition(b"://")[2])
            if target is not None:
                yield BlockId("upstream", to_text(target[0]))
        elif any(b"$" + name in word for word in directive.words for name in MAP_NAMES):
            yield MAPS


def unmet(
    tree: ConfigTree, index: BlockIndex, known: Container[BlockId]
) -> list[tuple[ManagedBlock, BlockId]]:
    """Managed routes that lean on a shared block which isn't among the ``known`` ones, and that block."""
    found: dict[tuple[ManagedBlock, BlockId], None] = {}
    for server in tree.http_servers():
        for location in server.locations:
            owner = index.owner(location)
            if owner is not None and owner.id.kind == "route":
                missing = (need for need in needs(server.inside(location)) if need not in known)
                found.update(dict.fromkeys((owner, need) for need in missing))
    return list(found)


def _defines_ours(located: Located) -> bool:
    directive = located.directive
    if directive.name == b"upstream":
        return any(word.startswith(PREFIX) for word in directive.args[:1])
    defines = directive.name in (b"map", b"geo", b"split_clients")
    return defines and any(word.startswith(b"$" + PREFIX) for word in directive.args[-1:])
