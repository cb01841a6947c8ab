"""Managed blocks in and out: every byte outside them stays."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import pairwise, permutations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nginxws.config.document import Document, Span, parse
from nginxws.config.servers import ServerBlock
from nginxws.config.splice import (
    BlockId,
    Edit,
    Splicer,
    apply_edits,
    find_blocks,
    http_insertion_point,
    insert_block,
    insertion_point,
    remove_block,
    replace_block,
    replace_directive,
    strip,
    verify,
    verify_bytes,
)
from nginxws.config.tree import MappingReader, load
from nginxws.errors import ConfigError, RenderError, SpliceError

CASES = Path(__file__).parents[2] / "cases" / "splice"
FILES = sorted(CASES.glob("*.conf"))
MAPS = "map $http_upgrade $nginxws_upgrade {\n    default '';\n}"
INCLUDED = {"sites.inc": b"location /a { }", "ssl.inc": b"ssl_protocols TLSv1.3;"}


def location(path: str, note: str = "1.1") -> str:
    return f"location ^~ {path} {{\n    proxy_pass http://10.0.0.5:8080;\n    proxy_http_version {note};\n}}"


def route(path: str) -> BlockId:
    return BlockId("route", path)


def first_server(data: bytes) -> ServerBlock:
    return load("site.conf", MappingReader({**INCLUDED, "site.conf": data})).http_servers()[0]


def put(data: bytes, *paths: str, maps: bool = False) -> bytes:
    """Blocks at the server's insertion point, all in one go."""
    server = first_server(data)
    splicer = Splicer(server.file.document)
    anchor = insertion_point(server, splicer.blocks)
    for path in paths:
        splicer.insert(anchor, route(path), location(path))
    if maps:
        splicer.insert(http_insertion_point(server), BlockId("map", "websocket"), MAPS)
    return splicer.apply()


def take(data: bytes, *ids: BlockId) -> bytes:
    """Blocks taken out, all in one go."""
    splicer = Splicer(parse(data, "site.conf"))
    for block in splicer.blocks:
        if block.id in ids:
            splicer.remove(block)
    return splicer.apply()


def written(data: bytes) -> list[str]:
    return [str(block.id) for block in find_blocks(parse(data, "site.conf"))]


def check(before: bytes, after: bytes, taken: Sequence[Span] = ()) -> None:
    """What must hold for every result."""
    verify_bytes(before, after, "site.conf", taken=taken)
    document = parse(after, "site.conf")
    assert not any(block.drifted for block in find_blocks(document))
    for block in find_blocks(document):
        lines = after[block.span.start : block.span.end].strip().split(b"\n")
        assert all(line.strip() for line in lines)
        assert all(one != other for one, other in pairwise(lines))


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize(
    "case", [path for path in FILES if b"\n" in path.read_bytes()], ids=lambda path: path.stem
)
def test_splice_as_written_in_the_case(case: Path, newline: bytes) -> None:
    before = case.read_bytes().replace(b"\n", newline)
    expected = case.with_suffix(".expected").read_bytes().replace(b"\n", newline)
    after = put(before, "/ws/", "/live/", maps=True)
    assert after.decode() == expected.decode()
    check(before, after)
    ids = [block.id for block in find_blocks(parse(after, "site.conf"))]
    assert len(ids) == 3
    assert take(after, *ids) == before
    for order in permutations(ids):
        data = after
        for one in order:
            smaller = take(data, one)
            check(data, smaller)
            assert smaller.count(b"\n") == smaller.count(newline)
            data = smaller
        assert data == before


def test_a_file_without_any_line_end_gets_line_feeds() -> None:
    before = (CASES / "one_line_without_newline.conf").read_bytes()
    after = put(before, "/ws/", "/live/", maps=True)
    assert after == (CASES / "one_line_without_newline.expected").read_bytes()
    assert take(after, *(block.id for block in find_blocks(parse(after, "x")))) == before


