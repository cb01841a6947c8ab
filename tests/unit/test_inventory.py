"""The WebSocket routes that a configuration has."""

from __future__ import annotations

import time

import pytest

from nginxws.config.tree import ConfigTree, MappingReader, load
from nginxws.errors import ConfigError
from nginxws.inventory import ListedRoute, routes
from nginxws.plan import Put
from nginxws.planner import make_plan
from nginxws.route import Route
from nginxws.snapshot import FileState, NginxInfo, Snapshot

MAIN = "/n.conf"
UPGRADE = "proxy_set_header Upgrade $http_upgrade;"


def tree(text: str | bytes, **included: str) -> ConfigTree:
    data = text if isinstance(text, bytes) else text.encode()
    return load(MAIN, MappingReader({MAIN: data, **{f"/{k}.inc": v.encode() for k, v in included.items()}}))


def paths(text: str | bytes) -> list[str]:
    return [f"{route.match} {route.path}".strip() for route in routes(tree(text))]


def managed(text: str, *wanted: Route) -> bytes:
    now = Snapshot("n", NginxInfo(conf=MAIN, main=MAIN), (FileState(MAIN, MAIN, text.encode()),))
    return make_plan(now, [Put(route) for route in wanted]).files[0].after


def test_managed_drifted_and_hand_written() -> None:
    text = f"http {{ server {{ server_name a;\n location /hand {{ proxy_pass http://h:1; {UPGRADE} }} }} }}"
    data = managed(
        text,
        Route.create("/one/", ["10.0.0.1:80"]),
        Route.create("/two/", ["10.0.0.2:80", "10.0.0.3:80 weight=2"], slashless="alias"),
    )
    data = data.replace(b"proxy_pass http://10.0.0.1:80;", b"proxy_pass http://10.0.0.1:81;")
    found = routes(tree(data))
    pool = ("10.0.0.2:80", "10.0.0.3:80 weight=2")
    assert [(one.match, one.path, one.backends, one.state) for one in found] == [
        ("^~", "/one/", ("http://10.0.0.1:81",), "drifted"),
        ("^~", "/two/", pool, "managed"),
        ("=", "/two", pool, "managed"),
        ("", "/hand", ("http://h:1",), "hand-written"),
    ]
    lines = data.split(b"\n")
    for one in found:
        assert one.file == MAIN
        assert one.server.startswith("a:80 (/n.conf:")
        assert b"location" in lines[one.line - 1]


def test_the_whole_of_one() -> None:
    text = f"http {{\nserver {{\nlocation ~ ^/w {{ proxy_pass http://u/x; {UPGRADE.lower()} }} }} }}"
    assert routes(tree(text)) == [
        ListedRoute("^/w", "~", ("http://u/x",), "hand-written", ":80 (/n.conf:2)", MAIN, 3)
    ]


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        (f"location /a {{ proxy_pass http://h; {UPGRADE} }}", ["/a"]),
        ("location /a { proxy_pass http://h; }", []),
        ("location /a { proxy_pass http://h; proxy_set_header Upgrade ''; }", []),
        ("location /a { proxy_pass http://h; proxy_set_header Upgrade; }", []),
        (f"location /a {{ return 200; {UPGRADE} }}", []),
        (f"location /a {{ proxy_pass; {UPGRADE} }}", ["/a"]),
        (f"{UPGRADE} location /a {{ proxy_pass http://h; }}", ["/a"]),
        (f"{UPGRADE} location /a {{ proxy_pass http://h; proxy_set_header Host x; }}", []),
        (f"location / {{ location /a {{ proxy_pass http://h; {UPGRADE} }} location /b {{ }} }}", ["/a"]),
    ],
)
def test_what_counts_as_a_websocket_route(inside: str, expected: list[str]) -> None:
    assert paths(f"http {{ server {{ {inside} }} }}") == expected


def test_headers_of_http() -> None:
    assert paths(f"http {{ {UPGRADE} server {{ location /a {{ proxy_pass http://h; }} }} }}") == ["/a"]


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        (f"location / {{ {UPGRADE} location /a {{ proxy_pass http://h; }} }}", ["/a"]),
        (f"{UPGRADE} location / {{ proxy_set_header X y; location /a {{ proxy_pass http://h; }} }}", []),
        (f"{UPGRADE} location / {{ location /a {{ proxy_pass http://h; }} }}", ["/a"]),
    ],
)
def test_headers_of_the_location_around_it(inside: str, expected: list[str]) -> None:
    assert paths(f"http {{ server {{ {inside} }} }}") == expected


def test_headers_of_the_location_around_the_include() -> None:
    text = f"http {{ server {{ location / {{ {UPGRADE} include inner.inc; }} include outer.inc; }} }}"
    inner, outer = "location /a { proxy_pass http://h; }", "location /b { proxy_pass http://h; }"
    assert [one.path for one in routes(tree(text, inner=inner, outer=outer))] == ["/a"]


def test_a_server_included_twice_is_listed_once() -> None:
    text = "http { include site.inc; include site.inc; }"
    site = f"server {{ location /a {{ proxy_pass http://h; {UPGRADE} }} }}"
    assert [one.path for one in routes(tree(text, site=site))] == ["/a"]


def states(data: bytes) -> list[str]:
    return [one.state for one in routes(tree(data))]


def test_a_route_without_its_shared_blocks_has_drifted() -> None:
    pool = Route.create("/two/", ["10.0.0.2:80", "10.0.0.3:80"])
    data = managed("http { server { location / { } } }", Route.create("/one/", ["h:1"], preset="plain"), pool)
    assert states(data) == ["managed", "managed"]
    for kind in (b"map websocket", b"upstream " + str(pool.upstream_name).encode()):
        start = data.index(b"# nginxws: begin " + kind)
        end = data.index(b"# nginxws: end " + kind) + len(b"# nginxws: end " + kind)
        assert states(data[:start] + data[end:]) == ["managed", "drifted"]
    assert states(data.replace(b"websocket upgrade;", b"websocket Upgrade;")) == ["managed", "drifted"]
    assert states(data.replace(b"server 10.0.0.3:80", b"server 10.0.0.4:80")) == ["managed", "drifted"]


def test_through_includes_and_upstreams() -> None:
    text = "http { include up.inc; server { include ws.inc; } }"
    found = routes(
        tree(
            text,
            up="upstream u { server b:1; keepalive 4; }",
            ws=f"location /a {{ proxy_pass http://u/x; {UPGRADE} }}",
        )
    )
    assert [(one.backends, one.file) for one in found] == [(("b:1",), "/ws.inc")]


def test_broken_markers_are_told() -> None:
    with pytest.raises(ConfigError, match="no end"):
        paths("http { server {\n# nginxws: begin route /a 0123456789abcdef\n } }")


def test_many_locations_take_time_in_proportion() -> None:
    locations = "".join(f"location /{number} {{ proxy_pass http://h; }}\n" for number in range(5000))
    began = time.process_time()
    assert len(paths(f"http {{ server {{ {UPGRADE}\n{locations} }} }}")) == 5000
    assert time.process_time() - began < 5
