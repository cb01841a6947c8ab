"""Routes read back from a configuration: planned again, they change nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nginxws import planner
from nginxws.errors import InvalidInput
from nginxws.manifest.model import Manifest, RouteEntry
from nginxws.manifest.wanted import make_route
from nginxws.plan import Put
from nginxws.planner import make_plan
from nginxws.readback import FoundRoute, read_back
from nginxws.snapshot import FileState, NginxInfo, Snapshot

MAIN = "/n.conf"
SITE = b"""events { }
http {
    proxy_set_header X-Real-IP $realip_remote_addr;
    proxy_set_header X-Team "chat";
    server {
        listen 80;
        server_name a.example;
        location / { return 200; }
    }
%s}
"""
TWO = SITE % b"    server { listen 80; server_name b.example; location / { return 200; } }\n"


def snapshot(data: bytes) -> Snapshot:
    return Snapshot("lb1", NginxInfo(conf=MAIN, main=MAIN), (FileState(MAIN, MAIN, data),), master=1)


def with_route(data: bytes, values: dict[str, Any]) -> bytes:
    entry = RouteEntry.model_validate(values)
    put = Put(make_route(Manifest(format=1), entry), server=entry.server)
    plan = make_plan(snapshot(data), [put])
    return plan.files[0].after


def only(data: bytes) -> FoundRoute:
    (found,) = read_back(snapshot(data))
    return found


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"match": "exact"},
        {"match": "prefix"},
        {"slashless": "alias"},
        {"slashless": "redirect"},
        {"read_timeout": "90s", "send_timeout": "2h", "connect_timeout": "5s"},
        {"backends": ["a:1 weight=2", "b:1 backup", "unix:/run/a.sock"], "balance": "least-conn"},
        {"backends": ["a:1", "b:1"], "balance": "ip-hash"},
        {"backends": ["a:1", "b:1"], "balance": "random"},
        {"backends": ["https://a.example:443"], "backend_tls_ca": "/ca.pem"},
        {"backends": ["https://a.example:443", "https://10.0.0.1:443"], "backend_tls_name": "c.example"},
        {"header": ["X-One=1", "X-Two=a b; c", "Cookie=$http_cookie"], "host": "$http_host"},
        {"preset": "plain"},
        {"preset": "plain", "match": "priority"},
        {"path": "/a-[0-9]+/", "match": "regex"},
    ],
    ids=str,
)
@pytest.mark.parametrize("server", [None, "b.example"])
def test_every_option_comes_back(more: dict[str, Any], server: str | None) -> None:
    values = {"path": "/ws/", "backends": ["a:1"], **more, **({"server": server} if server else {})}
    data = with_route(TWO if server else SITE % b"", values)
    found = only(data)
    assert found.exact
    assert found.managed
    assert found.usable
    assert not found.drifted
    assert found.where.startswith("/n.conf:")
    again = with_route_again(data, dict(found.values))
    assert not again.files
    assert found.values.get("server", "").partition(":")[0] == (server or "")
    assert found.values.keys() - {"server"} == values.keys() - {"server"} or "preset" in values


def with_route_again(data: bytes, values: dict[str, Any]) -> Any:
    entry = RouteEntry.model_validate(values)
    return make_plan(snapshot(data), [Put(make_route(Manifest(format=1), entry), server=entry.server)])


BACKENDS = st.sampled_from(["a:1", "b:2 weight=3", "[::1]:80", "c:1 max_fails=0"])
HEADERS = st.sampled_from(["X-Real-IP=$remote_addr", "X-Team=ops", "X-A='\"\\", "X-B="])
OPTIONS = st.fixed_dictionaries(
    {"backends": st.lists(BACKENDS, min_size=1, unique=True)},
    optional={
        "match": st.sampled_from(["prefix", "priority", "exact"]),
        "slashless": st.sampled_from(["alias", "redirect", "none"]),
        "balance": st.sampled_from(["round-robin", "least-conn", "random"]),
        "read_timeout": st.integers(1, 90000),
        "send_timeout": st.just("1h"),
        "header": st.lists(HEADERS, unique=True),
        "host": st.sampled_from(["$host", "x.example"]),
    },
)  # fmt: skip


@settings(deadline=None)
@given(OPTIONS)
def test_what_is_called_exact_changes_nothing(values: dict[str, Any]) -> None:
    try:
        data = with_route(SITE % b"", {"path": "/ws/", **values})
    except InvalidInput:
        return
    found = only(data)
    assert found.usable
    if found.exact:
        assert not with_route_again(data, dict(found.values)).files
    assert found.exact or "header" in values or "host" in values


def test_a_block_that_was_edited_by_hand() -> None:
    data = with_route(SITE % b"", {"path": "/ws/", "backends": ["a:1"]})
    found = only(data.replace(b"proxy_read_timeout 1h", b"proxy_read_timeout 2h"))
    assert (found.drifted, found.exact, found.usable) == (True, False, True)
    assert found.values["read_timeout"] == "2h"


def test_a_block_of_which_nothing_is_left() -> None:
    data = with_route(SITE % b"", {"path": "/ws/", "backends": ["a:1"]})
    start, end = data.index(b"proxy_pass"), data.index(b"proxy_socket_keepalive")
    for rest in (b"proxy_pass $somewhere; ", b"proxy_pass; ", b""):
        found = only(data[:start] + rest + data[end:])
        assert (found.drifted, found.exact, found.usable) == (True, False, False)


def test_hand_written_locations_are_proposed() -> None:
    hand = b"""
    upstream pool { server a:1; server b:1 weight=2; }
    server { listen 81; location /h/ { proxy_pass http://pool; proxy_set_header Upgrade $http_upgrade; }
      location ~* ^/x { proxy_pass http://c:1/y; proxy_set_header Upgrade $http_upgrade; }
      location = /v { proxy_pass $v; proxy_set_header Upgrade $http_upgrade; }
      location ^~ /p { proxy_pass http://c:2; proxy_set_header Upgrade $http_upgrade; } }
"""
    found = read_back(snapshot(SITE % hand))
    assert not any(one.managed or one.usable for one in found)
    assert [dict(one.values) for one in found] == [
        {"path": "/h/", "backends": ["a:1", "b:1 weight=2"], "match": "prefix"},
        {"path": "^/x", "backends": ["c:1"], "match": "regex"},
        {"path": "/v", "backends": ["$v"], "match": "exact"},
        {"path": "/p", "backends": ["c:2"]},
    ]


def test_the_configuration_is_looked_through_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not once a route: that would take hours where there are thousands."""
    data = SITE % b""
    for number in range(12):
        data = with_route(data, {"path": f"/{number}/", "backends": [f"a{number}:1", "b:2"]})
    looked: list[str] = []
    for name in ("load", "Rewriting"):
        real = getattr(planner, name)

        def counted(*words: Any, real: Any = real, name: str = name) -> Any:
            looked.append(name)
            return real(*words)

        monkeypatch.setattr(planner, name, counted)
    found = read_back(snapshot(data))
    assert [route.values["path"] for route in found] == [f"/{number}/" for number in range(12)]
    assert all(route.exact for route in found)
    assert looked == ["load", "Rewriting"]


def test_what_this_nginx_cant_do_isnt_exact() -> None:
    now = snapshot(with_route(SITE % b"", {"path": "/ws/", "backends": ["https://a.example:443"]}))
    (able,) = read_back(now)
    dash_v = "nginx version: nginx/1.26.2\nconfigure arguments: --without-http_proxy_module\n"
    (unable,) = read_back(replace(now, nginx=replace(now.nginx, dash_v=dash_v)))
    assert (able.exact, unable.exact, unable.usable) == (True, False, True)
