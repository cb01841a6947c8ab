"""One NGINX configuration file as text: a lossless parse to byte spans.

Nothing is copied or changed: a document is the file's bytes plus, for every directive, where it starts and
ends. What lies between directives is white space and comments. Editing means cutting and inserting at these
offsets, so that foreign bytes can't change.
"""

from __future__ import annotations

import gc
import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass

from nginxws.config.lexing import (
    COMMENT,
    SPACE,
    STATEMENT,
    WORD,
    byte_order_mark,
    explain,
    lua_block_end,
    quote,
    skip,
    split_words,
    unquote,
)
from nginxws.errors import ParseError

__all__ = ["MAX_DEPTH", "Comment", "Directive", "Document", "Span", "parse", "quote", "unquote"]

MAX_DEPTH = 200
"""Blocks inside blocks beyond this are refused: no configuration is nested so, and nginx itself recurses."""

_OPEN, _SEMICOLON, _HASH = b"{;#"


@dataclass(frozen=True, slots=True)
class Span:
    """A range of byte offsets, end exclusive."""

    start: int
    end: int


class Directive:
    """A directive: its words, its byte span, and for a block what is inside.

    ``name`` is the first word without quotes. ``start`` is the name's first byte, ``end`` the offset just
    after the closing ``;`` or ``}``. ``children`` is empty for simple directives and for Lua blocks. Treat it
    as read-only: it is a view of the document's bytes.
    """

    __slots__ = ("_children", "_document", "_head_end", "_words", "end", "name", "parent", "start")

    def __init__(
        self,
        document: Document,
        name: bytes,
        start: int,
        head_end: int,
        parent: Directive | None,
        children: list[Directive] | None,
    ) -> None:
        self._document = document
        self._head_end = head_end
        self._words: tuple[bytes, ...] | None = None
        self.name = name
        self.start = start
        self.end = head_end + 1
        self.parent = parent
        self._children = children

    @property
    def children(self) -> list[Directive]:
        """The directives inside the block; empty when there is no block, and for Lua."""
        # None where there can't be any: a list each would triple the garbage collector's work in parse.
        return [] if self._children is None else self._children

    @property
    def words(self) -> tuple[bytes, ...]:
        """All words as written, quotes included, name first."""
        if self._words is None:
            self._words = split_words(self._document.data[self.start : self._head_end])
        return self._words

    @property
    def args(self) -> tuple[bytes, ...]:
        """The arguments' values: unquoted and unescaped, as nginx copies them."""
        return tuple(unquote(word) for word in self.words[1:])

    @property
    def head(self) -> Span:
        """From the name's first byte up to the ``;`` or ``{`` that ends the words (exclusive)."""
        return Span(self.start, self._head_end)

    @property
    def body(self) -> Span | None:
        """What lies between ``{`` and ``}`` (both exclusive); None for a simple directive."""
        if self._document.data[self._head_end] != _OPEN:
            return None
        return Span(self._head_end + 1, self.end - 1)

    @property
    def raw_body(self) -> bool:
        """Whether the body is Lua code, which holds no directives."""
        return self.name.endswith(b"_by_lua_block") and self.body is not None

    @property
    def line(self) -> int:
        """Line of ``start``, counting from 1."""
        return self._document.line_at(self.start)

    def __repr__(self) -> str:
        return f"<Directive {self.name!r} at {self._document.name}:{self.line}>"


class Comment:
    """A comment: from ``#`` up to the line feed or the end of the file (exclusive)."""

    __slots__ = ("_document", "end", "start")

    def __init__(self, document: Document, start: int, end: int) -> None:
        self._document = document
        self.start = start
        self.end = end

    @property
    def text(self) -> bytes:
        """The comment as written, ``#`` included (and a carriage return, where lines end in CRLF)."""
        return self._document.data[self.start : self.end]

    @property
    def line(self) -> int:
        """Line of ``start``, counting from 1."""
        return self._document.line_at(self.start)


class Document:
    """A parsed file: its bytes, its top-level directives, and all comments in the order of the file.

    ``name`` is what errors call the file.
    """

    __slots__ = ("_line_feeds", "comments", "data", "directives", "name")

    def __init__(self, name: str, data: bytes) -> None:
        self.name = name
        self.data = data
        self.directives: list[Directive] = []
        self.comments: list[Comment] = []
        self._line_feeds: list[int] | None = None

    def line_at(self, offset: int) -> int:
        """Line number of a byte offset, counting from 1."""
        if self._line_feeds is None:
            self._line_feeds = [match.start() for match in re.finditer(rb"\n", self.data)]
        return bisect_left(self._line_feeds, offset) + 1

    def walk(self) -> Iterator[Directive]:
        """Every directive, in the order of the file, a block before what is inside it."""
        pending = self.directives[::-1]
        while pending:
            directive = pending.pop()
            yield directive
            pending.extend(reversed(directive.children))


