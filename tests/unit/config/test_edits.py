"""What edits, bodies and results are refused, and what is said of them."""

from __future__ import annotations

import re
from itertools import permutations

import pytest
from support.splices import first_server, insert_block, route, verify_bytes

from nginxws.config.anchors import Anchor, insertion_point
from nginxws.config.document import parse
from nginxws.config.splice import Edit, Splicer, apply_edits
from nginxws.errors import ConfigError, RenderError, SpliceError


def test_edits_that_overlap_are_refused() -> None:
    with pytest.raises(SpliceError):
        apply_edits(b"abcdef", [Edit(0, 3, b""), Edit(2, 4, b"")])
    with pytest.raises(SpliceError):
        apply_edits(b"abc", [Edit(2, 4, b"")])


def test_edits_may_come_in_any_order() -> None:
    edits = [Edit(4, 5, b"x"), Edit(1, 3, b"y"), Edit(1, 1, b"z")]
    for order in permutations(edits):
        assert apply_edits(b"abcdef", order) == b"azydxf"


def test_edits_that_overlap_are_told() -> None:
    with pytest.raises(SpliceError) as caught:
        apply_edits(b"abcdef", [Edit(0, 3, b""), Edit(2, 4, b"")])
    assert str(caught.value) == "two changes want the bytes 2 to 4"
    assert caught.value.hint == "please report this as a bug"


def test_inserts_at_one_offset_keep_their_order() -> None:
    assert apply_edits(b"ab", [Edit(1, 1, b"1"), Edit(1, 1, b"2"), Edit(0, 1, b"x")]) == b"x12b"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"a;\n", b"b;\n"),
        (b"a;\n", b"a;"),
        (b"a;\n", b"a;\n\n"),
        (b"a;\n", b"a;\n}"),
        (b"server {\n}\n", b"server {\n# nginxws: begin route /a/ 0123456789abcdef\n}\n"),
        (b"a b;\n", b"a\n# nginxws: begin route /a/ 0123456789abcdef\n# nginxws: end route /a/\nb;\n"),
    ],
)
def test_verify_refuses(before: bytes, after: bytes) -> None:
    with pytest.raises(SpliceError) as caught:
        verify_bytes(before, after, "site.conf")
    assert caught.value.hint


def test_where_a_foreign_byte_differs_is_shown() -> None:
    with pytest.raises(SpliceError, match=re.escape("near b'a;b;X;'")):
        verify_bytes(b"a;b;X;", b"a;b;Y;", "site.conf")
    before = b"a;" * 20 + b"X" + b"b;" * 20
    with pytest.raises(SpliceError) as caught:
        verify_bytes(before, before.replace(b"X", b"Y"), "site.conf")
    near = before[10:70]
    assert str(caught.value) == f"site.conf: the change would alter bytes that aren't ours, near {near!r}"
    assert caught.value.hint == "nothing was changed; please report this as a bug, with the file if you can"


@pytest.mark.parametrize("body", ["}\nserver {", "x", "x {", "# nginxws: end route /ws/", "set $a '"])
def test_verify_refuses_a_body_that_breaks_out(body: str) -> None:
    before = b"server {\n    location / {\n    }\n}\n"
    server = first_server(before)

    def attempt() -> None:
        edit = insert_block(server.file.document, insertion_point(server), route("/ws/"), body)
        verify_bytes(before, apply_edits(before, [edit]), "site.conf")

    with pytest.raises((SpliceError, ConfigError)):
        attempt()


def test_a_quoted_value_over_several_lines_is_refused() -> None:
    server = first_server(b"server { }")
    with pytest.raises(RenderError, match="several lines"):
        insert_block(server.file.document, insertion_point(server), route("/ws/"), 'return 200 "a\n    b";')
    insert_block(server.file.document, insertion_point(server), route("/ws/"), "return 200 it's;")


def test_what_is_said_of_a_text_that_cant_be_written() -> None:
    splicer = Splicer(parse(b"server { }", "x"))
    anchor = Anchor(0, b"", b"    ", b"\n", False)
    with pytest.raises(RenderError) as several:
        splicer.insert(anchor, route("/ws/"), 'return 200 "\na\nb";')
    assert str(several.value) == "the text for route /ws/ has a quoted value over several lines"
    hint = "write it on one line in the template: indenting the block would change the value"
    assert several.value.hint == hint
    with pytest.raises(SpliceError) as named:
        splicer.insert(anchor, route("a b"), "x;")
    assert str(named.value) == "BlockId(kind='route', name='a b') can't name a managed block"
    assert named.value.hint == "please report this as a bug"


@pytest.mark.parametrize(
    "body", ['a "b;\nc";', "a 'b;\nc';", 'a "b\nc" "d";', "a 'b\n' 'c\n';", 'a { b "c\nd"; }']
)
def test_any_quoted_line_end_is_refused(body: str) -> None:
    with pytest.raises(RenderError):
        Splicer(parse(b"", "x")).insert(Anchor(0, b"", b"", b"\n", False), route("/ws/"), body)


@pytest.mark.parametrize("body", ["# it's\na;", 'a "it\'s";', "a it's;\nb;", "a \"b\" 'c';\nd;"])
def test_quotes_within_a_line_are_fine(body: str) -> None:
    splicer = Splicer(parse(b"", "x"))
    splicer.insert(Anchor(0, b"", b"    ", b"\n", False), route("/ws/"), body)
    assert body.encode() in splicer.apply()


def test_four_spaces_are_a_level_and_anything_else_stays() -> None:
    splicer = Splicer(parse(b"", "x"))
    splicer.insert(
        Anchor(0, b"  ", b"\t", b"\n", False), route("/ws/"), "a {\n     b;\n        c;\n\td;\n \te;\nX;\n}"
    )
    inside = [line.removeprefix(b"  ") for line in splicer.apply().splitlines()[1:-1]]
    assert inside == [b"a {", b"\t b;", b"\t\tc;", b"\td;", b" \te;", b"X;", b"}"]


def test_names_with_white_space_are_refused() -> None:
    server = first_server(b"server { }")
    for name in ("a b", "", "a\nb"):
        with pytest.raises(SpliceError):
            insert_block(server.file.document, insertion_point(server), route(name), "x;")
