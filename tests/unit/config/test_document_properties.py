"""The parser against a byte-by-byte reference of nginx's rules, on random text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nginxws.config.document import MAX_DEPTH, Document, parse
from nginxws.errors import ParseError


class Rejected(Exception):
    """The reference says that nginx would refuse this."""


def read_bare(data: bytes, start: int) -> int:
    """End of a word that doesn't start with a quote."""
    i, variable = start, False
    while i < len(data):
        byte = data[i : i + 1]
        if byte == b"{" and variable:
            i += 1
            continue
        variable = byte == b"$"
        if byte == b"\\":
            i += 1
            if i == len(data):
                raise Rejected
        elif byte in (b" ", b"\t", b"\r", b"\n", b";", b"{"):
            return i
        i += 1
    return i


def read_quoted(data: bytes, start: int) -> int:
    """Offset just after the closing quote."""
    i = start + 1
    while i < len(data):
        byte = data[i : i + 1]
        if byte == b"\\":
            i += 1
        elif byte == data[start : start + 1]:
            after = data[i + 1 : i + 2]
            if after and after not in b" \t\r\n;{)":
                raise Rejected
            return i + 1
        i += 1
    raise Rejected


def reference(data: bytes) -> list[tuple[str, int, int]]:
    """What nginx's rules make of the bytes: (kind, start, end) of words, comments and ``;{}``."""
    tokens: list[tuple[str, int, int]] = []
    i = words = depth = 0
    while i < len(data):
        byte, start = data[i : i + 1], i
        if byte in (b" ", b"\t", b"\r", b"\n"):
            i += 1
            continue
        if byte == b"#":
            end = data.find(b"\n", i)
            i = len(data) if end < 0 else end
            kind = "#"
        elif byte in (b";", b"{", b"}"):
            depth += {b";": 0, b"{": 1, b"}": -1}[byte]
            if (words == 0) != (byte == b"}") or not 0 <= depth <= MAX_DEPTH:
                raise Rejected
            words, kind, i = 0, byte.decode(), i + 1
        else:
            i = read_quoted(data, i) if byte in (b'"', b"'") else read_bare(data, i)
            words, kind = words + 1, "word"
        tokens.append((kind, start, i))
    if words or depth:
        raise Rejected
    return tokens


def tokens_of(document: Document) -> list[tuple[str, int, int]]:
    """The same of a parsed document, from its spans."""
    data = document.data
    tokens = [("#", c.start, c.end) for c in document.comments]
    for directive in document.walk():
        position = directive.start
        for word in directive.words:
            while not data.startswith(word, position) or any(
                c.start <= position < c.end for c in document.comments
            ):
                position += 1
            tokens.append(("word", position, position + len(word)))
            position += len(word)
        end = directive.head.end
        tokens.append((data[end : end + 1].decode(), end, end + 1))
        if directive.body:
            tokens.append(
                (data[directive.end - 1 : directive.end].decode(), directive.end - 1, directive.end)
            )
    return sorted(tokens, key=lambda token: token[1:])


def agrees_with_reference(data: bytes) -> None:
    try:
        expected = reference(data)
    except Rejected:
        with pytest.raises(ParseError) as caught:
            parse(data, "f")
        assert caught.value.file == "f"
        assert 1 <= (caught.value.line or 0) <= data.count(b"\n") + 1
        assert caught.value.hint
        return
    document = parse(data, "f")
    assert tokens_of(document) == expected
    check_families(document)


def check_families(document: Document) -> None:
    """Children lie inside their parent's body, in order, and know their parent."""
    walked = list(document.walk())
    assert [d.start for d in walked] == sorted(d.start for d in walked)
    for directive in walked:
        family = directive.parent.children if directive.parent else document.directives
        assert directive in family
        if directive.parent:
            body = directive.parent.body
            assert body is not None
            assert body.start <= directive.start < directive.end <= body.end


@given(
    st.binary(max_size=60).filter(
        lambda data: not data.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"))
    )
)
@settings(max_examples=300, deadline=None)
def test_random_bytes(data: bytes) -> None:
    agrees_with_reference(data)


PIECES = [
    b"a",
    b"b c",
    b'"',
    b"'",
    b'"x y"',
    b"\\",
    b"$",
    b"${",
    b"{",
    b"}",
    b"{}",
    b";",
    b"a;",
    b"#",
    b" # c\n",
]
PIECES += [b" ", b"\n", b"\r", b"\t", b"\x0c", b")", b"(", b"\xff", b"\xc2\xa0", b"\x00"]


@pytest.mark.no_cover
@given(st.lists(st.sampled_from(PIECES), max_size=24).map(b"".join))
@settings(max_examples=500, deadline=None)
def test_nearly_configuration(data: bytes) -> None:
    agrees_with_reference(data)


WORD = st.sampled_from(
    [b"a", b"listen", b"~x#}'", b"${v}w", b"\\;\\ \\{", b"caf\xe9", b"a\x0cb", b"$"]
) | st.sampled_from([b'"x y"', b"'{;}'", b'"\\""', b"''", b'"#"', b'"a\nb"', b"'\r\n'"])
GAP = st.sampled_from([b" ", b"\t", b"\n", b"\r\n", b"  \n\t", b" # c\n", b"\n#{\r\n", b" #'\n"])
OPTIONAL_GAP = st.just(b"") | GAP


@st.composite
def directives(draw: st.DrawFn, inside: st.SearchStrategy[bytes]) -> bytes:
    words = draw(st.lists(WORD, min_size=1, max_size=4))
    head = b"".join(draw(GAP) + word for word in words)
    tail = b" " if words[-1].endswith(b"$") else b""
    tail += draw(st.sampled_from([b"", b" ", b"\r\n", b" # t;\n"]))
    return (
        head + tail + draw(st.just(b";") | inside.map(lambda body: b"{" + body + b"}")) + draw(OPTIONAL_GAP)
    )


CONFIGURATION = st.recursive(
    st.lists(directives(st.nothing()), max_size=4).map(b"".join),
    lambda inside: st.lists(directives(inside), max_size=4).map(b"".join),
    max_leaves=8,
)


@pytest.mark.no_cover
@given(CONFIGURATION, st.sampled_from([b"", b"# end", b"\n", b"\r\n# x\r\n", b" "]))
@settings(max_examples=300, deadline=None)
def test_structured_configuration(data: bytes, tail: bytes) -> None:
    parse(data + tail, "f")
    agrees_with_reference(data + tail)


LUA_PIECES = [
    b"{",
    b"}",
    b"'",
    b'"',
    b"\\",
    b"[[",
    b"]]",
    b"[=[",
    b"]=]",
    b"--",
    b"--[[",
    b"\n",
    b"x",
    b" ",
    b"-",
    b"[",
]


@given(st.lists(st.sampled_from(LUA_PIECES), max_size=20).map(b"".join))
@settings(max_examples=300, deadline=None)
def test_any_lua_is_a_block_or_an_error(code: bytes) -> None:
    data = b"init_by_lua_block {" + code + b"}"
    try:
        document = parse(data, "f")
    except ParseError:
        return
    block = document.directives[0]
    assert block.raw_body
    assert block.body is not None
    assert data[block.end - 1 : block.end] == b"}"