def parse(data: bytes, name: str) -> Document:
    """Parse a file's bytes in linear time; ``name`` is what errors call it.

    Whatever the bytes, the only exception is ParseError, with file and line: where nginx itself would find
    the text malformed, for a byte order mark (nginx takes it for part of the first name), and for blocks
    nested deeper than ``MAX_DEPTH``.
    """
    document = Document(name, data)
    parser = _Parser(document)
    if mark := byte_order_mark(data):
        raise parser.error(f"the file starts with a {mark}", 0, "save it as UTF-8 without a byte order mark")
    # All that is made here stays: a collection meanwhile would only walk it, again and again.
    collecting = gc.isenabled()
    gc.disable()
    try:
        parser.run()
    finally:
        if collecting:
            gc.enable()
    return document


class _Parser:
    """The loop over statements, and the blocks that are open where it stands."""

    __slots__ = ("blocks", "data", "document")

    def __init__(self, document: Document) -> None:
        self.document = document
        self.data = document.data
        self.blocks: list[Directive] = []

    def run(self) -> None:
        document, data, match = self.document, self.data, STATEMENT.match
        siblings, parent = document.directives, None
        position = 0
        while True:
            found = match(data, position)
            if found is None:
                statement = self.word_by_word(position)
                if statement is None:
                    break
                name, start, head_end = statement
            elif found.lastindex == 1:
                name, start, head_end = found[1], found.start(1), found.end() - 1
            else:
                position = found.end()
                if found.lastindex == 2:
                    siblings, parent = self.close_block(position)
                else:
                    document.comments.append(Comment(document, found.start(3), position))
                continue
            position = head_end + 1
            if data[head_end] == _SEMICOLON:
                siblings.append(Directive(document, name, start, head_end, parent, None))
            else:
                block = Directive(document, name, start, head_end, parent, [])
                siblings.append(block)
                position, siblings, parent = self.open_block(block, siblings)
        if parent is not None:
            raise self.error(
                'a "}" is missing: the file ends inside this block', parent.start, "close the block"
            )

    def open_block(
        self, block: Directive, siblings: list[Directive]
    ) -> tuple[int, list[Directive], Directive | None]:
        """Enter a block, or skip it when it is Lua: (next position, its siblings, its parent)."""
        position = block.end
        if block.raw_body:
            end = lua_block_end(self.data, position)
            if end is None:
                raise self.error(
                    "this Lua block has no end",
                    block.start,
                    'look for a missing "}", quote or long bracket in the Lua code',
                )
            block.end = end + 1
            return block.end, siblings, block.parent
        if len(self.blocks) == MAX_DEPTH:
            raise self.error(
                f"blocks are nested more than {MAX_DEPTH} deep",
                block.start,
                'look for blocks whose "}" is missing',
            )
        self.blocks.append(block)
        return position, block.children, block

    def close_block(self, end: int) -> tuple[list[Directive], Directive | None]:
        """Leave the innermost block at its ``}``: (siblings, parent) of what follows."""
        if not self.blocks:
            raise self.error(
                'unexpected "}": no block is open here', end - 1, 'take it out, or find the "{" it lost'
            )
        block = self.blocks.pop()
        block.end = end
        parent = block.parent
        return (self.document.directives if parent is None else parent.children), parent

    def word_by_word(self, position: int) -> tuple[bytes, int, int] | None:
        """Read a directive that isn't plain: (name, its start, offset of the terminator); None at the end."""
        data, size = self.data, len(self.data)
        first: re.Match[bytes] | None = None
        while True:
            position = skip(SPACE, data, position)
            if position == size:
                break
            byte = data[position]
            if first is not None and byte in (_SEMICOLON, _OPEN):
                return unquote(first[0]), first.start(), position
            if byte == _HASH:
                end = skip(COMMENT, data, position)
                self.document.comments.append(Comment(self.document, position, end))
                position = end
                continue
            word = WORD.match(data, position)
            if word is None:
                raise self.error(*explain(data, position))
            first = first or word
            position = word.end()
        if first is not None:
            raise self.error(
                'the file ends inside this directive, expecting ";" or "{"',
                first.start(),
                'add the missing ";"',
            )
        return None

    def error(self, message: str, offset: int, hint: str) -> ParseError:
        return ParseError(message, hint=hint, file=self.document.name, line=self.document.line_at(offset))
