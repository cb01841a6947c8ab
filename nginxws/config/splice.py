"""Managed blocks in and out of a file, with not one foreign byte changed.

A ``Splicer`` takes all changes of one file and turns them into edits: byte ranges and what goes there.
Everything outside the edits is copied, never rebuilt; ``proof.verify`` shows it on the result.

Blocks that touch each other form a *run*. Where a run was put into the middle of a line, the newline before
it is ours; its first block says so (``inline``) and takes the newline along when the last one goes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter

from nginxws.config.anchors import UNIT, Anchor, anchor_at, child_indent
from nginxws.config.blocks import INLINE, BlockId, ManagedBlock, body_lines, digest, find_blocks
from nginxws.config.document import Directive, Document, Span, parse
from nginxws.config.octets import to_bytes
from nginxws.errors import RenderError, SpliceError

_BLANK_REST = re.compile(rb"[ \t\r]*+(?:\n|\Z)")


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace the bytes from ``start`` up to ``end`` (exclusive) by ``text``."""

    start: int
    end: int
    text: bytes


@dataclass(frozen=True, slots=True)
class _Text:
    """A block to be written."""

    id: BlockId
    lines: list[bytes]
    indent: bytes
    unit: bytes
    newline: bytes

    def render(self, inline: bool, final_newline: bool) -> bytes:
        name = to_bytes(str(self.id))
        stamp = to_bytes(digest(b"\n".join(self.lines)))
        begin = b"# nginxws: begin " + name + b" " + stamp + (INLINE if inline else b"")
        lines = [begin, *map(self.reindent, self.lines), b"# nginxws: end " + name]
        text = self.newline.join(self.indent + line for line in lines)
        return (self.newline if inline else b"") + text + (self.newline if final_newline else b"")

    def reindent(self, line: bytes) -> bytes:
        bare = line.lstrip(b" ")
        levels, rest = divmod(len(line) - len(bare), len(UNIT))
        return self.unit * levels + b" " * rest + bare


@dataclass(slots=True)
class _Item:
    """A stretch of the file that is, was or will be a managed block."""

    start: int
    end: int
    inline: bool
    block: ManagedBlock | None = None
    text: _Text | None = None
    removed: bool = False
    tail: bytes = b""

    def edit(self, owed: bool, data: bytes) -> Edit | None:
        """How the stretch changes when its block is (``owed``) or isn't the one with the run's newline."""
        if self.removed:
            return Edit(self.start, self.end, b"")
        if self.text is not None:
            final = not (self.start < self.end == len(data) and not data.endswith(b"\n"))
            return Edit(self.start, self.end, self.text.render(owed, final) + self.tail)
        block = self.block
        if block is None or block.inline == owed:
            return None
        begin = data[block.span.start : block.inner.start].lstrip(b"\r\n")
        line = begin.rstrip(b" \t\r\n").removesuffix(INLINE)
        newline = b"\r\n" if begin.endswith(b"\r\n") else b"\n"
        text = newline + line + INLINE + newline if owed else line + newline
        return Edit(block.span.start, block.inner.start, text)


