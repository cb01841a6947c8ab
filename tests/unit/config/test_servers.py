"""Server blocks: what they listen on, whether they serve, and which one is meant."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nginxws.config.document import parse
from nginxws.config.names import answering, resolve
from nginxws.config.servers import (
    Listen,
    ServerBlock,
    choose_server,
    inherited,
    named,
    parse_listen,
    spelling,
)
from nginxws.config.tree import ConfigTree, MappingReader, load
from nginxws.errors import ServerChoiceError

CASES = Path(__file__).parents[2] / "cases" / "servers"


def tree_of(text: str, **others: str) -> ConfigTree:
    files = {"main.conf": text.encode(), **{name: data.encode() for name, data in others.items()}}
    return load("main.conf", MappingReader(files), context=None)


def only_server(inside: str, **others: str) -> ServerBlock:
    (server,) = tree_of(f"http {{ server {{ {inside} }} }}", **others).http_servers()
    return server


def answer(tree: ConfigTree, wanted: str) -> str:
    """What a user sees for a --server argument; ``-`` is none."""
    try:
        return choose_server(tree, None if wanted == "-" else wanted).label
    except ServerChoiceError as error:
        return f"error: {error}\nhint: {error.hint}"


@pytest.mark.parametrize("case", sorted(CASES.glob("*.conf")), ids=lambda path: path.stem)
def test_choice_as_written_in_the_case(case: Path) -> None:
    expected = case.with_suffix(".txt").read_text("utf-8")
    tree = load("main.conf", MappingReader({"main.conf": case.read_bytes()}))
    asked = [line[2:] for line in expected.splitlines() if line.startswith("$ ")]
    assert asked
    transcript = "".join(f"$ {wanted}\n{answer(tree, wanted)}\n" for wanted in asked)
    assert transcript == expected


@pytest.mark.parametrize("case", sorted(CASES.glob("*.conf")), ids=lambda path: path.stem)
def test_every_spelling_an_error_offers_chooses_that_server(case: Path) -> None:
    tree = load("main.conf", MappingReader({"main.conf": case.read_bytes()}))
    servers = tree.http_servers()
    for server in servers:
        if server.reachable:
            assert choose_server(tree, spelling(servers, server)) is server


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("80", [Listen("80")]),
        ("*:8080", [Listen("*:8080", "*", 8080)]),
        (":8080", [Listen(":8080", "*", 8080)]),
        ("127.0.0.1", [Listen("127.0.0.1", "127.0.0.1", 80)]),
        ("localhost:81", [Listen("localhost:81", "localhost", 81)]),
        ("[::]:443 ssl http2", [Listen("[::]:443", "[::]", 443, ssl=True, http2=True)]),
        ("[::1]", [Listen("[::1]", "[::1]", 80)]),
        (
            "unix:/run/a.sock proxy_protocol",
            [Listen("unix:/run/a.sock", "unix:/run/a.sock", None, proxy_protocol=True)],
        ),
        ("443 quic reuseport", [Listen("443", "*", 443, quic=True)]),
        ("80 default", [Listen("80", "*", 80, default_server=True)]),
        ("8000-8002", [Listen("8000-8002", "*", port) for port in (8000, 8001, 8002)]),
        ("10.0.0.1:8000-8001", [Listen("10.0.0.1:8000-8001", "10.0.0.1", port) for port in (8000, 8001)]),
        ("a:b", []),
        ("80:80:80", []),
    ],
)
def test_listen(text: str, expected: list[Listen]) -> None:
    assert parse_listen(tuple(text.encode().split())) == expected


@given(st.lists(st.binary(max_size=12), max_size=3))
def test_listen_takes_any_bytes(words: list[bytes]) -> None:
    for listen in parse_listen(tuple(words)):
        assert listen.port is None or 0 <= listen.port <= 65535


def test_listen_without_words() -> None:
    assert parse_listen(()) == []


def test_switches_of_the_whole_server_reach_its_listeners() -> None:
    server = only_server("listen 443; ssl on; http2 on;")
    assert [(one.ssl, one.http2) for one in server.listens] == [(True, True)]


def test_server_without_listen_is_on_port_80() -> None:
    server = only_server("server_name a.test;")
    assert server.listens == (Listen("*:80", "*", 80),)
    assert server.ports == (80,)
    assert server.label == "a.test:80 (main.conf:1)"


def test_labels_without_a_name() -> None:
    assert only_server("listen 81;").label == ":81 (main.conf:1)"
    assert only_server("listen unix:/run/x;").label == "unix:/run/x (main.conf:1)"
    assert only_server("listen unix:/run/x; server_name a;").label == "a (main.conf:1)"


@pytest.mark.parametrize(
    ("inside", "serves", "reachable"),
    [
        ("location / { proxy_pass http://a; }", True, True),
        ("root /srv;", True, True),
        ("return 444;", False, False),
        ('return 200 "hello";', False, False),
        ("break; return 404;", True, True),
        ("rewrite ^ /index.php last; return 404;", True, True),
        ("rewrite ^/a /b last; return 404;", False, False),
        ("rewrite ^ /x break; return 404;", True, True),
        ("rewrite ^ https://b.test$request_uri;", False, False),
        ("rewrite .* /x redirect;", False, False),
        ("rewrite ^ /x permanent;", False, False),
        ("rewrite ^/old /new permanent;", True, True),
        ("rewrite ^ /other;", True, True),
        ("rewrite ^;", True, True),
        ("if ($host = a) { return 301 https://a; } location / { root /; }", True, True),
        ("if ($scheme = http) { return 301 https://a; } location / { root /; }", False, False),
        (
            "listen 80; listen 443 ssl; if ($scheme = http) { return 301 https://a; } location / { root /; }",
            True,
            True,
        ),
        ('if ($https = "") { set $x 1; } location / { root /; }', True, True),
        ('if ($https = "") { return 301 https://a; } location / { root /; }', False, False),
        ("if ($https != on) { return 301 https://a; } location / { root /; }", False, False),
        ("if ($https = on) { return 301 https://a; } location / { root /; }", True, True),
        ("listen 443 ssl; ssl_reject_handshake on;", False, False),
        ("listen 80; listen 443 ssl; ssl_reject_handshake on; location / { root /; }", True, True),
        ("location / { return 301 https://a; }", False, True),
        ("location / { rewrite ^ https://a permanent; }", False, True),
        ("location ^~ / { return 404; }", False, True),
        ("location ~ .* { return 403; }", False, True),
        (r'location ~ "^/($|[wa.]|z|[^\x00-\x7f])" { return 403; }', True, True),
        (r'location ~* "^/($|[wa.]|z|[^\x00-\x7f])" { return 403; }', False, True),
        ("location = / { return 301 /app/; }", True, True),
        ("location = / { return 301 /app/; } location /app/ { root /srv; }", True, True),
        ('location / { return 200 "ok"; }', True, True),
        ("location / { return; }", False, True),
        ("location / { return 302 20; }", False, True),
        ("location / { return 404; } location /ws/ { proxy_pass http://a; }", True, True),
        ("location / { return 404; } location /private { deny all; }", False, True),
        ("location / { return 404; } location /private { allow 10.0.0.0/8; deny all; }", True, True),
        ("location / { return 404; } location /private { deny 10.0.0.1; root /; }", True, True),
        ("location / { return 404; } location /private { satisfy all; root /; }", True, True),
        ("location / { return 404; } location @x { proxy_pass http://a; }", False, True),
        ("location /s { stub_status; }", False, True),
        ("root /srv; location /s { stub_status; }", True, True),
        ("location /s { stub_status; } location /a { proxy_pass http://a; }", True, True),
        ("include redirect.inc;", False, True),
    ],
)
def test_serves(inside: str, serves: bool, reachable: bool) -> None:
    server = only_server(
        inside, **{"redirect.inc": "location / { include return.inc; }", "return.inc": "return 301 /x;"}
    )
    assert (server.serves, server.reachable) == (serves, reachable)
    assert (server.why_not == "") is serves


@pytest.mark.parametrize(
    ("length", "shown"),
    [(60, "return " + "a" * 53), (61, "return " + "a" * 52 + "…"), (99, "return " + "a" * 52 + "…")],
)
def test_a_reason_longer_than_sixty_characters_is_shortened(length: int, shown: str) -> None:
    server = only_server(f"return  {'a' * (length - 7)};")
    assert server.why_not == f"`{shown}` answers every request (main.conf:1)"


@pytest.mark.parametrize(
    ("inside", "why_not"),
    [
        ("return 444;", "`return 444` answers every request (main.conf:1)"),
        (
            "if ($https !=  on) { set $x 1;\nreturn 301 https://a; }",
            "`if ($https != on)` answers every request (main.conf:1)",
        ),
        (
            "listen 443 ssl; ssl_reject_handshake on;",
            "ssl_reject_handshake refuses every connection (main.conf:1)",
        ),
        ("location / { return 404; }", "its locations only answer `return 404` (main.conf:1)"),
        ("location /s { stub_status; }", "it only shows NGINX's own status (main.conf:1)"),
        (
            "location /s { stub_status; }\nlocation /t { check_status; }",
            "it only shows NGINX's own status (main.conf:2)",
        ),
    ],
)
def test_why_a_server_does_not_serve(inside: str, why_not: str) -> None:
    assert only_server(inside).why_not == why_not


def test_errors_list_at_most_twenty_servers() -> None:
    servers = "".join(
        f"server {{ server_name s{number}.test; location / {{ root /; }} }}\n" for number in range(50)
    )
    with pytest.raises(ServerChoiceError) as caught:
        choose_server(tree_of(f"http {{ {servers} }}"), None)
    assert caught.value.hint is not None
    assert caught.value.hint.count("--server") == 20
    assert "30 more" in caught.value.hint


def test_exactly_twenty_servers_are_listed_and_no_more_mentioned() -> None:
    servers = "".join(f"server {{ server_name s{number}.test; }}\n" for number in range(20))
    with pytest.raises(ServerChoiceError) as caught:
        choose_server(tree_of(f"http {{ {servers} }}"), None)
    assert caught.value.message == "20 server blocks could be meant"
    lines = str(caught.value.hint).splitlines()
    assert lines[:2] == ["say which one", "  --server s0.test:80  (main.conf:1)"]
    assert len(lines) == 21


@pytest.mark.parametrize(
    ("wanted", "line"),
    [
        ("[::1]", 2),
        ("[::1]:81", 2),
        (":81", 2),
        ("A.TEST:80", 1),
        ("b.test", 3),
        ("www.b.test:82", 3),
        ("[::]:82", 3),
        ("main.conf:3", 3),
        ("unix:/run/x", 4),
    ],
)
def test_a_server_is_meant_by(wanted: str, line: int) -> None:
    tree = tree_of(
        "http { server { server_name a.test; root /; }\n server { listen 81; server_name [::1]; root /; }\n"
        "server { listen [::]:82; server_name .b.test; root /; }\n server { listen unix:/run/x; root /; } }"
    )
    assert choose_server(tree, wanted).line == line


@pytest.mark.parametrize(
    "wanted", ["81", "a.test:81", "a.test:", ":", "a.test:800000", "x:" + "9" * 5000, "x:٣"]
)
def test_no_server_is_meant_by(wanted: str) -> None:
    tree = tree_of("http { server { server_name a.test; } server { listen 81; } }")
    with pytest.raises(ServerChoiceError):
        choose_server(tree, wanted)


def test_a_name_may_lead_to_several_servers() -> None:
    tree = tree_of(
        "http { server { listen 80; server_name *.test; } server { listen 81; server_name www.*; }"
        " server { listen 81 default_server; } server { listen 82; server_name ~^w; server_name ~^ww; } }"
    )
    servers = tree.http_servers()
    assert resolve(servers, "www.test", None) == [servers[0], servers[1], servers[3]]
    assert resolve(servers, "www.test", 81) == [servers[1]]
    assert resolve(servers, "x.test", 81) == []


def test_named_tells_what_it_looked_for() -> None:
    tree = tree_of("http { server { server_name a; location / { root /; } } }")
    assert [one.names for one in named(tree, "a")] == [("a",)]
    with pytest.raises(ServerChoiceError, match="no server block fits --server b"):
        named(tree, "b")


def test_a_server_file_included_twice_is_one_candidate() -> None:
    tree = tree_of(
        "http { include s.conf; include s.conf; }", **{"s.conf": "server { location / { root /; } }"}
    )
    assert len(tree.http_servers()) == 2
    assert choose_server(tree, None).where == "s.conf:1"


def test_inherited_directives_are_those_of_the_nearest_level() -> None:
    text = "http { proxy_set_header A 1; include h.inc; server { include s.inc; } server { listen 81; } }"
    tree = tree_of(text, **{"h.inc": "proxy_set_header B 2;", "s.inc": "proxy_set_header C 3;"})
    first, second = tree.http_servers()
    assert [one.directive.args for one in inherited(first, b"proxy_set_header")] == [(b"C", b"3")]
    assert [one.where for one in inherited(second, b"proxy_set_header")] == ["main.conf:1", "h.inc:1"]
    assert inherited(first, b"proxy_buffering") == []


def test_setting() -> None:
    server = only_server("merge_slashes off; location / { root /; }")
    assert server.setting(b"merge_slashes") == b"off"
    assert server.setting(b"root") is None


def test_answering_falls_back_to_the_default_server() -> None:
    tree = tree_of(
        "http { server { server_name a.test; } server { listen 80 default_server; server_name b.test; }"
        " server { listen 127.0.0.1:80; server_name c.test; } }"
    )
    servers = tree.http_servers()
    assert [one.names for one in answering(servers, "x.test", 80)] == [("b.test",), ("c.test",)]
    assert [one.names for one in answering(servers, "A.TEST.", 80)] == [("a.test",), ("c.test",)]
    assert answering(servers, "x.test", 81) == []


def test_servers_of_a_fragment() -> None:
    document = parse(b"server { listen 80; }", "main.conf")
    assert document.directives[0].name == b"server"
    assert len(tree_of("server { listen 80; }").http_servers()) == 1
    assert tree_of("location / { root /; }").http_servers() == []
