"""Managed blocks as they stand in a file: our lines, between our two marker lines.

    # nginxws: begin route /ws/ 0123456789abcdef
    # nginxws: end route /ws/

Markers are real comments, alone on their lines, in one and the same block of the configuration. The begin
line ends in `` inline`` where the block was put into the middle of a line: then the newline before that line
is ours as well.
"""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import NoReturn

from nginxws.config.document import Comment, Directive, Document, Span
from nginxws.config.octets import shown, to_bytes, to_text
from nginxws.errors import ConfigError

INLINE = b" inline"

_LIKE_A_MARKER = re.compile(rb"#[ \t]*nginxws:[ \t]*(?:begin|end)\b")
_MARKER = re.compile(
    rb"# nginxws: (?:begin (?P<begun>[a-z][a-z-]* [^\s]+) (?P<digest>[0-9a-f]{16})(?P<inline> inline)?"
    rb"|end (?P<ended>[a-z][a-z-]* [^\s]+))"
)


@dataclass(frozen=True, slots=True, order=True)
class BlockId:
    """What a managed block is: ``kind`` (``route``, ``upstream``, ``map``) and a name without white space."""

    kind: str
    name: str

    @classmethod
    def from_marker(cls, text: bytes) -> BlockId:
        """From the two words of a marker."""
        kind, _, name = to_text(text).partition(" ")
        return cls(kind, name)

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True, eq=False)
class ManagedBlock:
    """A block found in a file.

    ``span`` is all that is ours: the marker lines with their newlines, and for ``inline`` blocks the newline
    before them. ``inner`` is what lies between the marker lines, ``digest`` what the begin line says of it.
    ``indent`` is the begin line's white space. ``parent`` is the directive the block stands in (None: top of
    the file), ``server`` the enclosing ``server``.
    """

    id: BlockId
    digest: str
    span: Span
    inner: Span
    document: Document = field(repr=False)
    indent: bytes
    inline: bool
    line: int
    parent: Directive | None = field(repr=False)

    @property
    def file(self) -> str:
        """The name of the file that the block is in."""
        return self.document.name

    @property
    def body(self) -> bytes:
        """The lines between the markers, as in the file."""
        return self.document.data[self.inner.start : self.inner.end]

    @property
    def drifted(self) -> bool:
        """Whether the body was edited since nginxws wrote it (indentation and line ends aside)."""
        return digest(self.body) != self.digest

    @property
    def server(self) -> Directive | None:
        """The enclosing ``server``, however deep the block stands in it; None outside any."""
        directive = self.parent
        while directive is not None and directive.name != b"server":
            directive = directive.parent
        return directive

    def holds(self, body: str) -> bool:
        """Whether writing this body here would change nothing: the same lines, and no drift."""
        wanted = digest(b"\n".join(body_lines(body)))
        return self.digest == wanted and digest(self.body) == wanted


def digest(body: bytes) -> str:
    """16 hex digits of SHA-256 over the lines without indentation and line ends.

    So neither re-indenting nor a change to CRLF is drift, and anything else is.
    """
    lines = body.split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    plain = b"".join(line.removesuffix(b"\r").lstrip(b" \t") + b"\n" for line in lines)
    return hashlib.sha256(plain).hexdigest()[:16]


def body_lines(body: str) -> list[bytes]:
    """The lines of a block's text as they get written: no blank ones (the platform's scripts drop those)."""
    return [line.rstrip(b"\r") for line in to_bytes(body).split(b"\n") if line.strip()]


def find_blocks(document: Document) -> list[ManagedBlock]:
    """All managed blocks of a file, in its order.

    Raises ConfigError, with file and line, when the markers don't pair up: then nobody can say which lines
    are ours.
    """
    return _Finder(document).run()