class Splicer:
    """All changes of one document.

    ``blocks`` are its managed blocks (found here unless the caller knows them); ``taken`` are the foreign
    bytes that ``adopt`` takes out. Raises ConfigError when the document's markers don't pair up.
    """

    def __init__(self, document: Document, blocks: Sequence[ManagedBlock] | None = None) -> None:
        self.document = document
        self.blocks = find_blocks(document) if blocks is None else blocks
        self.taken: list[Span] = []
        self._items = {
            block.span.start: _Item(block.span.start, block.span.end, block.inline, block)
            for block in self.blocks
        }
        self._new: list[_Item] = []

    def insert(self, anchor: Anchor, block_id: BlockId, body: str) -> None:
        """Put in a new block; blocks at one anchor stand in the order of the calls."""
        text = _text(block_id, body, anchor.indent, anchor.unit, anchor.newline)
        self._new.append(_Item(anchor.offset, anchor.offset, anchor.inline, text=text))

    def replace(self, block: ManagedBlock, body: str) -> bool:
        """Write another body into a block; False, and nothing to do, when it holds this one already."""
        if block.holds(body):
            return False
        before = self.document.data[block.inner.start - 2 : block.inner.start]
        tabs = block.indent.endswith(b"\t") or (not block.indent and b"\n\t" in block.body)
        newline = b"\r\n" if before == b"\r\n" else b"\n"
        unit = b"\t" if tabs else UNIT
        self._items[block.span.start].text = _text(block.id, body, block.indent, unit, newline)
        return True

    def remove(self, block: ManagedBlock) -> None:
        """Take a block out."""
        self._items[block.span.start].removed = True

    def adopt(self, directive: Directive, block_id: BlockId, body: str) -> None:
        """Put a block in the place of a hand-written directive; what goes is noted in ``taken``."""
        sample = child_indent(self.document, directive)
        anchor = anchor_at(self.document, directive.start, directive.parent, sample)
        end, whole_line = self._end_of_line(directive.end)
        tail = b"" if anchor.inline or whole_line else anchor.indent
        text = _text(block_id, body, anchor.indent, anchor.unit, anchor.newline)
        self._new.append(_Item(anchor.offset, end, anchor.inline, text=text, tail=tail))
        self.taken.append(Span(anchor.offset + len(tail), end))

    def _end_of_line(self, offset: int) -> tuple[int, bool]:
        """The line's end, newline included, when nothing else follows; else the offset itself.

        A newline that belongs to an inline block after it stays with that block.
        """
        blank = _BLANK_REST.match(self.document.data, offset)
        if blank is None:
            return offset, False
        later = (block.span.start for block in self.blocks if block.span.start >= offset)
        return min([blank.end(), *later]), True

    def edits(self) -> list[Edit]:
        """The changes as edits, in the order of the file, none touching another."""
        items = sorted([*self._items.values(), *self._new], key=attrgetter("start", "end"))
        edits: list[Edit] = []
        position, owed = -1, False
        for item in items:
            if item.start != position:
                owed = item.inline
            edit = item.edit(owed, self.document.data)
            if edit is not None:
                edits.append(edit)
            owed = owed and item.removed
            position = -1 if item.tail else item.end
        return _joined(edits)

    def apply(self) -> bytes:
        """The document's bytes with all changes made."""
        return apply_edits(self.document.data, self.edits())


def _text(block_id: BlockId, body: str, indent: bytes, unit: bytes, newline: bytes) -> _Text:
    """Check what is to be written. Raises RenderError for a text that can't be indented, or isn't closed."""
    lines = body_lines(body)
    if len(str(block_id).split()) != 2:
        raise SpliceError(f"{block_id!r} can't name a managed block", hint="please report this as a bug")
    if any(line.count(quote) % 2 for line in lines for quote in (b'"', b"'")):
        document = parse(b"\n".join(lines), f"the text for {block_id}")
        if any(b"\n" in word for directive in document.walk() for word in directive.words):
            raise RenderError(
                f"the text for {block_id} has a quoted value over several lines",
                hint="write it on one line in the template: indenting the block would change the value",
            )
    return _Text(block_id, lines, indent, unit, newline)


def _joined(edits: Sequence[Edit]) -> list[Edit]:
    """Edits that touch each other made into one."""
    groups: list[list[Edit]] = []
    for edit in edits:
        if groups and groups[-1][-1].end == edit.start:
            groups[-1].append(edit)
        else:
            groups.append([edit])
    return [Edit(group[0].start, group[-1].end, b"".join(edit.text for edit in group)) for group in groups]


def apply_edits(data: bytes, edits: Iterable[Edit]) -> bytes:
    """The bytes with all edits made; inserts at one offset keep their order.

    Raises SpliceError when edits overlap or lie outside the data.
    """
    parts: list[bytes] = []
    position = 0
    for edit in sorted(edits, key=attrgetter("start", "end")):
        if not position <= edit.start <= edit.end <= len(data):
            raise SpliceError(
                f"two changes want the bytes {edit.start} to {edit.end}", hint="please report this as a bug"
            )
        parts += (data[position : edit.start], edit.text)
        position = edit.end
    parts.append(data[position:])
    return b"".join(parts)
