"""A block in the place of a hand-written location."""

from __future__ import annotations

import re
from itertools import permutations

import pytest
from support.splices import (
    check,
    first_server,
    location,
    put,
    replace_directive,
    route,
    strip,
    take,
    verify_bytes,
    written,
)

from nginxws.config.anchors import insertion_point
from nginxws.config.blocks import find_blocks
from nginxws.config.document import parse
from nginxws.config.proof import verify
from nginxws.config.splice import Splicer, apply_edits
from nginxws.errors import SpliceError

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


def adopted(before: bytes) -> bytes:
    """The file with its first location adopted; digests are spelled as dots."""
    server = first_server(before)
    splicer = Splicer(server.file.document)
    splicer.adopt(server.locations[0].directive, route("/ws/"), "location ^~ /ws/ {\n    x;\n}")
    after = splicer.apply()
    check(before, after, splicer.taken)
    return re.sub(rb"[0-9a-f]{16}", b"...", after)


def block(indent: bytes, unit: bytes = b"    ", begun: bytes = b"...") -> bytes:
    lines = [
        b"# nginxws: begin route /ws/ " + begun,
        b"location ^~ /ws/ {",
        unit + b"x;",
        b"}",
        b"# nginxws: end route /ws/",
    ]
    return b"".join(indent + line + b"\n" for line in lines)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"server {\n  location /ws/ { }\n}\n", b"server {\n" + block(b"  ") + b"}\n"),
        (
            b"server {\n\tlocation /ws/ { } \t\r\n}\n",
            b"server {\n" + block(b"\t", b"\t").replace(b"\n", b"\r\n") + b"}\n",
        ),
        (b"server {\nlocation /ws/ {\n\ta;\n}\n}\n", b"server {\n" + block(b"", b"\t") + b"}\n"),
        (
            b"server {\n\tlocation /ws/ { }location / { }\n}\n",
            b"server {\n" + block(b"\t", b"\t") + b"\tlocation / { }\n}\n",
        ),
        (b"server { location /ws/ { } }\n", b"server { \n" + block(b"    ", begun=b"... inline") + b" }\n"),
        (b"server { location /ws/ { }\n}\n", b"server { \n" + block(b"    ", begun=b"... inline") + b"}\n"),
        (
            b"http {\n  server { location /ws/ { }\n}}",
            b"http {\n  server { \n" + block(b"      ", begun=b"... inline") + b"}}",
        ),
    ],
)
def test_an_adopted_location_is_written_in_the_style_around_it(before: bytes, after: bytes) -> None:
    assert adopted(before) == after


def test_the_newline_of_an_inline_block_stays_with_it() -> None:
    """The block behind the adopted location begins with a line end of its own."""
    before = put(b"server { location /b { } }\n", "/a/").replace(
        b"server { ", b"server {\n    location /ws/ { }"
    )
    assert [one.inline for one in find_blocks(parse(before, "x"))] == [True]
    server = first_server(before)
    splicer = Splicer(server.file.document)
    splicer.adopt(server.locations[0].directive, route("/ws/"), location("/ws/"))
    after = splicer.apply()
    check(before, after, splicer.taken)
    assert take(after, route("/ws/"), route("/a/")) == b"server {\nlocation /b { } }\n"
    assert written(after) == ["route /ws/", "route /a/"]
    assert b"inline" not in after


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
