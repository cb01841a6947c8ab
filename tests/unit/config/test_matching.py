"""Which location serves a URI; compared with a real nginx in tests/integration."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nginxws.config.matching import LocationKey, Locations, find_same, location_key, serve
from nginxws.config.pcre import compile_pcre, matches_everything
from nginxws.config.servers import ServerBlock
from nginxws.config.tree import Located, MappingReader, load
from nginxws.config.uri import normalise
from nginxws.errors import InvalidInput

CASES = Path(__file__).parents[2] / "cases" / "matching"


def server_of(text: str, **others: str) -> ServerBlock:
    files = {"main.conf": text.encode(), **{name: data.encode() for name, data in others.items()}}
    (server,) = load("main.conf", MappingReader(files)).http_servers()
    return server


def show(located: Located | None) -> str:
    return f"location {location_key(located.directive)} ({located.where})" if located else "no location"


def answer(server: ServerBlock, uri: str) -> str:
    match = serve(server, uri)
    lines = [f"{show(match.location)}: {match.reason}{' [301]' * match.redirect}"]
    lines += [f"  not {show(passed.location)}: {passed.reason}" for passed in match.passed_over]
    lines += [f"  perhaps {show(located)}" for located in match.uncertain]
    return "\n".join(lines)


@pytest.mark.parametrize("case", sorted(CASES.glob("*.conf")), ids=lambda path: path.stem)
def test_matching_as_written_in_the_case(case: Path) -> None:
    expected = case.with_suffix(".txt").read_text("utf-8")
    server = server_of(case.read_text("utf-8"))
    asked = [line[2:] for line in expected.splitlines() if line.startswith("$ ")]
    assert asked
    assert "".join(f"$ {uri}\n{answer(server, uri)}\n" for uri in asked) == expected


@pytest.mark.parametrize(
    ("text", "modifier", "path"),
    [
        ("location /x { }", "", "/x"),
        ("location = /x { }", "=", "/x"),
        ("location =/x { }", "=", "/x"),
        ("location ^~ /x { }", "^~", "/x"),
        ("location ^~/x { }", "^~", "/x"),
        ("location ~ x { }", "~", "x"),
        ("location ~x { }", "~", "x"),
        ("location ~* x { }", "~*", "x"),
        ("location ~*x { }", "~*", "x"),
        ("location @x { }", "@", "x"),
        ('location "/a b" { }', "", "/a b"),
        ('location ~ "\\.php$" { }', "~", "\\.php$"),
        ('location "" { }', "", ""),
        ("location ^ { }", "", "^"),
        ("location { }", "", ""),
        ("location /a b { }", "", "/a"),
    ],
)
def test_location_key(text: str, modifier: str, path: str) -> None:
    server = server_of(f"server {{ {text} }}")
    assert location_key(server.locations[0].directive) == LocationKey(modifier, path)


@pytest.mark.parametrize(
    ("modifier", "path", "line"),
    [
        ("", "/a", 2),
        ("^~", "/a", 2),
        ("=", "/a", 3),
        ("~", "/a", 4),
        ("~*", "/a", 5),
        ("@", "a", 6),
        ("", "/b", None),
        ("", "a", None),
        ("=", "/b", None),
        ("~", "/b", None),
    ],
)
def test_find_same(modifier: str, path: str, line: int | None) -> None:
    kinds = ("^~ /a", "= /a", "~ /a", "~* /a", "@a")
    server = server_of("server {\n" + "".join(f"location {kind} {{ }}\n" for kind in kinds) + "}")
    found = find_same(server, modifier, path)
    assert (found.directive.line if found else None) == line


@pytest.mark.parametrize(
    ("modifier", "path", "lines"),
    [
        ("=", "/a", []),
        ("^~", "/a", [2]),
        ("", "/a", [2, 4]),
        ("", "/b", [4]),
        ("^~", "/b", []),
        ("", "/c", []),
    ],
)
def test_what_would_keep_a_path_from_a_new_location(modifier: str, path: str, lines: list[int]) -> None:
    server = server_of(
        "server {\nlocation = /a { }\nlocation /a { }\nlocation ~ ^/[ab] { }\nlocation ~ (*X { } }"
    )
    found = Locations.of(server).keepers(modifier, path)
    assert [one.directive.line for one in found] == lines


def test_regexes_are_tried_in_the_order_of_the_includes() -> None:
    server = server_of(
        "http { server { include a; location ~ x { } include b; } }",
        a="location / { }",
        b="location ~ xy { }",
    )
    match = serve(server, "/xy")
    assert match.location is server.locations[1]
    assert [passed.location for passed in match.passed_over] == [server.locations[0], server.locations[2]]


def test_locations_of_nested_includes() -> None:
    server = server_of("server { location /a { include inner; } }", inner="location /a/b { }")
    match = serve(server, "/a/bc")
    assert match.location is not None
    assert match.location.where == "inner:1"


def test_merge_slashes_off_is_honoured() -> None:
    text = "http {{ {} server {{ location //a {{ }} location /a {{ }} }} }}"
    assert show(serve(server_of(text.format("merge_slashes off;")), "//a").location).startswith(
        "location //a"
    )
    assert show(serve(server_of(text.format("")), "//a").location).startswith("location /a")


@pytest.mark.parametrize(("listen", "kept"), [("80", True), ("443 ssl", False), ("unix:/run/x", False)])
def test_merge_slashes_is_the_default_servers_setting_but_over_tls(listen: str, kept: bool) -> None:
    first = f"server {{ listen {listen}; merge_slashes off; }}"
    second = f"server {{ listen {listen}; server_name b; location //a {{ }} location / {{ }} }}"
    tree = load("n", MappingReader({"n": f"http {{ {first} {second} }}".encode()}))
    assert show(serve(tree.http_servers()[1], "//a").location).startswith("location //a") is kept


@pytest.mark.parametrize(
    ("key", "text"),
    [
        (LocationKey("", "/a"), "/a"),
        (LocationKey("=", "/a"), "= /a"),
        (LocationKey("~*", "a"), "~* a"),
        (LocationKey("@", "a"), "@a"),
    ],
)
def test_a_key_reads_as_in_the_file(key: LocationKey, text: str) -> None:
    assert str(key) == text


def test_only_a_caseless_regex_forgives_letter_case() -> None:
    assert LocationKey("~*", "^/A").matches(b"/a")
    assert not LocationKey("~", "^/A").matches(b"/a")
    assert LocationKey("~", "^/a").matches(b"/a")
    assert not LocationKey("~", "(?R)").matches(b"/a")


def test_an_exact_location_inside_another_ends_the_search_outside_too() -> None:
    inside = "location /a { location = /a/b { } location /a/c { } } location ~ b { } location ~ c { }"
    server = server_of(f"server {{ {inside} }}")
    assert show(serve(server, "/a/b").location) == "location = /a/b (main.conf:1)"
    assert show(serve(server, "/a/c").location) == "location ~ c (main.conf:1)"


def test_the_default_server_is_the_marked_one() -> None:
    servers = "server { } server { listen 80 default_server; merge_slashes off; } server { location / { } }"
    tree = load("n", MappingReader({"n": f"http {{ {servers} }}".encode()}))
    assert serve(tree.http_servers()[2], "/a//b").uri == b"/a//b"


def test_no_location_at_all() -> None:
    match = serve(server_of("server { root /srv; }"), "/x")
    assert match.location is None
    assert "server block" in match.reason


def test_a_regex_that_cannot_be_read_makes_the_answer_uncertain() -> None:
    server = server_of("server { location ~ \\Qx\\E { } location / { } location ^~ /ws { } }")
    assert serve(server, "/x").uncertain == (server.locations[0],)
    assert serve(server, "/ws").uncertain == ()


def test_paths_are_compared_as_bytes() -> None:
    files = {"n": b"server { location /caf\xe9 { } location / { } }"}
    (server,) = load("n", MappingReader(files)).http_servers()
    assert serve(server, "/caf%E9/x").location is server.locations[0]
    assert serve(server, "/caf%C3%A9").location is server.locations[1]


def test_slash_redirect_only_where_the_location_proxies() -> None:
    proxying = "location /a/ { proxy_pass http://x; } location = /c/ { grpc_pass x; }"
    server = server_of(f"server {{ {proxying} location /b/ {{ root /; }} }}")
    assert serve(server, "/a").redirect
    assert not serve(server, "/b").redirect
    assert serve(server, "/c").redirect
    assert not serve(server, "/a/").redirect


def test_many_locations_are_asked_through_an_index() -> None:
    inside = "\n".join(f"location ^~ /r{number}/ {{ }}" for number in range(3000))
    locations = Locations.of(server_of(f"server {{ {inside} }}"))
    for number in range(3000):
        match = locations.serve(f"/r{number}/x")
        assert match.location is not None
        assert location_key(match.location.directive).path == f"/r{number}/"


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("/", b"/"),
        ("/a?b#c", b"/a"),
        ("/a#b?c", b"/a"),
        ("/a%3Fb%23c%25", b"/a?b#c%"),
        ("/a//b", b"/a/b"),
        ("/a%2F%2fb", b"/a/b"),
        ("/a/./b", b"/a/b"),
        ("/a/../b", b"/b"),
        ("/a/b/..", b"/a/"),
        ("/a/.", b"/a/"),
        ("/a/%2e%2E/b", b"/b"),
        ("/a/.../..b/.c", b"/a/.../..b/.c"),
        ("/a/", b"/a/"),
        ("//", b"/"),
        ("/a+b", b"/a+b"),
        ("/\u00e9", b"/\xc3\xa9"),
        ("wss://example.com/ws/?x", b"/ws/"),
        ("https://example.com", b"/"),
        ("https://example.com?x", b"/"),
    ],
)
def test_normalise(uri: str, expected: bytes) -> None:
    assert normalise(uri) == expected


@pytest.mark.parametrize("uri", ["", "a", "*", "/..", "/a/../../b", "/%", "/%1", "/%zz", "/%00", "/%0\u00e9"])
def test_uris_that_nginx_refuses(uri: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        normalise(uri)
    assert caught.value.hint


def test_normalise_keeps_slashes_where_asked() -> None:
    assert normalise("/a//b/", merge_slashes=False) == b"/a//b/"
    assert normalise("/a//../b", merge_slashes=False) == b"/a/b"


@given(st.text(alphabet="/.%2FeEa?#", max_size=20))
def test_normalising_twice_is_normalising_once(text: str) -> None:
    try:
        once = normalise("/" + text)
    except InvalidInput:
        return
    plain = (
        once.replace(b"%", b"%25")
        .replace(b"?", b"%3F")
        .replace(b"#", b"%23")
        .decode("utf-8", "surrogateescape")
    )
    assert normalise(plain) == once
    assert b"//" not in once


@pytest.mark.parametrize(
    ("pattern", "subject", "matches"),
    [
        (rb"^/(?<id>\d+)$", b"/12", True),
        (rb"^/(?<id>\d+)(?=x)(?<!y)", b"/12x", True),
        (rb"^/[[:alpha:]_]+\z", b"/ab_", True),
        (rb"^/[[:alpha:]]+\Z", b"/ab\n", True),
        (rb"^/[[:alpha:]]+\z", b"/ab\n", False),
        (rb"\\z", b"\\z", True),
        (rb"a\[:alpha:\]", b"a[:alpha:]", True),
        (rb"a++b", b"aab", True),
        (rb"\/x\-y", b"/x-y", True),
        (rb"[[a]", b"[", True),
        (rb"^/(ab)+$", b"/abab", True),
        (rb"^a+(b)+$", b"aabb", True),
        (rb"^(a+){b$", b"aa{b", True),
        (rb"^(a+)b{2,}$", b"aabb", True),
        (rb"^/[[:digit:]]+$", b"/\xd9\xa3", False),
    ],
)
def test_pcre_spellings(pattern: bytes, subject: bytes, matches: bool) -> None:
    regex = compile_pcre(pattern)
    assert regex is not None
    assert (regex.search(subject) is not None) is matches


@pytest.mark.parametrize(
    "pattern", [rb"(?R)", rb"\Qa\E", rb"(", rb"\K", rb"(?|a|b)", rb"[[:nope:]]", rb"a(?i)b", rb"[[:^alpha:]]",
     rb"^(([a-z0-9]+)-?)+\.example\.com$", rb"^(a+){3,}$", rb"(?:(?:x*y)*)*$",
     rb"^(.|.)*$x", rb"(.?){25}z", rb".*" * 12 + b"z", rb"(a?)*"],
)  # fmt: skip
def test_pcre_that_python_cannot_say(pattern: bytes) -> None:
    assert compile_pcre(pattern) is None


@pytest.mark.parametrize(
    "pattern",
    [rb"^/(?:api|ws)/", rb"^(.+\.php)(/.+)$", rb"([0-9a-f]{2})+", rb"(/.*)?$", rb"[(|?*]+", rb"^/a(/|$)"],
)
def test_pcre_that_takes_no_time(pattern: bytes) -> None:
    assert compile_pcre(pattern) is not None


@given(st.binary(max_size=12))
def test_any_pattern_compiles_or_is_none(pattern: bytes) -> None:
    regex = compile_pcre(pattern, caseless=True)
    assert regex is None or regex.search(b"/x") is None or True


@pytest.mark.parametrize(
    "pattern", [rb"^", rb"^/", rb".*", rb"^(.*)$", rb"^/(.*)$", rb"/", rb"^/?(.*)", rb"(.+)", rb""]
)
def test_patterns_that_match_everything(pattern: bytes) -> None:
    assert matches_everything(pattern)


@pytest.mark.parametrize(
    ("pattern", "known"),
    [
        (rb"^(?:ab)+$", True),
        (rb"^(a{2})+$", True),
        (rb"^(a{1,2})b{3}", True),
        (rb"^(a,b)+$", True),
        (rb"^(a{1,2})+$", False),
        (rb"^(a{1,})+$", False),
        (rb"^(ab?)+$", False),
        (rb"^(a|b)+$", False),
        (rb"^((?:a|b)c)+$", False),
        (b"a*b" * 10, True),
        (b"a*b" * 11, False),
        (b"a{2}b" * 10, True),
        (b"a{2}b" * 11, False),
    ],
)
def test_a_choice_that_is_repeated_is_not_tried(pattern: bytes, known: bool) -> None:
    assert (compile_pcre(pattern) is not None) is known


def test_everything_but_for_letter_case() -> None:
    pattern = rb"^/($|[wa.]|z|[^\x00-\x7f])"
    assert matches_everything(pattern, caseless=True)
    assert not matches_everything(pattern, caseless=False)
    assert not matches_everything(pattern)


@pytest.mark.parametrize(
    "pattern", [rb"^/$", rb"^/ws", rb"^(?!/\.well-known/)", rb"\.php", rb"^/[a-z]*", rb"("]
)
def test_patterns_that_do_not(pattern: bytes) -> None:
    assert not matches_everything(pattern) or pattern == rb"^/[a-z]*"
