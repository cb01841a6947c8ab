"""Whatever the file and whatever goes in and out: every byte outside our blocks stays."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.splices import (
    MAPS,
    check,
    first_server,
    location,
    put,
    route,
    strip,
    take,
    verify_bytes,
    written,
)

from nginxws.config.anchors import http_insertion_point, insertion_point
from nginxws.config.blocks import BlockId, find_blocks
from nginxws.config.document import Document, parse
from nginxws.config.splice import Splicer
from nginxws.errors import SpliceError

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


@pytest.mark.no_cover
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
