"""Rendering: case files, header precedence, what a node lacks, and hostile input."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nginxws.config.document import parse, unquote
from nginxws.errors import ConfigError, ExitCode, InvalidInput, RenderError
from nginxws.features import Features
from nginxws.render import CURRENT, RenderContext, Rendered, render
from nginxws.route import Balance, Match, Route, Slashless

CASES = Path(__file__).parents[1] / "cases" / "render"
ONE = ["10.0.0.5:8080"]
HEADERS = ["proxy_set_header"] * 6
BODY = [
    "proxy_pass",
    "proxy_http_version",
    *HEADERS,
    "proxy_read_timeout",
    "proxy_send_timeout",
    "proxy_socket_keepalive",
]


def render_case(folder: Path) -> Rendered:
    case = tomllib.loads((folder / "route.toml").read_text(encoding="utf-8"))
    context = case.get("context", {})
    features = Features.from_dash_v(context["nginx_v"]) if "nginx_v" in context else CURRENT
    inherited = tuple((name, value) for name, value in context.get("inherited", ()))
    route = Route.create(case["path"], case["backends"], **case.get("options", {}))
    return render(route, RenderContext(inherited, features))


def sections(rendered: Rendered) -> str:
    """All of it, as the case files show it."""
    shared = [text for text in (rendered.maps, rendered.upstream and rendered.upstream[1]) if text]
    return "\n".join([*(["# http", *shared] if shared else []), "# server", rendered.location, ""])


@pytest.mark.parametrize("folder", sorted(CASES.iterdir()), ids=lambda folder: folder.name)
def test_case(folder: Path) -> None:
    text = sections(render_case(folder))
    assert text == (folder / "expected.conf").read_text(encoding="utf-8")
    lines = text.splitlines()
    assert all(line.strip() and line == line.rstrip() for line in lines)
    assert all(one != two for one, two in pairwise(lines))
    assert not any(
        word in text for word in ("TCP SECTION", "UPSTREAMPROTO", "MAPPROTO", "DEFUPPROTO", "common")
    )


def test_plain_is_the_documented_six_lines() -> None:
    assert render(
        Route.create(
            "/ws/", ["{appserver_ip}:{port}".format(appserver_ip="10.0.0.5", port=8080)], preset="plain"
        )
    ) == Rendered(
        "location /ws/ {\n"
        "   proxy_pass http://10.0.0.5:8080;\n"
        "   proxy_http_version 1.1;\n"
        "   proxy_set_header Upgrade $http_upgrade;\n"
        '   proxy_set_header Connection "upgrade";\n'
        "}"
    )


def names(text: str) -> list[tuple[str, list[str]]]:
    """Top-level names and the names in them, in order; nothing may be nested deeper."""
    document = parse(text.encode("utf-8", "surrogateescape"), "rendered")
    assert not document.comments
    assert not any(inner.body for outer in document.directives for inner in outer.children)
    return [
        (outer.name.decode(), [inner.name.decode() for inner in outer.children])
        for outer in document.directives
    ]


def headers_of(rendered: Rendered) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for directive in parse(rendered.location.encode(), "rendered").directives[0].children:
        if directive.name == b"proxy_set_header":
            name, value = (arg.decode() for arg in directive.args)
            found.setdefault(name.lower(), []).append(value)
    return found


def test_header_precedence() -> None:
    route = Route.create("/", ONE, headers=[("x-real-ip", "own"), ("X-Both", "own"), ("X-Own", "own")])
    inherited = (("X-REAL-IP", "theirs"), ("host", "theirs"), ("x-both", "theirs"), ("X-Theirs", "theirs"))
    found = headers_of(
        render(route, RenderContext((*inherited, ("Upgrade", "theirs"), ('"connection"', "theirs"))))
    )
    assert found == {
        "upgrade": ["$nginxws_upgrade"],
        "connection": ["$nginxws_connection"],
        "host": ["theirs"],
        "x-real-ip": ["own"],
        "x-forwarded-for": ["$proxy_add_x_forwarded_for"],
        "x-forwarded-proto": ["$scheme"],
        "x-both": ["own"],
        "x-theirs": ["theirs"],
        "x-own": ["own"],
    }


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["Host", "host", "X-A", "Upgrade"]), st.sampled_from(["1", "$host", '"a b"'])
        )
    )
)
def test_inherited_lines_all_arrive(inherited: list[tuple[str, str]]) -> None:
    rendered = render(Route.create("/", ONE), RenderContext(tuple(inherited)))
    found = headers_of(rendered)
    for key in ("host", "x-a"):
        expected = [value.strip('"') for name, value in inherited if name.lower() == key]
        assert found.get(key, []) == (expected or (["$host"] if key == "host" else []))
    assert found["upgrade"] == ["$nginxws_upgrade"]
    lines = rendered.location.split("\n")
    assert all(one != two for one, two in pairwise(lines))


@pytest.mark.parametrize(
    "value", ["a; evil on", "a { }", 'a" b', "a b", "a;\n} location / {", "", "# a", "}"]
)
def test_inherited_value_that_is_no_single_word(value: str) -> None:
    with pytest.raises(RenderError):
        render(Route.create("/", ONE), RenderContext((("X-A", value),)))


def test_bytes_that_are_not_text_survive() -> None:
    raw = b"\xe9\xff".decode("utf-8", "surrogateescape")
    assert (
        f"proxy_set_header X-A {raw};"
        in render(Route.create("/", ONE), RenderContext((("X-A", raw),))).location
    )


@pytest.mark.parametrize(
    ("backends", "options", "dash_v", "words"),
    [
        (ONE, {}, "nginx/1.2.0", "1.3.13"),
        (ONE, {"preset": "plain"}, "nginx/1.2.0", "1.3.13"),
        (ONE, {}, "", "unknown version"),
        (ONE, {}, "nginx/1.30.0 configure arguments: --without-http_map_module", "http_map_module"),
        (
            ONE,
            {"preset": "plain"},
            "nginx/1.30.0 configure arguments: --without-http_proxy_module",
            "http_proxy_module",
        ),
        (ONE, {"slashless": "redirect"}, "nginx/1.12.2", "1.13.0"),
        (["a:1 max_conns=5"], {}, "nginx/1.10.3", "1.11.5"),
        (["a:1", "b:1"], {"balance": "random"}, "nginx/1.14.0", "1.15.1"),
        (
            ["a:1", "b:1"],
            {"balance": "ip-hash"},
            "nginx/1.30.0 configure arguments: --without-http_upstream_ip_hash_module",
            "ip_hash",
        ),
        (["https://a"], {}, "nginx/1.30.0 configure arguments: --with-debug", "http_ssl_module"),
        (["https://10.0.0.1"], {"tls_name": "a"}, "nginx/1.6.0", "1.7.0"),
        (["https://a"], {"tls_ca": "/ca"}, "nginx/1.6.0", "1.7.0"),
    ],
)
def test_what_the_node_lacks_is_refused(
    backends: list[str], options: dict[str, str], dash_v: str, words: str
) -> None:
    route = Route.create("/ws/", backends, **options)  # type: ignore[arg-type]  # options are data
    with pytest.raises(ConfigError, match=words) as caught:
        render(route, RenderContext(features=Features.from_dash_v(dash_v)))
    assert caught.value.hint


@pytest.mark.parametrize(
    ("backends", "options", "dash_v", "asked"),
    [
        (ONE, {"preset": "plain"}, "nginx/1.2.0", "proxying WebSockets"),
        (ONE, {}, "nginx/1.30.0 configure arguments: --without-http_map_module", "the default block"),
        (["https://a"], {}, "nginx/1.30.0 configure arguments: --with-debug", "TLS to the backend"),
        (["https://10.0.0.1"], {"tls_name": "a"}, "nginx/1.6.0", "a TLS name"),
        (
            ["https://a"],
            {"tls_ca": "/ca", "tls_name": None},
            "nginx/1.6.0",
            "verification of the backend's certificate",
        ),
        (ONE, {"slashless": "redirect"}, "nginx/1.12.2", "slashless redirect"),
        (["a:1", "a:2 max_conns=5"], {}, "nginx/1.10.3", "max_conns"),
        (["a:1", "b:1"], {"balance": "random"}, "nginx/1.14.0", "random balancing"),
    ],
)
def test_what_is_said_of_what_the_node_lacks(
    backends: list[str], options: dict[str, str], dash_v: str, asked: str
) -> None:
    route = Route.create("/ws/", backends, **options)  # type: ignore[arg-type]  # options are data
    with pytest.raises(ConfigError) as caught:
        render(route, RenderContext(features=Features.from_dash_v(dash_v)))
    assert caught.value.message.startswith(f"this NGINX can't do {asked}: ")
    plain = asked == "the default block"
    assert caught.value.hint == (
        "use --preset plain" if plain else "leave the option out, or use another NGINX"
    )


def test_without_map_module_plain_works() -> None:
    features = Features((1, 30, 0), frozenset({"http_map_module"}))
    assert render(Route.create("/", ONE, preset="plain"), RenderContext(features=features)).maps is None


def test_default_that_the_node_lacks_is_left_out() -> None:
    rendered = render(Route.create("/", ONE), RenderContext(features=Features((1, 10, 3))))
    assert "proxy_socket_keepalive" not in rendered.location


def test_balance_needs_no_module_for_one_backend() -> None:
    features = Features((1, 14, 0))
    assert render(Route.create("/", ONE, balance="random"), RenderContext(features=features)).upstream is None


def test_own_template_sees_the_route(tmp_path: Path) -> None:
    (tmp_path / "location.conf.j2").write_text(
        "location {{ locations[0].match }} { set $a {{ route.host | quote }}; }"
    )
    rendered = render(Route.create("/ws/", ONE, host="a.b"), templates=tmp_path)
    assert rendered.location == "location ^~ /ws/ { set $a a.b; }"
    assert rendered.maps == render(Route.create("/ws/", ONE)).maps


@pytest.mark.parametrize(
    ("backends", "target"),
    [
        (ONE, "http://10.0.0.5:8080/ws/"),
        (["unix:/run/a"], "http://unix:/run/a:/ws/"),
    ],
)
def test_an_alias_sends_the_path_with_its_slash(backends: list[str], target: str) -> None:
    rendered = render(Route.create("/ws/", backends, slashless="alias"))
    _, alias = parse(rendered.location.encode(), "rendered").directives
    assert [one.args for one in alias.children if one.name == b"proxy_pass"] == [(target.encode(),)]


def test_own_plain_template_sees_the_route(tmp_path: Path) -> None:
    (tmp_path / "plain.conf.j2").write_text("location {{ locations[0].match }} { set $a {{ route.path }}; }")
    rendered = render(Route.create("/ws/", ONE, preset="plain"), templates=tmp_path)
    assert rendered.location == "location /ws/ { set $a /ws/; }"


NASTY = "/aA0.-_~!&()*+,=:@;{}\n\r\t $\"'\\#%?[]^|<>`\0\x7fé\udc80"
hostile = (
    st.text(st.sampled_from(NASTY), max_size=12)
    | st.text(max_size=12)
    | st.from_regex(r"[!-~]{1,8}", fullmatch=True)
)
GOOD: dict[str, st.SearchStrategy[str]] = {
    "path": st.sampled_from(["/ws/", "/a/b/"]),
    "backend": st.sampled_from(["10.0.0.5:8080", "[::1]:1", "unix:/a", "app:80", "app:80 weight=2"]),
    "header name": st.just("X-A"),
    "header value": st.sampled_from(["$host", "a b", ""]),
    "host": st.sampled_from(["$http_host", "a.b:1"]),
}
HOSTILE = {
    "path": hostile.map(lambda text: f"/{text}/"),
    "backend": hostile | hostile.map(lambda text: f"a:1{text}") | hostile.map(lambda text: f"unix:/{text}"),
    "header name": hostile.map(lambda text: f"X-{text}"),  # never one of ours
    "header value": hostile,
    "host": hostile | hostile.map(lambda text: f"$host{text}"),
}


def expected_names(route: Route) -> list[tuple[str, list[str]]]:
    """What the default block holds for these options, spelled out once more."""
    body = ["proxy_pass", "proxy_http_version", *HEADERS, *["proxy_set_header"] * len(route.headers)]  # X-…
    body += ["proxy_read_timeout", "proxy_send_timeout", "proxy_socket_keepalive"]
    body += ["proxy_ssl_server_name", "proxy_ssl_name"] if route.server_name else []
    second = {
        Slashless.NONE: [],
        Slashless.REDIRECT: [("location", ["absolute_redirect", "return"])],
        Slashless.ALIAS: [("location", body)],
    }
    return [("location", body), *second[route.slashless]]


@pytest.mark.parametrize("field", GOOD)
@given(data=st.data())
def test_no_input_adds_a_directive(field: str, data: st.DataObject) -> None:
    text = {name: data.draw(HOSTILE[name] if name == field else good) for name, good in GOOD.items()}
    match = data.draw(st.sampled_from([Match.PRIORITY, Match.PREFIX]))
    balance = data.draw(st.sampled_from(Balance))
    refused: InvalidInput | None = None
    try:
        route = Route.create(
            text["path"],
            data.draw(st.sampled_from([[text["backend"]], [text["backend"], "10.9.9.9:9"]])),
            headers=[(text["header name"], text["header value"])],
            host=text["host"],
            match=match,
            slashless=data.draw(st.sampled_from(Slashless)),
            balance=balance,
        )
    except InvalidInput as error:
        refused = error
    else:
        rendered = render(route)
        assert names(rendered.location) == expected_names(route)
        if rendered.upstream is not None:
            balanced = [] if balance is Balance.ROUND_ROBIN else [balance.value.replace("-", "_")]
            assert names(rendered.upstream[1]) == [("upstream", balanced + ["server"] * len(route.backends))]
    assert refused is None or (str(refused).isprintable() and refused.code is ExitCode.USAGE)


@pytest.mark.parametrize("preset", ["default", "plain"])
@pytest.mark.parametrize("path", ["/ws/ { } location /x", "/ws/ { allow all; } #"])
def test_a_path_that_no_whitelist_has_seen_is_quoted(preset: Literal["default", "plain"], path: str) -> None:
    route = replace(Route.create("/ws/", ONE, preset=preset), path=path)
    (location,) = parse(render(route).location.encode(), "rendered").directives
    assert location.args[-1] == path.encode()


@pytest.mark.parametrize("preset", ["default", "plain"])
def test_a_backend_that_no_whitelist_has_seen_is_caught(preset: Literal["default", "plain"]) -> None:
    route = Route.create("/ws/", ONE, preset=preset)
    evil = replace(route, backends=(replace(route.backends[0], host="a:1; allow all; #"),))
    with pytest.raises(RenderError):
        render(evil)


@given(hostile | st.just("a.b"), hostile | st.just("etc/ca.pem"))
def test_no_tls_option_adds_a_directive(name: str, file: str) -> None:
    try:
        route = Route.create("/", ["https://10.0.0.1"], tls_name=name, tls_ca=f"/{file}")
    except InvalidInput:
        return
    verification = ["proxy_ssl_trusted_certificate", "proxy_ssl_verify", "proxy_ssl_verify_depth"]
    body = [*BODY, "proxy_ssl_server_name", "proxy_ssl_name", *verification]
    assert names(render(route).location) == [("location", body)]


@given(st.from_regex(r"[\x21-\x7e]{1,30}", fullmatch=True))
def test_regular_expression_reads_back_exactly(text: str) -> None:
    try:
        route = Route.create(text, ONE, match="regex")
    except InvalidInput:
        return
    location = parse(render(route).location.encode(), "rendered").directives[0]
    assert location.args == (b"~", text.encode())
    assert [child.name.decode() for child in location.children] == BODY


@given(st.from_regex(r"[ -~]{0,30}", fullmatch=True))
def test_header_value_reads_back_exactly(text: str) -> None:
    try:
        route = Route.create("/", ONE, headers=[("X-A", text)])
    except InvalidInput:
        return
    assert headers_of(render(route))["x-a"] == [text]


@pytest.mark.parametrize(
    ("raw", "written"),
    [
        ('"a\r\nb"', r'"a\r\nb"'),
        ('"a\\\nb"', r'"a\\\nb"'),
        ('"a\\\\\nb"', r'"a\\\nb"'),
        ("a\\\rb", r"a\\\rb"),
        ('"a\\tb\\\\"', r'"a\tb\\"'),
    ],
)
def test_a_line_break_in_an_inherited_value_stays_the_same_byte(raw: str, written: str) -> None:
    """One directive, one line; and a backslash in front of the break isn't lost in it."""
    text = render(Route.create("/ws/", ["h:1"]), RenderContext((("X-A", raw),))).location
    assert f"    proxy_set_header X-A {written};" in text.split("\n")
    assert unquote(written.encode()) == unquote(raw.encode())
