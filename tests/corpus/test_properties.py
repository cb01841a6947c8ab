"""Random configurations: the same checks as for the corpus, and routes put in and out in any order."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.splices import insert_block, remove_block, verify_bytes

from corpus.agreement import compare
from corpus.splicing import check_reversible
from corpus.tokens import check_identical
from nginxws.config.anchors import insertion_point
from nginxws.config.blocks import BlockId, find_blocks
from nginxws.config.document import parse
from nginxws.config.splice import apply_edits
from nginxws.config.tree import MappingReader, load

SIMPLE = st.sampled_from(
    [
        b"listen 80;",
        b"server_name a.example.com 'b';",
        b'add_header X "{;}# \\"q\\"";',
        b"set $x ${a}b#c;",
        b"root\n/srv # }\n;",
        b"if ($a = 'b'){return 403;}",
        b"content_by_lua_block { x = '}' -- {\n }",
        b"include absent/*.conf;",
        b"types { a b c; }",
    ]
)
LOCATION = st.sampled_from(
    [
        b"location / { }",
        b'location ~ "^/a{2}$" { return 200 "}"; }',
        b"location /b {\n  proxy_pass http://b; # x\n  }",
        b"location/c{location/c/d{}}",
        b"location # {\n = /e { }",
    ]
)
# What may stand between two directives: nothing at all, line ends, and comments hidden after an anchor.
GAP = st.sampled_from(
    [b"", b" ", b"\n", b"\n    ", b"\n\t", b"\n\n\n", b" # after { ; \" '\n", b"\n  # own line\n"]
)
GAP |= st.sampled_from([b"\n#", b"#x"]).map(lambda comment: comment + b"\n")


def joined(items: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Some of these, with a gap around each."""
    return st.tuples(GAP, st.lists(st.tuples(items, GAP).map(b"".join), max_size=4).map(b"".join)).map(
        b"".join
    )


SERVER = joined(SIMPLE | LOCATION).map(lambda body: b"server {" + body + b"}")
HTTP = st.tuples(GAP, joined(SERVER | SIMPLE)).map(
    lambda parts: b"events {}" + parts[0] + b"http{" + parts[1] + b"}"
)
LINE_ENDS = st.sampled_from([b"\n", b"\r\n"])


@st.composite
def configurations(draw: st.DrawFn) -> bytes:
    data = draw(joined(SERVER) | HTTP) + draw(
        st.sampled_from([b"", b"\n", b"\n\n", b" ", b"\n# end", b" # end\n"])
    )
    return data.replace(b"\n", draw(LINE_ENDS))


@given(configurations())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_identical_agreeing_and_reversible(tmp_path: Path, data: bytes) -> None:
    document = parse(data, "f")
    check_identical(document)
    path = tmp_path / "f.conf"
    path.write_bytes(data)
    assert compare(path, document).difference == ""
    assert check_reversible(data).problems == []


NAME = "/corpus/.file.conf"
BODY = "location ^~ /{0}/ {{\n    proxy_pass http://127.0.0.1:{0};\n}}"


@given(configurations(), st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4)), min_size=1, max_size=12))
@settings(max_examples=60, deadline=None)
def test_routes_come_and_go_in_any_order(data: bytes, steps: list[tuple[int, int]]) -> None:
    """Each step puts a route into a server, or takes it out when it is there; in the end all go."""
    current = data
    for which, number in steps:
        tree = load(NAME, MappingReader({NAME: current}))
        document, servers = tree.main_file.document, tree.http_servers()
        if not servers:
            return
        server = servers[which % len(servers)]
        block_id = BlockId("route", f"/{number}/")
        there = [b for b in find_blocks(document) if b.id == block_id and b.server is server.directive]
        if there:
            edit = remove_block(document, there[0])
        else:
            edit = insert_block(document, insertion_point(server), block_id, BODY.format(number))
        after = apply_edits(current, [edit])
        verify_bytes(current, after, NAME)
        check_identical(parse(after, NAME))
        current = after
    while blocks := find_blocks(document := parse(current, NAME)):
        current = apply_edits(current, [remove_block(document, blocks[len(current) % len(blocks)])])
    assert current == data


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
@pytest.mark.parametrize(
    "data",
    [
        b"server { listen 80; location / { } }",
        b"server { listen 80; location / { } }\n",
        b"server {}",
        b"server { # hidden\n}",
        b"server {\n    listen 80; # hidden { location\n    location / { } # here too\n}",
        b"server {\n    listen 80;\n    location / { } location /b { } }",
        b"server { listen 80; } server { listen 81; location / { } }\n",
        b"server {\n\tlisten 80;\n\n\tlocation / { }\n}",
        b"http { server { listen 80; # x\n location / { } } }",
        b"#a\nserver{#b\n#c\nlocation /{}#d\n}#e",
    ],
)
def test_shapes_that_are_easy_to_get_wrong(data: bytes, newline: bytes) -> None:
    result = check_reversible(data.replace(b"\n", newline))
    assert result.servers >= 1
    assert result.problems == []
