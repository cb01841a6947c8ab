"""Markers, and what lies between them."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nginxws.config.blocks import BlockId, ManagedBlock, body_lines, digest, find_blocks
from nginxws.config.document import Span, parse
from nginxws.config.proof import cut
from nginxws.errors import ConfigError

BEGIN = "# nginxws: begin route /a/ 0123456789abcdef"
END = "# nginxws: end route /a/"


def blocks_of(text: str) -> list[ManagedBlock]:
    return find_blocks(parse(text.encode(), "site.conf"))


def test_a_block() -> None:
    text = f"http {{\n  server {{\n    if ($x) {{\n    {BEGIN}\n    x;\n    {END}\n    }}\n  }}\n}}\n"
    (block,) = blocks_of(text)
    assert block.id == BlockId("route", "/a/")
    assert str(block.id) == "route /a/"
    assert (block.digest, block.drifted) == ("0123456789abcdef", True)
    assert block.body == b"    x;\n"
    assert (block.file, block.line, block.indent, block.inline) == ("site.conf", 4, b"    ", False)
    assert text.encode()[block.span.start : block.span.end] == f"    {BEGIN}\n    x;\n    {END}\n".encode()
    assert block.parent is not None
    assert block.parent.name == b"if"
    assert block.server is not None
    assert block.server.name == b"server"


def test_a_block_outside_any_server() -> None:
    (block,) = blocks_of(f"{BEGIN}\n{END}")
    assert (block.parent, block.server, block.body) == (None, None, b"")
    assert block.span == Span(0, len(BEGIN) + len(END) + 1)


def test_an_empty_body_is_written_between_the_markers() -> None:
    (block,) = blocks_of(f"{BEGIN}\r\n{END}\r\n")
    assert block.body == b""


def test_names_may_be_any_bytes_but_white_space() -> None:
    text = BEGIN.replace("/a/", "~^/\xe9(a|b)$") + "\n" + END.replace("/a/", "~^/\xe9(a|b)$")
    (block,) = find_blocks(parse(text.encode("latin-1"), "x"))
    assert block.id.name == "~^/\udce9(a|b)$"


def test_the_same_block_in_two_servers() -> None:
    server = f"server {{\n{BEGIN}\n{END}\n}}\n"
    first, second = blocks_of(server * 2)
    assert first.id == second.id
    assert first.server is not second.server


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        (f"server {{\n{BEGIN}\n}}\n", 2, "no end"),
        (f"server {{\n{END}\n}}\n", 2, "no beginning"),
        (f"server {{\n{BEGIN}\n{BEGIN}\n{END}\n{END}\n}}\n", 3, "begins inside the one of line 2"),
        (f"server {{\n{BEGIN}\n{END.replace('/a/', '/b/')}\n}}\n", 3, "another block than the one of line 2"),
        (f"server {{\n{BEGIN}\n{END.replace('route', 'map')}\n}}\n", 3, "another block"),
        (f"server {{\n{BEGIN}\n}}\nserver {{\n{END}\n}}\n", 2, "ends inside another block"),
        (f"{BEGIN}\nserver {{\n{END}\n}}\n", 1, "ends inside another block"),
        (f"server {{\n{BEGIN}\n{END}\n{BEGIN}\n{END}\n}}\n", 4, "second time"),
        (f"a\n{BEGIN}\nb;\n{END}\n", 2, "inside a directive"),
        (f"server\n{BEGIN}\n{{\n{END}\n}}\n", 2, "inside a directive"),
        (f"a; {BEGIN}\n{END}\n", 1, "isn't one"),
        (f"X {BEGIN}\n;\n", 1, "isn't one"),
        ("# nginxws: begin route /a/\n", 1, "isn't one"),
        ("# nginxws: begin route /a/ 0123\n", 1, "isn't one"),
        ("# nginxws: begin route 0123456789abcdef\n", 1, "isn't one"),
        ("# nginxws: begin ROUTE /a/ 0123456789abcdef\n", 1, "isn't one"),
        (f"{BEGIN} inlined\n", 1, "isn't one"),
        ("# nginxws: end route /a/ 0123456789abcdef\n", 1, "isn't one"),
        ("# nginxws: end\n", 1, "isn't one"),
        ("#nginxws: begin route /a/ 0123456789abcdef\n", 1, "isn't one"),
        ("#  nginxws:  end route /a/\n", 1, "isn't one"),
    ],
)
def test_markers_that_do_not_pair_up(text: str, line: int, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        blocks_of(text)
    assert (caught.value.file, caught.value.line) == ("site.conf", line)
    assert caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        f"## {BEGIN}\n",
        f"#{BEGIN}\n",
        "# nginxws: what begins here, ends there\n",
        "# nginxws: beginning of the end\n",
        f"# we took out: {BEGIN}\n",
        f'a "\n{BEGIN}\n";\n',
        f"content_by_lua_block {{\n{BEGIN}\n}}\n",
    ],
)
def test_what_is_no_marker(text: str) -> None:
    assert blocks_of(text) == []


@pytest.mark.parametrize("end", ["", " ", "\t", "\r", " \t\r"])
def test_white_space_after_a_marker_is_forgiven(end: str) -> None:
    (block,) = blocks_of(f"{BEGIN}{end}\n{END}{end}\n")
    assert block.id.name == "/a/"


@pytest.mark.parametrize(
    ("text", "inline", "start"),
    [
        (f"a;\n{BEGIN} inline\n{END}\n", True, 2),
        (f"a;\r\n{BEGIN} inline\r\n{END}\r\n", True, 2),
        (f"a;\r\n{BEGIN} inline\n{END}\n", True, 3),
        (f"a;\n{BEGIN} inline\r\n{END}\r\n", True, 2),
        (f"{BEGIN} inline\n{END}\n", False, 0),
        (f"a; #\n{BEGIN} inline\n{END}\n", False, 5),
        (f"\n{BEGIN} inline\n{END}\n", True, 0),
    ],
)
def test_the_newline_before_an_inline_block(text: str, inline: bool, start: int) -> None:
    (block,) = blocks_of(text)
    assert (block.inline, block.span.start) == (inline, start)


def test_an_inline_block_after_another_block_takes_nothing_of_it() -> None:
    other = f"{BEGIN} inline\n{END}\n".replace("/a/", "/b/")
    first, second = blocks_of(f"a;\n{BEGIN} inline\n{END}\n{other}")
    assert (first.inline, second.inline) == (True, False)
    assert first.span.end == second.span.start


def test_holds() -> None:
    text = "location /a/ {\n    x;\n}"
    stamp = digest(text.encode())
    begin = BEGIN.replace("0123456789abcdef", stamp)
    inside = "\tlocation /a/ {\r\n\t\tx;\r\n\t}\r\n"
    file = f"server {{\n\t{begin}\r\n{inside}\t{END}\r\n}}\n"
    (block,) = blocks_of(file)
    assert not block.drifted
    assert block.holds(text)
    assert block.holds(text + "\n\n")
    assert not block.holds(text.replace("x", "y"))
    (edited,) = blocks_of(file.replace("x;", "y;"))
    assert edited.drifted
    assert not edited.holds(text)
    assert not edited.holds(text.replace("x", "y"))


def test_body_lines_have_no_blank_ones() -> None:
    assert body_lines("a\n\n  b\r\n \t\nc") == [b"a", b"  b", b"c"]
    assert body_lines("a \r\nb\t\n\udce9") == [b"a ", b"b\t", b"\xe9"]


def test_letters_are_no_white_space() -> None:
    assert digest(b"X;\n") != digest(b";\n")
    (block,) = blocks_of(f"{BEGIN}\n{END}\n".replace("/a/", "/X"))
    assert block.id.name == "/X"


BODIES = st.lists(st.text(alphabet="ab {};#\"'\\\t$", max_size=8), min_size=1, max_size=6)


@given(BODIES, st.text(alphabet=" \t", max_size=6), st.sampled_from(["\n", "\r\n"]))
def test_digest_is_blind_to_indentation_and_line_ends(lines: list[str], indent: str, newline: str) -> None:
    plain = "\n".join(lines).encode()
    other = "".join(f"{indent}{line}{newline}" for line in lines).encode()
    assert digest(other) == digest(plain + b"\n")


@given(BODIES, st.data())
def test_digest_sees_anything_else(lines: list[str], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(lines) - 1))
    new = data.draw(st.text(alphabet="ab {};#\"'\\\t$", max_size=8))
    other = [*lines[:at], new, *lines[at + 1 :]]
    same = [line.lstrip(" \t") for line in lines] == [line.lstrip(" \t") for line in other]
    assert (digest("\n".join(lines).encode() + b"\n") == digest("\n".join(other).encode() + b"\n")) is same


def test_digest_sees_white_space_inside_and_after_a_line() -> None:
    assert (
        len({digest(body) for body in (b"a b;\n", b"a  b;\n", b"a b; \n", b"a b;\t\n", b"a b;\r\r\n")}) == 5
    )


@given(BODIES, st.data())
def test_digest_sees_lines_that_come_and_go(lines: list[str], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(lines)))
    more = [*lines[:at], "", *lines[at:]]
    before, after = ("".join(line + "\n" for line in one).encode() for one in (lines, more))
    assert digest(before) != digest(after)


@example(b"abcdef", [(0, 5), (1, 2)])
@given(st.binary(max_size=30), st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=4))
def test_cut_leaves_what_no_span_covers(data: bytes, pairs: list[tuple[int, int]]) -> None:
    spans = [Span(min(pair), max(pair)) for pair in pairs if max(pair) <= len(data)]
    kept = bytes(byte for at, byte in enumerate(data) if not any(one.start <= at < one.end for one in spans))
    assert cut(data, spans) == kept


@given(
    st.lists(
        st.sampled_from([BEGIN, END, BEGIN + " inline", "a;", "s {", "}", "# x", "a", ";", " "]), max_size=12
    )
)
def test_whatever_the_markers_only_config_errors(pieces: list[str]) -> None:
    try:
        blocks = blocks_of("\n".join(pieces))
    except ConfigError:
        return
    spans = [block.span for block in blocks]
    assert all(one.end <= other.start for one, other in pairwise(spans))
