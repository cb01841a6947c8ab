"""A parsed document as a stream of tokens in the order of the file, which must tile it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nginxws.config.document import Directive, Document

_SPACE = frozenset(b" \t\r\n")


class Broken(Exception):
    """A byte changed, or a span is wrong: a bug of ours."""


@dataclass(frozen=True, slots=True)
class Token:
    """``kind`` is word, comment, lua, or the structure byte itself; ``directive`` is None for comments."""

    kind: str
    start: int
    text: bytes
    directive: Directive | None = None


def tokens(document: Document) -> list[Token]:
    """All tokens, from the spans of directives and comments; raises Broken when these don't tile the file."""
    return list(_Stream(document).run())


def check_identical(document: Document) -> None:
    """Raises Broken unless the document, put together from its parts, is the input."""
    out, position = [], 0
    for token in _Stream(document).run():
        out += [document.data[position : token.start], token.text]
        position = token.start + len(token.text)
    if b"".join(out) + document.data[position:] != document.data:
        raise Broken("put together again, the file is another one")


class _Stream:
    def __init__(self, document: Document) -> None:
        self.document = document
        self.data = document.data
        self.position = 0
        self.next_comment = 0

    def run(self) -> Iterator[Token]:
        # (directives, block they are in): a stack instead of recursion, because files may be deep.
        stack: list[tuple[Iterator[Directive], Directive | None]] = [(iter(self.document.directives), None)]
        while stack:
            siblings, block = stack[-1]
            directive = next(siblings, None)
            if directive is not None:
                if directive.parent is not block:
                    raise Broken(f"line {directive.line}: wrong parent")
                yield from self.head(directive)
                if directive.body and not directive.raw_body:
                    stack.append((iter(directive.children), directive))
                continue
            stack.pop()
            if block is not None:
                yield from self.gap(block.end - 1)
                yield self.token("}", b"}", block)
        yield from self.gap(len(self.data))
        if self.next_comment != len(self.document.comments):
            raise Broken("a comment stands where none can be")

    def head(self, directive: Directive) -> Iterator[Token]:
        yield from self.gap(directive.start)
        for word in directive.words:
            yield from self.gap(directive.head.end, until_word=True)
            yield self.token("word", word, directive)
        yield from self.gap(directive.head.end)
        body = directive.body
        if body is None:
            yield self.token(";", b";", directive)
            return
        yield self.token("{", b"{", directive)
        if directive.raw_body:
            yield self.token("lua", self.data[body.start : body.end], directive)
            yield self.token("}", b"}", directive)

    def gap(self, end: int, *, until_word: bool = False) -> Iterator[Token]:
        """The comments up to ``end`` (or up to the next word); else there is only white space."""
        comments = self.document.comments
        while self.position < end:
            if self.next_comment < len(comments) and comments[self.next_comment].start == self.position:
                comment = comments[self.next_comment]
                self.next_comment += 1
                yield self.token("comment", comment.text)
            elif self.data[self.position] in _SPACE:
                self.position += 1
            elif until_word:
                return
            else:
                raise Broken(f"line {self.document.line_at(self.position)}: a byte that belongs to nothing")
        if self.position != end:
            raise Broken(f"line {self.document.line_at(end)}: spans overlap")

    def token(self, kind: str, text: bytes, directive: Directive | None = None) -> Token:
        start = self.position
        if not self.data.startswith(text, start):
            raise Broken(f"line {self.document.line_at(start)}: {kind} isn't what the file holds there")
        self.position += len(text)
        return Token(kind, start, text, directive)
