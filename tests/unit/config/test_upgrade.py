"""Which locations pass a WebSocket's upgrade on."""

from __future__ import annotations

import pytest

from nginxws.config.servers import ServerBlock
from nginxws.config.tree import MappingReader, load
from nginxws.config.upgrade import headers_in_force, passes_upgrade

PASS = "proxy_pass http://h:1;"
UPGRADE = "proxy_set_header Upgrade $http_upgrade;"
HOST = "proxy_set_header Host $host;"


def server_of(inside: str, http: str = "", **others: str) -> ServerBlock:
    main = f"http {{ {http} server {{ {inside} }} }}"
    files = {"main.conf": main.encode(), **{name: text.encode() for name, text in others.items()}}
    return load("main.conf", MappingReader(files)).http_servers()[0]


@pytest.mark.parametrize(
    ("inside", "passes"),
    [
        (f"location / {{ {PASS} {UPGRADE} }}", True),
        (f"location / {{ {UPGRADE} {PASS} {HOST} }}", True),
        (f"location / {{ {PASS} proxy_set_header upgrade websocket; }}", True),
        (f"location / {{ {PASS} {HOST} }}", False),
        (f"location / {{ {PASS} }}", False),
        (f"location / {{ {UPGRADE} }}", False),
        (f'location / {{ {PASS} proxy_set_header Upgrade ""; }}', False),
        (f"location / {{ {PASS} proxy_set_header Upgrade; }}", False),
        (f"location / {{ {PASS} proxy_set_header Upgrade a b; }}", False),
        (f"{UPGRADE} location / {{ {PASS} }}", True),
        (f"{UPGRADE} location / {{ {PASS} {HOST} }}", False),
        (f"set $upgrade websocket; location / {{ {PASS} }}", False),
        (f"include upgrade.inc; location / {{ {PASS} }}", True),
        (f"location / {{ {PASS} include upgrade.inc; }}", True),
    ],
)
def test_passes_upgrade(inside: str, passes: bool) -> None:
    server = server_of(inside, **{"upgrade.inc": UPGRADE})
    (location,) = server.locations
    assert passes_upgrade(server, location) is passes
    assert passes_upgrade(server, location, server.inside(location)) is passes


def test_what_a_location_holds_may_be_told() -> None:
    server = server_of(f"location / {{ {PASS} {UPGRADE} }}")
    assert not passes_upgrade(server, server.locations[0], [])


@pytest.mark.parametrize(
    ("http", "inside", "value"),
    [
        ("proxy_set_header A http;", "", "http"),
        ("proxy_set_header A http;", "proxy_set_header A server;", "server"),
        ("", "", None),
    ],
)
def test_headers_of_the_nearest_level(http: str, inside: str, value: str | None) -> None:
    server = server_of(f"{inside} proxy_buffering off; location / {{ {PASS} }}", http)
    found = headers_in_force(server, server.locations[0], ())
    assert [one.directive.args[1].decode() for one in found] == ([value] if value else [])


# What is written, and where the header is found: the includes that lead there, then its own place.
NESTED = {
    "written there": ("location / { proxy_set_header A outer; location /b { } }", ["main.conf:2"]),
    "the inner one included": (
        "location / { proxy_set_header A outer; include inner.inc; }",
        ["main.conf:2"],
    ),
    "both included": ("include outer.inc;", ["main.conf:2", "outer.inc:1", "header.inc:1"]),
    "all in one included file": ("include both.inc;", ["main.conf:2", "both.inc:2"]),
    "included twice over": ("location / { proxy_set_header A outer; include twice.inc; }", ["main.conf:2"]),
    "the header included": (
        "location / { include header.inc; location /b { } }",
        ["main.conf:2", "header.inc:1"],
    ),
    "two levels up": (
        "location / { proxy_set_header A outer; location /a { location /b { } } }",
        ["main.conf:2"],
    ),
    "two levels up, included": (
        "location / { proxy_set_header A outer; location /a { include inner.inc; } }",
        ["main.conf:2"],
    ),
}
INCLUDED = {
    "inner.inc": "location /b { }",
    "twice.inc": "include inner.inc;",
    "outer.inc": "location / { include header.inc; include inner.inc; }",
    "header.inc": "proxy_set_header A outer;",
    "both.inc": "location / {\nproxy_set_header A outer; location /b { } }",
}


@pytest.mark.parametrize(("inside", "places"), NESTED.values(), ids=NESTED)
def test_a_nested_location_obeys_the_one_around_it(inside: str, places: list[str]) -> None:
    server = server_of(f"proxy_set_header A server;\n{inside}", **INCLUDED)
    (location,) = server.locations
    while location.directive.args != (b"/b",):
        (location,) = (one for one in server.inside(location) if one.directive.name == b"location")
    (found,) = headers_in_force(server, location, ())
    assert found.directive.args == (b"A", b"outer")
    assert [one.where for one in (*found.via, found)] == places


def test_a_location_of_an_included_file_obeys_the_server() -> None:
    server = server_of("proxy_set_header A server; include inner.inc;", **INCLUDED)
    found = headers_in_force(server, server.locations[0], ())
    assert [one.directive.args for one in found] == [(b"A", b"server")]
