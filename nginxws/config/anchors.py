"""Places in a file where a managed block can go, and how lines are written there.

Source of the rules: `map` and `upstream` stand in http only (their documentation), a `map` not before a
`map_hash_*` (ngx_http_map_block); regex locations are tried in their order, so a route goes before them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from nginxws.config.blocks import ManagedBlock, find_blocks
from nginxws.config.document import Directive, Document, Span
from nginxws.config.servers import ServerBlock
from nginxws.config.tree import Located

UNIT = b"    "
"""One level of indentation, as templates are written."""

# What may follow a directive on its line when something is to go on the next.
_REST_OF_LINE = re.compile(rb"[ \t\r]*+(?:#[^\n]*+)?\n")


@dataclass(frozen=True, slots=True)
class Anchor:
    """Where new blocks go in a document, and how they are written there.

    ``offset`` is a line's first byte, or in mid-line (``inline``) the byte that will stand after the block.
    ``indent`` is put before every line, ``unit`` stands for each four spaces inside, ``newline`` ends lines.
    """

    offset: int
    indent: bytes
    unit: bytes
    newline: bytes
    inline: bool


def insertion_point(server: ServerBlock, blocks: Sequence[ManagedBlock] | None = None) -> Anchor:
    """Just before the server's first hand-written location, or before its closing brace.

    A location that comes through an ``include`` counts where the include stands. Managed blocks are passed
    over, so that new ones go after earlier ones. ``blocks`` are those of the server's file, when known.
    """
    document, directive = server.file.document, server.directive
    blocks = find_blocks(document) if blocks is None else blocks
    depth = len(server.via)
    includes = {id(one.via[depth].directive) for one in server.locations if len(one.via) > depth}
    nearest = iter([*(block.span for block in blocks), Span(len(document.data), len(document.data))])
    span = next(nearest)
    for child in directive.children:
        while span.end <= child.start:
            span = next(nearest)
        if child.start < span.start and (child.name == b"location" or id(child) in includes):
            anchor = anchor_at(document, child.start, directive, child_indent(document, child))
            break
    else:
        anchor = _anchor_before_brace(document, directive)
    # After a block put into mid-line the rest of that line has lost its indentation: keep the block's.
    above = next((block for block in blocks if block.span.end == anchor.offset), None)
    return replace(anchor, indent=above.indent) if above is not None else anchor


def http_insertion_point(server: ServerBlock) -> Anchor:
    """Just before the ``server`` itself, where ``upstream`` and ``map`` may stand."""
    document, directive = server.file.document, server.directive
    return anchor_at(document, directive.start, directive.parent, child_indent(document, directive))


def late_map_hash(server: ServerBlock) -> Located | None:
    """The last ``map_hash_*`` directive of ``http`` that stands after this server, through includes.

    Any ``map`` sets what such a directive would set, so NGINX takes it for a duplicate when a map comes
    before it (ngx_http_map_block).
    """
    late: Located | None = None
    passed = False
    for one in server.tree.http_level():
        if one.directive is server.directive:
            passed = True
        elif passed and one.directive.name.startswith(b"map_hash_"):
            late = one
    return late


def insertion_after(document: Document, directive: Directive, blocks: Sequence[ManagedBlock]) -> Anchor:
    """The line after a directive, or right behind it where more follows on its line.

    ``blocks`` are the document's managed blocks: one that took the directive's newline is passed over.
    """
    parent = directive.parent
    anchor = anchor_at(document, directive.start, parent, child_indent(document, parent))
    rest = _REST_OF_LINE.match(document.data, directive.end)
    if rest is None:
        return replace(anchor, offset=directive.end, inline=True)
    above = next((block for block in blocks if directive.end <= block.span.start < rest.end()), None)
    if above is not None:
        return replace(anchor, offset=above.span.end, indent=above.indent, inline=False)
    return replace(anchor, offset=rest.end(), inline=False)


def anchor_at(document: Document, offset: int, parent: Directive | None, sample: bytes) -> Anchor:
    """The place before a directive; ``sample`` is deeper indentation, to tell tabs where it has none."""
    data = document.data
    start = data.rfind(b"\n", 0, offset) + 1
    before = data[start:offset]
    indent = before[: len(before) - len(before.lstrip(b" \t"))]
    unit = b"\t" if indent.endswith(b"\t") or (not indent and b"\t" in sample) else UNIT
    inline = indent != before
    if inline and parent is not None and parent.start >= start:
        indent += unit
    return Anchor(offset if inline else start, indent, unit, _newline(data, offset), inline)


def _anchor_before_brace(document: Document, block: Directive) -> Anchor:
    brace = block.end - 1
    sample = child_indent(document, block)
    anchor = anchor_at(document, brace, block, sample)
    if anchor.inline and anchor.indent:
        return anchor
    return replace(anchor, indent=sample or anchor.indent + anchor.unit)


def child_indent(document: Document, block: Directive | None) -> bytes:
    """Indentation of a block's (None: the file's) first directive that leads its line; empty if none does."""
    # A few will do: a look back from each of thousands on one line would take forever.
    for child in (document.directives if block is None else block.children)[:20]:
        start = document.data.rfind(b"\n", 0, child.start) + 1
        before = document.data[start : child.start]
        if not before.strip(b" \t"):
            return before
    return b""


def _newline(data: bytes, offset: int) -> bytes:
    """The line end in use around an offset."""
    feed = data.find(b"\n", offset)
    if feed < 0:
        feed = data.rfind(b"\n")
    return b"\r\n" if feed > 0 and data[feed - 1 : feed] == b"\r" else b"\n"
