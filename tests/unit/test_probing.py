"""Where a route is proved, and by which name: checked with NGINX's own choice of the server."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nginxws.config.names import answering
from nginxws.config.servers import ServerBlock
from nginxws.config.tree import MappingReader, load
from nginxws.nodes.probe.types import ProbeRequest
from nginxws.plan import ProbePoint
from nginxws.probing import probe_point
from nginxws.route import Route

NOBODY = "nginxws.invalid"
ROUTE = Route.create("/ws/", ["10.0.0.5:8080"])


def servers(*bodies: str) -> list[ServerBlock]:
    text = "http {" + "".join(f"server {{ {body} location / {{ }} }}" for body in bodies) + "}"
    return load("n.conf", MappingReader({"n.conf": text.encode()})).http_servers()


def point(*bodies: str, wanted: str | None = None, route: Route = ROUTE) -> ProbePoint:
    """The probe in the first of the servers."""
    return probe_point(route, servers(*bodies)[0], wanted)


@pytest.mark.parametrize(
    ("body", "host"),
    [
        ("server_name chat.example;", "chat.example"),
        ("server_name Chat.Example;", "Chat.Example"),
        ("server_name *.example.com;", "nginxws.example.com"),
        ("server_name .example.com;", "example.com"),
        ("server_name mail.*;", "mail.nginxws"),
        ("server_name ~^chat b.example;", "b.example"),
        ("server_name ~^chat;", NOBODY),
        ("server_name 10.0.0.9;", "10.0.0.9"),
        ("server_name under_score.example;", "under_score.example"),
        ("server_name $hostname;", NOBODY),
        ("server_name bücher.example;", NOBODY),
        ("server_name _;", NOBODY),
        ('server_name "";', NOBODY),
        ("", NOBODY),
    ],
)
def test_the_name_to_ask_for(body: str, host: str) -> None:
    found = point(f"listen 80; {body}")
    assert (found.host, found.problem) == (host, None)


OTHER = "listen 80 default_server; server_name other.example;"


@pytest.mark.parametrize(
    ("body", "host"),
    [
        ("listen 80; server_name _;", "_"),
        ("listen 80; server_name ~^chat;", None),
        ("listen 80;", None),
        ("listen 80; server_name other.example;", None),  # NGINX ignores the second of one name
        ("listen 80; server_name *.example;", "nginxws.example"),
    ],
)
def test_the_name_where_another_server_is_the_default(body: str, host: str | None) -> None:
    found = probe_point(ROUTE, servers(OTHER, body)[1], None)
    assert found.host == host
    assert (found.problem is None) == (host is not None)


def test_the_problem_names_the_server_name() -> None:
    found = probe_point(ROUTE, servers(OTHER, "listen 80; server_name ~^chat ~^b;")[1], None)
    assert "server_name ~^chat ~^b" in str(found.problem)
    unnamed = probe_point(ROUTE, servers(OTHER, "listen 80;")[1], None)
    assert 'server_name ""' in str(unnamed.problem)


@pytest.mark.parametrize(
    ("listen", "address", "port", "host"),
    [
        ("80", "127.0.0.1", 80, "a.example"),
        ("0.0.0.0:8080", "127.0.0.1", 8080, "a.example:8080"),
        ("*:443", "127.0.0.1", 443, "a.example:443"),
        ("[::]:80", "::1", 80, "a.example"),
        ("[2001:db8::1]:81", "2001:db8::1", 81, "a.example:81"),
        ("10.0.0.1:80", "10.0.0.1", 80, "a.example"),
        ("localhost:80", "localhost", 80, "a.example"),
        ("443 ssl", "127.0.0.1", 443, "a.example"),
        ("8443 ssl", "127.0.0.1", 8443, "a.example:8443"),
        ("unix:/run/n.sock; listen 82", "127.0.0.1", 82, "a.example:82"),
        ("443 quic; listen 443 ssl", "127.0.0.1", 443, "a.example"),
    ],
)
def test_the_listener(listen: str, address: str, port: int, host: str) -> None:
    found = point(f"listen {listen}; server_name a.example;")
    assert (found.address, found.port, found.host, found.problem) == (address, port, host, None)
    assert found.tls == ("ssl" in listen)


def test_without_listen() -> None:
    assert point("server_name a.example;").port == 80


def test_proxy_protocol() -> None:
    assert point("listen 80 proxy_protocol;").proxy_protocol


@pytest.mark.parametrize("listen", ["unix:/run/n.sock", "443 quic"])
def test_a_server_without_tcp_port(listen: str) -> None:
    assert "no TCP port" in str(point(f"listen {listen}; server_name a.example;").problem)


@pytest.mark.parametrize(
    ("wanted", "port"),
    [(None, 80), ("a.example", 80), ("a.example:443", 443), (":443", 443), ("a.example:99", 80)],
)
def test_the_port_that_the_user_named(wanted: str | None, port: int) -> None:
    found = point("listen 80; listen 443 ssl; server_name a.example;", wanted=wanted)
    assert (found.port, found.tls) == (port, port == 443)


def test_the_path() -> None:
    assert point("listen 80;").path == "/ws/"
    regex = Route.create("^/ws", ["10.0.0.5:80"], match="regex")
    assert point("listen 80;", route=regex).path == "/"


names = st.sampled_from(
    [
        "a.example",
        "*.example",
        "a.*",
        ".b.example",
        "_",
        '""',
        "~^a",
        "~^(?<x>.+)$",
        "x" * 64 + ".example",
        "A.Example",
    ]
)
bodies = st.builds(
    lambda listen, found: f"listen {listen}; server_name {' '.join(found)};",
    st.sampled_from(["80", "10.0.0.1:80", "443 ssl", "81 default_server", "[::]:80"]),
    st.lists(names, min_size=1, max_size=3, unique=True),
)


@given(st.lists(bodies, min_size=1, max_size=4))
def test_nginx_answers_the_name_with_this_server(several: list[str]) -> None:
    found = servers(*several)
    for server in found:
        probe = probe_point(ROUTE, server, None)
        if probe.host is None:
            assert probe.problem
            continue
        request = ProbeRequest(path=probe.path, host=probe.host, tls=probe.tls)
        chosen = answering(found, request.server_name, probe.port)
        assert any(one is server for one in chosen)