@pytest.mark.parametrize("case", FILES, ids=lambda path: path.stem)
def test_one_after_the_other_is_all_at_once(case: Path) -> None:
    data = case.read_bytes()
    together = put(data, "/a/", "/b/", "/c/")
    for path in ("/a/", "/b/", "/c/"):
        data = put(data, path)
    assert data == together


def test_new_blocks_go_after_earlier_ones_and_before_hand_written_locations() -> None:
    data = put(b"server {\n    location / {\n    }\n}\n", "/a/")
    assert written(put(data, "/b/")) == ["route /a/", "route /b/"]


def test_a_location_of_another_block_does_not_count() -> None:
    data = b"server {\n    location / {\n    }\n}\nserver {\n    listen 81;\n    location /b {\n    }\n}\n"
    after = put(data, "/ws/")
    assert after.index(b"begin route") < after.index(b"listen 81")


def test_wrappers_for_one_change() -> None:
    before = b"server {\n    location / { }\n}\n"
    server = first_server(before)
    edit = insert_block(server.file.document, insertion_point(server), route("/ws/"), location("/ws/"))
    after = apply_edits(before, [edit])
    document = parse(after, "site.conf")
    (block,) = find_blocks(document)
    assert block.file == "site.conf"
    assert block.server is document.directives[0]
    assert replace_block(document, block, location("/ws/")) is None
    replaced = replace_block(document, block, location("/ws/", "1.0"))
    assert replaced is not None
    check(after, apply_edits(after, [replaced]))
    assert apply_edits(after, [remove_block(document, block)]) == before


def test_replacing_a_drifted_block_writes_it_anew() -> None:
    good = put(b"server {\n    location / { }\n}\n", "/ws/")
    edited = good.replace(b"version 1.1", b"version 1.0")
    document = parse(edited, "site.conf")
    (block,) = find_blocks(document)
    assert block.drifted
    edit = replace_block(document, block, location("/ws/"))
    assert edit is not None
    assert apply_edits(edited, [edit]) == good


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize("case", ["plain", "tabs", "tabs_without_indent", "one_line", "empty_server"])
def test_replacing_is_removing_and_putting_in(case: str, newline: bytes) -> None:
    before = (CASES / f"{case}.conf").read_bytes().replace(b"\n", newline)
    after = put(before, "/a/", "/b/")
    splicer = Splicer(parse(after, "site.conf"))
    for block in splicer.blocks:
        assert splicer.replace(block, location(block.id.name, "1.0"))
    changed = splicer.apply()
    check(before, changed)
    back = Splicer(parse(changed, "site.conf"))
    for block in back.blocks:
        assert back.replace(block, location(block.id.name))
    assert back.apply() == after


def test_changes_of_every_kind_at_once_in_a_one_line_server() -> None:
    before = put(b"server { listen 80; location / { } }\n", "/a/", "/b/", "/c/")
    server = first_server(before)
    splicer = Splicer(server.file.document)
    first, second, _ = splicer.blocks
    splicer.remove(first)
    splicer.replace(second, location("/b/", "1.0"))
    splicer.insert(insertion_point(server, splicer.blocks), route("/d/"), location("/d/"))
    after = splicer.apply()
    check(before, after)
    assert written(after) == ["route /b/", "route /c/", "route /d/"]
    assert [block.inline for block in find_blocks(parse(after, "site.conf"))] == [True, False, False]
    assert (
        take(after, *(block.id for block in find_blocks(parse(after, "x"))))
        == b"server { listen 80; location / { } }\n"
    )


def test_removing_the_last_inline_block_while_another_comes() -> None:
    before = put(b"server { listen 80; location / { } }\n", "/a/")
    server = first_server(before)
    splicer = Splicer(server.file.document)
    splicer.insert(insertion_point(server), route("/b/"), location("/b/"))
    splicer.remove(splicer.blocks[0])
    after = splicer.apply()
    check(before, after)
    assert after == put(b"server { listen 80; location / { } }\n", "/b/")


