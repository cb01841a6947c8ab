"""Managed blocks of a whole tree, and who needs the shared ones."""

from __future__ import annotations

import pytest

from nginxws.config.blocks import BlockId
from nginxws.config.shared import (
    MAPS as MAPS_ID,
)
from nginxws.config.shared import (
    BlockIndex,
    foreign_definitions,
    needs,
    references,
    tree_blocks,
    unmet,
)
from nginxws.config.tree import ConfigTree, MappingReader, load

STAMP = "0123456789abcdef"


def block(kind: str, name: str, body: str) -> str:
    return f"# nginxws: begin {kind} {name} {STAMP}\n{body}\n# nginxws: end {kind} {name}\n"


MAPS = block(
    "map",
    "websocket",
    "map $http_upgrade $nginxws_upgrade { default ''; }\n"
    "map $nginxws_upgrade $nginxws_connection { default close; }",
)
UPSTREAM = block("upstream", "nginxws_ws_1a2b3c4d", "upstream nginxws_ws_1a2b3c4d { server 10.0.0.5:80; }")
ROUTE = block(
    "route",
    "/ws/",
    "location ^~ /ws/ { proxy_pass http://nginxws_ws_1a2b3c4d;\nproxy_set_header Upgrade $nginxws_upgrade; }",
)


def tree_of(**files: str) -> ConfigTree:
    main = "http { include maps; include site; }"
    return load(
        "main",
        MappingReader({"main": main.encode(), **{name: text.encode() for name, text in files.items()}}),
    )


def test_blocks_of_all_files_in_order() -> None:
    tree = tree_of(maps=MAPS + UPSTREAM, site=f"server {{\n{ROUTE}}}\n")
    assert [(one.file, one.id.kind) for one in tree_blocks(tree)] == [
        ("maps", "map"),
        ("maps", "upstream"),
        ("site", "route"),
    ]


def test_what_is_used_outside_some_blocks() -> None:
    tree = tree_of(maps=MAPS + UPSTREAM, site=f"server {{\n{ROUTE}}}\n")
    blocks = tree_blocks(tree)
    shared = [one for one in blocks if one.id.kind != "route"]
    assert references(tree, shared) == {b"nginxws_upgrade", b"nginxws_ws_1a2b3c4d"}
    assert references(tree, blocks) == set()
    assert b"nginxws_connection" in references(tree)


def test_hand_written_uses_count_and_comments_do_not() -> None:
    site = """server {
        # proxy_set_header Connection $nginxws_connection;
        location /a { proxy_set_header Upgrade ${nginxws_upgrade}; }
        location /b { content_by_lua_block { local x = ngx.var.nginxws_in_lua } }
        location /c { proxy_pass http://nginxws_c.d-e/x; set $mynginxws_not 1; set $x "a#$nginxws_quoted"; }
    }"""
    assert references(tree_of(maps=MAPS, site=site), tree_blocks(tree_of(maps="", site=""))) >= {
        b"nginxws_upgrade"
    }
    tree = tree_of(maps="", site=site)
    assert references(tree) == {
        b"nginxws_upgrade",
        b"nginxws_in_lua",
        b"nginxws_c.d-e",
        b"nginxws_c",
        b"nginxws_quoted",
    }


def test_owner_of_a_directive() -> None:
    tree = tree_of(maps="", site=f"server {{\nlocation /a {{ }}\n{ROUTE}location /b {{ }}\n}}\n")
    index = BlockIndex(tree_blocks(tree))
    (server,) = tree.http_servers()
    owners = [index.owner(one) for one in server.locations]
    assert [str(one.id) if one else None for one in owners] == [None, "route /ws/", None]
    assert index.owner(next(tree.expand(tree.main_file.document.directives, tree.main_file))) is None


def test_hand_written_definitions_of_our_names() -> None:
    maps = (
        MAPS
        + UPSTREAM
        + "map $a $nginxws_upgrade { }\nmap $a $b { }\nupstream nginxws_x { }\nupstream y { }\nmap;\n"
    )
    maps += 'geo $nginxws_geo { }\nsplit_clients "$a" $nginxws_split { }\nupstream;\n'
    tree = tree_of(maps=maps, site="server { set $nginxws_upgrade x; }")
    found = foreign_definitions(tree, tree_blocks(tree))
    assert [one.directive.args[-1] for one in found] == [
        b"$nginxws_upgrade",
        b"nginxws_x",
        b"$nginxws_geo",
        b"$nginxws_split",
    ]


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        ("proxy_pass http://nginxws_a/x; proxy_set_header Host $host;", ["upstream nginxws_a"]),
        ("proxy_pass https://nginxws_a-b.c;", ["upstream nginxws_a-b.c"]),
        ("proxy_pass http://nginxws_a/?to=http://b;", ["upstream nginxws_a"]),
        ("proxy_pass http://mynginxws_a; proxy_pass http://h/nginxws_a; proxy_pass;", []),
        ("proxy_set_header Upgrade $nginxws_upgrade;", ["map websocket"]),
        ("if ($a) { } set $x a${nginxws_upgrade}; set $y a$nginxws_connection;", ["map websocket"]),
        ("set $nginxws_other 1; proxy_set_header Upgrade nginxws_upgrade; root /;", []),
    ],
)
def test_what_a_location_leans_on(inside: str, expected: list[str]) -> None:
    tree = tree_of(maps="", site=f"server {{ location / {{ {inside} }} }}")
    (server,) = tree.http_servers()
    assert [str(one) for one in needs(server.inside(server.locations[0]))] == expected


def test_routes_whose_shared_blocks_are_missing() -> None:
    hand = "location /hand { proxy_set_header Upgrade $nginxws_upgrade; }"
    tree = tree_of(maps="", site=f"server {{\n{ROUTE}{hand}\n}}\nserver {{\n{ROUTE}}}\n")
    index = BlockIndex(tree_blocks(tree))
    upstream = BlockId("upstream", "nginxws_ws_1a2b3c4d")
    found = [(block.line, need) for block, need in unmet(tree, index, ())]
    assert found == [(2, upstream), (2, MAPS_ID), (9, upstream), (9, MAPS_ID)]
    assert [need for _, need in unmet(tree, index, {MAPS_ID})] == [upstream, upstream]
    assert unmet(tree, index, {MAPS_ID, upstream}) == []


@pytest.mark.no_cover
def test_ten_thousand_routes_and_upstreams() -> None:
    upstreams = "".join(UPSTREAM.replace("1a2b3c4d", f"{number:08x}") for number in range(10_000))
    routes = "".join(
        ROUTE.replace("1a2b3c4d", f"{number:08x}").replace("/ws/", f"/{number}/") for number in range(10_000)
    )
    tree = tree_of(maps=MAPS + upstreams, site=f"server {{\n{routes}}}\n")
    blocks = tree_blocks(tree)
    assert len(blocks) == 20_001
    assert references(tree, blocks) == set()
    assert len(references(tree, [one for one in blocks if one.id.kind != "route"])) == 10_001
    assert foreign_definitions(tree, blocks) == []
