"""Compare what the parser sees with what crossplane's lexer sees: the same words, comments, structure, lines.

crossplane 0.5.8 departs from nginx's own lexing in a few known ways (``_neutral_word``, ``_neutral_comment``
and ``_neutral`` list them all). Where the two streams differ, they are compared once more on a copy of the
file in which exactly these constructs, and nothing else, are replaced by harmless ones. Only if that agrees,
the file counts as agreeing, and the report names the construct.
"""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import crossplane
from crossplane.lexer import EXTERNAL_LEXERS

from corpus.tokens import Token, tokens
from nginxws.config.document import Document, parse

# What str.isspace() takes for white space and nginx doesn't, in UTF-8.
_FOREIGN_SPACE = (
    rb"[\x0b\x0c\x1c-\x1f]|\xc2[\x85\xa0]|\xe1\x9a\x80|\xe2\x80[\x80-\x8a\xa8\xa9\xaf]"
    rb"|\xe2\x81\x9f|\xe3\x80\x80"
)
_IN_WORD = re.compile(rb"\\\$\Z|\\[\s\S]|(\$\{+)|(\})|(" + _FOREIGN_SPACE + rb")")
_PAIR = re.compile(r"\\(.)", re.DOTALL)

Seen = tuple[str, bool, int | None]
"""As crossplane yields it: text, whether it was quoted, and the line of a directive's name."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """``difference`` is empty when both see the same; ``excuses`` are the constructs taken out for that."""

    difference: str = ""
    excuses: tuple[str, ...] = ()


def compare(path: Path, document: Document) -> Agreement:
    """Compare a parsed file with crossplane's view of it."""
    difference = _difference(path, document)
    if not difference:
        return Agreement()
    data, excuses = _neutral(document)
    if excuses:
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder, "neutral.conf")
            copy.write_bytes(data)
            if not _difference(copy, parse(data, document.name)):
                return Agreement(excuses=tuple(sorted(excuses)))
    return Agreement(difference)


def _difference(path: Path, document: Document) -> str:
    """Where the two first differ; empty when they don't."""
    ours = expected(document)
    # Universal newlines count a lone CR as a line; nginx counts line feeds.
    lines = not re.search(rb"\r(?!\n)", document.data)
    theirs: list[tuple[str, int, bool]] = []
    failure = ""
    try:
        for seen in crossplane.lex(str(path)):
            theirs.append(seen)
    except Exception as error:  # whatever it stumbles over is a difference
        failure = f"crossplane: {type(error).__name__}: {error}"
    for one, other in zip_longest(ours, theirs):
        if one is None or other is None:
            break
        text, quoted, line = one
        if (text, quoted) != (other[0], other[2]) or (lines and line is not None and line != other[1]):
            return f"we see {text[:60]!r} (line {line}), crossplane {other[0][:60]!r} (line {other[1]})"
    if len(ours) != len(theirs):
        return failure or f"we see {len(ours)} tokens, crossplane {len(theirs)}"
    return failure


def expected(document: Document) -> list[Seen]:
    """The stream that crossplane should yield for a document, in its own terms."""
    seen: list[Seen] = []
    for token in tokens(document):
        directive = token.directive
        if (
            directive is not None
            and directive.raw_body
            and directive.name.decode("latin-1") in EXTERNAL_LEXERS
        ):
            # Its Lua extension yields the code as one quoted word, then ";".
            if token.kind == "{":
                continue
            if token.kind in ("lua", "}"):
                seen.append((_text(token.text) if token.kind == "lua" else ";", token.kind == "lua", None))
                continue
        elif token.kind == "lua":
            if token.text.strip():
                seen.append((f"<Lua code crossplane has no lexer for: {token.text!r}>", False, None))
            continue
        seen.append(_seen(token))
    return seen


def _seen(token: Token) -> Seen:
    if token.kind != "word":
        return _text(token.text.removesuffix(b"\r")), False, None
    line = None
    if token.directive is not None and token.start == token.directive.start:
        line = token.directive.line
    mark = token.text[:1].decode("latin-1")
    if mark not in ("'", '"'):
        return _text(token.text), False, line
    inner = _text(token.text[1:-1])
    return _PAIR.sub(lambda pair: mark if pair[1] == mark else pair[0], inner), True, line


def _text(raw: bytes) -> str:
    """As a text file opened with universal newlines and errors="replace" gives it."""
    return raw.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")


def _neutral(document: Document) -> tuple[bytes, set[str]]:
    """The file without the constructs that crossplane is known to read differently, and which these were."""
    excuses: set[str] = set()
    out, position, data = [], 0, document.data
    for token in tokens(document):
        out.append(data[position : token.start])
        position = token.start + len(token.text)
        text = token.text
        if token.kind == "word" and text[:1] not in (b"'", b'"'):
            text = _neutral_word(text, excuses)
        elif token.kind == "comment":
            text = _neutral_comment(text, excuses)
            if position == len(data):
                excuses.add("it forgets a comment that ends the file without a line feed")
                text += b"\n"
        elif token.kind == "lua" and text:
            excuses.add("its Lua lexing knows no long brackets, and not every *_by_lua_block")
            text = b"\n" * text.count(b"\n")
        out.append(text)
    out.append(data[position:])
    return b"".join(out), excuses


def _neutral_word(text: bytes, excuses: set[str]) -> bytes:
    def replace(match: re.Match[bytes]) -> bytes:
        if match[1]:
            excuses.add("it reads on after ${name}, white space included")
        elif match[2]:
            excuses.add("it ends a word at }")
        elif match[3]:
            excuses.add("it takes form feeds, no-break spaces and the like for white space")
        elif match[0] == b"\\$" and match.end() == len(text):
            excuses.add("it takes \\${ for a variable")
        else:
            return match[0]
        return b"_" * len(match[0])

    return _IN_WORD.sub(replace, text)


def _neutral_comment(text: bytes, excuses: set[str]) -> bytes:
    plain = re.sub(rb"\r(?!\Z)", b"_", text)
    if plain != text:
        excuses.add("it ends a comment at a lone carriage return")
    trailing = re.sub(rb"\\(\r?)\Z", rb"_\1", plain)
    if trailing != plain:
        excuses.add("it drops a backslash that ends a comment")
    return trailing