def test_a_comment_before_an_inline_block_keeps_its_newline() -> None:
    after = put(b"server { listen 80; location / { } }", "/a/", "/b/")
    edited = after.replace(b"80; \n", b"80; # ours\n")
    (first, second) = find_blocks(parse(edited, "site.conf"))
    assert not first.inline
    assert take(edited, first.id, second.id) == b"server { listen 80; # ours\nlocation / { } }"
    without_first = take(edited, first.id)
    check(edited, without_first)
    assert take(without_first, second.id) == b"server { listen 80; # ours\nlocation / { } }"


def test_a_stray_carriage_return_before_the_anchor_is_not_taken() -> None:
    before = b"server { listen 80;\rlocation / { }\n}\n"
    after = put(before, "/a/", "/b/")
    check(before, after)
    assert take(after, route("/a/"), route("/b/")) == before


def test_a_block_at_the_end_of_a_file_without_newline() -> None:
    block = put(b"server {\n}\n", "/a/").split(b"server {\n")[1].rsplit(b"\n}", 1)[0]
    document = parse(block, "part.inc")
    (found,) = find_blocks(document)
    assert found.span == Span(0, len(block))
    edit = replace_block(document, found, location("/a/", "1.0"))
    assert edit is not None
    assert not edit.text.endswith(b"\n")
    assert apply_edits(block, [remove_block(document, found)]) == b""


ADOPT = [
    (
        b"server {\n    location /ws/ {\n        proxy_pass http://x;\n    }\n    location / {\n    }\n}\n",
        b"server {\n    location / {\n    }\n}\n",
    ),
    (b"server {\n\tlocation /ws/ { } # old\n}\n", b"server {\n\t # old\n}\n"),
    (b"server { location /ws/ { } location / { } }\n", b"server {  location / { } }\n"),
    (b"server { listen 80; location /ws/ {\n}\n\n}\n", b"server { listen 80; \n}\n"),
    (b"server {\r\n    location /ws/ {\r\n    }\r\n}\r\n", b"server {\r\n}\r\n"),
    (b"server { location / { }\nlocation /ws/ { } }", b"server { location / { }\n }"),
]


@pytest.mark.parametrize(("before", "rest"), ADOPT)
def test_a_block_in_the_place_of_a_hand_written_location(before: bytes, rest: bytes) -> None:
    server = first_server(before)
    (old,) = (one.directive for one in server.locations if one.directive.args == (b"/ws/",))
    edit, taken = replace_directive(server.file.document, old, route("/ws/"), location("/ws/"))
    after = apply_edits(before, [edit])
    check(before, after, [taken])
    with pytest.raises(SpliceError):
        verify_bytes(before, after, "site.conf")
    assert take(after, route("/ws/")) == rest
    names = [one.directive.args for one in first_server(after).locations]
    assert sorted(names) == sorted([(b"^~", b"/ws/"), *(n for n in [(b"/",)] if b"location / " in before)])


@pytest.mark.parametrize("data", [b"server {\n    location /ws/ { }\n}\n", b"server { location /ws/ { } }\n"])
def test_adopting_the_very_location_that_new_blocks_go_before(data: bytes) -> None:
    server = first_server(data)
    results: set[bytes] = set()
    for adopt_first in (True, False):
        splicer = Splicer(server.file.document)
        for adopt in (adopt_first, not adopt_first):
            if adopt:
                splicer.adopt(server.locations[0].directive, route("/ws/"), location("/ws/"))
            else:
                splicer.insert(insertion_point(server), route("/new/"), location("/new/"))
        check(data, splicer.apply(), splicer.taken)
        results.add(splicer.apply())
    (after,) = results
    assert written(after) == ["route /new/", "route /ws/"]


def test_adopting_next_to_inline_blocks_while_they_change() -> None:
    before = put(b"server { listen 80; location /ws/ { } }\n", "/a/")
    server = first_server(before)
    splicer = Splicer(server.file.document)
    splicer.remove(splicer.blocks[0])
    splicer.adopt(server.locations[-1].directive, route("/ws/"), location("/ws/"))
    after = splicer.apply()
    check(before, after, splicer.taken)
    assert take(after, route("/ws/")) == b"server { listen 80;  }\n"