class _Finder:
    def __init__(self, document: Document) -> None:
        self.document = document
        self.blocks: list[ManagedBlock] = []
        self.opened: tuple[int, re.Match[bytes], Directive | None] | None = None
        self.starts: dict[int, list[int]] = {}
        self.known: dict[tuple[int, bytes], int] = {}

    def run(self) -> list[ManagedBlock]:
        data = self.document.data
        for index, comment in enumerate(self.document.comments):
            if _LIKE_A_MARKER.match(data, comment.start):
                self.take(index, comment)
        if self.opened is not None:
            self.fail(self.opened[0], "this managed block has no end", "its end line is missing")
        return self.blocks

    def take(self, index: int, comment: Comment) -> None:
        marker = _MARKER.fullmatch(comment.text.rstrip(b" \t\r"))
        line_start = self.line_start(comment.start)
        if marker is None or self.document.data[line_start : comment.start].strip(b" \t"):
            self.fail(index, "this looks like a marker of nginxws, and isn't one", "it was edited or moved")
        parent = self.enclosing(index, comment.start)
        if marker["begun"] is not None:
            if self.opened is not None:
                began = self.document.comments[self.opened[0]].line
                self.fail(
                    index, f"a managed block begins inside the one of line {began}", "an end line is missing"
                )
            self.opened = (index, marker, parent)
            return
        if self.opened is None:
            self.fail(index, "this managed block has no beginning", "its begin line is missing")
        began, begin, begin_parent = self.opened
        if begin["begun"] != marker["ended"]:
            name = shown(begin["begun"])
            line = self.document.comments[began].line
            self.fail(
                index, f"this ends another block than the one of line {line} ({name})", "a line is missing"
            )
        if begin_parent is not parent:
            self.fail(began, "this managed block ends inside another block", "a brace is missing or too many")
        self.opened = None
        self.close(began, begin, comment, line_start, parent)

    def close(
        self, began: int, begin: re.Match[bytes], end: Comment, end_line: int, parent: Directive | None
    ) -> None:
        document = self.document
        key = (id(parent), begin["begun"])
        comment = document.comments[began]
        if key in self.known:
            self.fail(
                began, f"the managed block of line {self.known[key]} is here a second time", "remove one"
            )
        self.known[key] = comment.line
        begin_line = self.line_start(comment.start)
        newline = self.own_newline(began, begin_line) if begin["inline"] else 0
        self.blocks.append(
            ManagedBlock(
                id=BlockId.from_marker(begin["begun"]),
                digest=to_text(begin["digest"]),
                span=Span(begin_line - newline, min(end.end + 1, len(document.data))),
                inner=Span(comment.end + 1, end_line),
                document=document,
                indent=document.data[begin_line : comment.start],
                inline=newline > 0,
                line=comment.line,
                parent=parent,
            )
        )

    def own_newline(self, began: int, begin_line: int) -> int:
        """Length of the newline before an inline begin line; 0 when it isn't ours, whatever the line says.

        It isn't where it ends another managed block's end line, nor where it ends a comment: without it the
        comment would swallow what follows.
        """
        document = self.document
        follows_comment = began > 0 and document.comments[began - 1].end == begin_line - 1
        if begin_line == 0 or follows_comment:
            return 0
        # The begin line's own end tells which newline was written before it.
        crlf = document.comments[began].text.endswith(b"\r")
        return 2 if crlf and document.data[begin_line - 2 : begin_line - 1] == b"\r" else 1

    def line_start(self, offset: int) -> int:
        return self.document.data.rfind(b"\n", 0, offset) + 1

    def enclosing(self, index: int, offset: int) -> Directive | None:
        """The innermost block around a comment, by bisection on each level."""
        parent: Directive | None = None
        children: Sequence[Directive] = self.document.directives
        while True:
            starts = self.starts.get(id(parent))
            if starts is None:
                starts = self.starts[id(parent)] = list(map(attrgetter("start"), children))
            position = bisect_right(starts, offset) - 1
            if position < 0 or children[position].end <= offset:
                return parent
            parent = children[position]
            body = parent.body
            if body is None or offset < body.start:
                self.fail(
                    index, "a marker of nginxws stands inside a directive", "the lines around it were edited"
                )
            children = parent.children

    def fail(self, index: int, message: str, hint: str) -> NoReturn:
        comment = self.document.comments[index]
        text = shown(comment.text).strip()
        raise ConfigError(
            f"{message}: {text}",
            hint=f"{hint}: restore the lines between begin and end as nginxws wrote them, or delete them all",
            file=self.document.name,
            line=comment.line,
        )
