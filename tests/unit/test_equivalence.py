"""Does a route do all that a hand-written location does?"""

from __future__ import annotations

from typing import Any

import pytest

from nginxws.config.tree import MappingReader, load
from nginxws.equivalence import differences
from nginxws.render import RenderContext, render
from nginxws.route import Route


def unlike(inside: str, *, head: str = "/ws/", others: str = "", wanted: Route | None = None) -> list[str]:
    text = f"http {{ server {{\n location {head} {{\n{inside}\n}}\n {others} }} }}"
    files = {"/n.conf": text.encode(), "/x.inc": b"proxy_buffering off;\n"}
    files["/host.inc"] = b"proxy_set_header Host $host;"
    server = load("/n.conf", MappingReader(files)).http_servers()[0]
    context = RenderContext(inherited_headers=(("Host", "tenant.example"),) if "tenant" in others else ())
    rendered = render(wanted or route(host="$proxy_host"), context)
    return differences(server.locations[0], server, rendered.location)


def route(**options: Any) -> Route:
    return Route.create("/ws/", ["10.0.0.5:8080"], **options)


PASS = "proxy_pass http://10.0.0.5:8080;"


@pytest.mark.parametrize(
    "inside",
    [
        PASS,
        f"{PASS} proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade;",
        f"{PASS} proxy_set_header Connection upgrade;",
        f'{PASS} proxy_set_header CONNECTION "Upgrade"; proxy_set_header upgrade "websocket";',
        f"{PASS} proxy_set_header Connection $connection_upgrade;",
        f"{PASS} proxy_set_header host $proxy_host; proxy_set_header 'X-Real-IP' $remote_addr;",
        f"{PASS} proxy_read_timeout 3600; proxy_send_timeout 60m;",
        "proxy_pass 'http://10.0.0.5:8080';",
    ],
)
def test_equivalent(inside: str) -> None:
    assert unlike(inside) == []


@pytest.mark.parametrize(
    ("inside", "told"),
    [
        (
            "proxy_pass http://10.0.0.6:8080;",
            "/n.conf:3: proxy_pass http://10.0.0.6:8080 (the route has proxy_pass http://10.0.0.5:8080)",
        ),
        (f"{PASS}\nproxy_buffering off;", "/n.conf:4: proxy_buffering off"),
        (f"{PASS}\ninclude x.inc;", "/x.inc:1: proxy_buffering off"),
        (
            f"{PASS}\nproxy_read_timeout 1d;",
            "/n.conf:4: proxy_read_timeout 1d (the route has proxy_read_timeout 3600)",
        ),
        (
            f"{PASS}\nproxy_read_timeout '1h 1s';",
            "/n.conf:4: proxy_read_timeout '1h 1s' (the route has proxy_read_timeout 3600)",
        ),
        (f"{PASS}\nproxy_set_header Host x;", "/n.conf:4: proxy_set_header Host x"),
        (f"{PASS}\nproxy_set_header Upgrade h2c;", "/n.conf:4: proxy_set_header Upgrade h2c"),
        (f"{PASS}\nproxy_set_header;", "/n.conf:4: proxy_set_header"),
        (f"{PASS}\nallow 10.0.0.0/8;", "/n.conf:4: allow 10.0.0.0/8"),
        (f"{PASS}\nlocation /ws/x {{ }}", "/n.conf:4: location /ws/x"),
    ],
)
def test_what_would_be_lost(inside: str, told: str) -> None:
    assert unlike(inside) == [told]


def test_a_plain_prefix_that_a_regex_may_beat() -> None:
    regex = "location ~ \\.php$ { }"
    assert unlike(PASS, others=regex) == [
        "other locations of this server are regular expressions: they win over a plain prefix"
    ]
    assert unlike(PASS, head="^~ /ws/", others=regex) == []
    assert unlike(PASS, others=regex, wanted=route(match="prefix", host="$proxy_host")) == []


SENDS = "/n.conf:2: sends Host"


@pytest.mark.parametrize(
    ("inside", "others", "wanted", "told"),
    [
        # Its own headers cancel the server's, and none is Host: NGINX's default, the backend's address.
        (
            f"{PASS} proxy_set_header Upgrade $http_upgrade;",
            "proxy_set_header Host tenant.example;",
            route(host="$host"),
            [f"{SENDS} $proxy_host (the route sends $host; --host '$proxy_host' keeps it)"],
        ),
        (PASS, "", route(), [f"{SENDS} $proxy_host (the route sends $host; --host '$proxy_host' keeps it)"]),
        (PASS, "", route(preset="plain"), []),
        (PASS, "proxy_set_header Host tenant.example;", route(), []),
        (PASS, "proxy_set_header X-A b; proxy_set_header Host;", route(host="$proxy_host"), []),
        (
            PASS,
            "proxy_set_header Host tenant.example;",
            route(preset="plain"),
            [f"{SENDS} tenant.example (the route sends $proxy_host; --host 'tenant.example' keeps it)"],
        ),
        (f"{PASS} proxy_set_header Host $host;", "", route(), []),
        (f"{PASS} include host.inc;", "", route(), []),
        ("return 204;", "", route(), ["/n.conf:3: return 204"]),
    ],
)
def test_the_host_that_the_backend_gets(inside: str, others: str, wanted: Route, told: list[str]) -> None:
    assert unlike(inside, others=others, wanted=wanted) == told