def test_adopting_in_front_of_an_inline_block() -> None:
    inside = put(b"server { location /b { } }\n", "/a/")
    before = inside.replace(b"server { ", b"server {\n    location /ws/ { } ")
    server = first_server(before)
    splicer = Splicer(server.file.document)
    splicer.adopt(server.locations[0].directive, route("/ws/"), location("/ws/"))
    after = splicer.apply()
    check(before, after, splicer.taken)
    assert [block.inline for block in find_blocks(parse(after, "x"))] == [False, False]
    for order in permutations([route("/ws/"), route("/a/")]):
        data = after
        for one in order:
            smaller = take(data, one)
            check(data, smaller)
            data = smaller
        assert data == b"server {\nlocation /b { } }\n"


def test_adopting_two_locations_that_touch() -> None:
    before = b"server {\n\tlocation /a { }location /b { }location /c { }\n}\n"
    server = first_server(before)
    splicer = Splicer(server.file.document)
    for one in server.locations[:2]:
        splicer.adopt(one.directive, route(one.directive.args[0].decode()), location("/ws/"))
    after = splicer.apply()
    check(before, after, splicer.taken)
    assert strip(parse(after, "x")) == b"server {\n\tlocation /c { }\n}\n"


def test_adopting_at_the_end_of_a_file_without_newline() -> None:
    document = parse(b"root /;\nlocation /ws/ { }", "part.inc")
    edit, taken = replace_directive(document, document.directives[1], route("/ws/"), location("/ws/"))
    after = apply_edits(document.data, [edit])
    assert not after.endswith(b"\n")
    verify(document, parse(after, "part.inc"), taken=[taken])


def test_edits_that_overlap_are_refused() -> None:
    with pytest.raises(SpliceError):
        apply_edits(b"abcdef", [Edit(0, 3, b""), Edit(2, 4, b"")])
    with pytest.raises(SpliceError):
        apply_edits(b"abc", [Edit(2, 4, b"")])


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


def test_names_with_white_space_are_refused() -> None:
    server = first_server(b"server { }")
    for name in ("a b", "", "a\nb"):
        with pytest.raises(SpliceError):
            insert_block(server.file.document, insertion_point(server), route(name), "x;")


def spent(work: Callable[[], object]) -> float:
    """CPU seconds."""
    start = time.process_time()
    work()
    return time.process_time() - start


def test_ten_thousand_blocks_cost_a_few_times_their_parse() -> None:
    paths = [f"/r{number}/" for number in range(10_000)]
    before = b"server {\n    location / {\n    }\n}\n"
    after = put(before, *paths)
    document = parse(after, "site.conf")
    parsing = spent(lambda: parse(after, "site.conf"))
    splicer = Splicer(document)
    for block in splicer.blocks:
        splicer.remove(block)
    assert splicer.apply() == before
    # Anything that looks at every block for every block would take thousands of times as long.
    assert spent(splicer.apply) < 20 * parsing
    assert spent(lambda: verify(parse(before, "site.conf"), document)) < 20 * parsing
    assert spent(lambda: insertion_point(first_server(after))) < 20 * parsing


# Arbitrary structured files: statements joined by whatever may stand between them.
GAPS = st.sampled_from(
    [b" ", b"\n", b"\r\n", b"\n\n\t", b"  \n    ", b" # note\n", b"\n# note\r\n  ", b"\t", b"\r", b""]
)
SIMPLE = st.sampled_from(
    [
        b"listen 80;",
        b'set $a "x # y\n{ ";',
        b"root '/a b';",
        b"a \\; b;",
        b"set $b ${c}d;",
        b"if ($x) { return 1; }",
    ]
)
LOCATIONS = st.sampled_from(
    [
        b"location / {}",
        b"location /a {\n\troot /;\n}",
        b'location ~ "x{2}" { location ~ y { } }',
        b"include sites.inc;",
    ]
)
LUA = st.just(b"access_by_lua_block { local s = [[ } # ]] -- location {\n }")
STATEMENTS = st.one_of(SIMPLE, LOCATIONS, LUA)


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """A configuration with one server (and a second one after it), laid out anyhow."""
    inside = draw(st.lists(st.tuples(STATEMENTS, GAPS), max_size=5))
    body = draw(GAPS) + b"".join(statement + gap for statement, gap in inside)
    head = draw(st.sampled_from([b"", b"http {", b"http {\n  ", b"# top\nhttp { # x\n", b"http{\r\n\t"]))
    gap = draw(GAPS)
    tail = draw(st.sampled_from([b"", b"\n", b"\r\n", b" server { }", b"\nserver {\n}\n"]))
    return (
        head
        + gap
        + b"server {"
        + body
        + b"}"
        + tail
        + (b"}" if head else b"")
        + draw(st.sampled_from([b"", b"\n"]))
    )


@settings(max_examples=150, deadline=None)
@given(files(), st.data())
def test_in_any_order_and_out_in_any_order_is_nothing(before: bytes, data: st.DataObject) -> None:
    paths = ["/a/", "/b/", "/c/", "/d/"]
    now = before
    present: list[str] = []
    for _ in range(data.draw(st.integers(1, 6))):
        gone = [path for path in present if data.draw(st.booleans())]
        new = [path for path in paths if path not in present and data.draw(st.booleans())]
        maps = "map websocket" not in written(now) and data.draw(st.booleans())
        server = first_server(now)
        splicer = Splicer(server.file.document)
        anchor = insertion_point(server, splicer.blocks)
        for block in splicer.blocks:
            if block.id.name in gone:
                splicer.remove(block)
            elif data.draw(st.booleans()):
                splicer.replace(block, location(block.id.name, data.draw(st.sampled_from(["1.0", "1.1"]))))
        for path in new:
            splicer.insert(anchor, route(path), location(path))
        if maps:
            splicer.insert(http_insertion_point(server), BlockId("map", "websocket"), MAPS)
        after = splicer.apply()
        check(now, after)
        assert strip(parse(after, "x")) == before
        present = [path for path in present if path not in gone] + new
        now = after
    assert take(now, *(block.id for block in find_blocks(parse(now, "x")))) == before


@settings(max_examples=100, deadline=None)
@given(files(), st.data())
def test_adopting_any_location_takes_that_and_nothing_else(before: bytes, data: st.DataObject) -> None:
    server = first_server(put(before, "/a/") if data.draw(st.booleans()) else before)
    document = server.file.document
    blocks = find_blocks(document)
    own = [
        one.directive
        for one in server.locations
        if one.file is server.file
        and not any(b.span.start <= one.directive.start < b.span.end for b in blocks)
    ]
    splicer = Splicer(document)
    for directive in own:
        if data.draw(st.booleans()):
            splicer.adopt(directive, route(f"/{directive.start}/"), location("/ws/"))
    for block in splicer.blocks:
        if data.draw(st.booleans()):
            splicer.remove(block)
    after = splicer.apply()
    check(document.data, after, splicer.taken)


@settings(max_examples=100, deadline=None)
@given(files(), st.data())
def test_verify_catches_any_planted_byte(before: bytes, data: st.DataObject) -> None:
    after = put(before, "/a/", "/b/")
    document: Document = parse(after, "x")
    spans = [block.span for block in find_blocks(document)]
    foreign = [at for at in range(len(after)) if not any(one.start <= at < one.end for one in spans)]
    at = data.draw(st.sampled_from(foreign))
    byte = data.draw(st.binary(min_size=1, max_size=1).filter(lambda one: one != after[at : at + 1]))
    planted = data.draw(
        st.sampled_from(
            [
                after[:at] + byte + after[at + 1 :],
                after[:at] + after[at + 1 :],
                after[:at] + byte + after[at:],
            ]
        )
    )
    with pytest.raises(SpliceError):
        verify_bytes(before, planted, "x")
