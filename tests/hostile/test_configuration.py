"""No text that a route takes adds a directive to a configuration, loses one, or changes a word of one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import crossplane
import pytest
from hypothesis import assume, given
from support import hostile, routes
from support.routes import EXPECTED_MAPS, RouteMint, Shape, route_mints

from nginxws.config.blocks import BlockId, find_blocks
from nginxws.config.document import Directive, parse, unquote
from nginxws.errors import InvalidInput
from nginxws.plan import Drop, Put
from nginxws.planner import make_plan
from nginxws.printable import clean
from nginxws.render import RenderContext, render
from nginxws.route import Route
from nginxws.snapshot import FileState, NginxInfo, Snapshot

MAIN = "/n/nginx.conf"

NAMES = ("Host", "X-A", '"X-B"', "'x-real-ip'", "Upgrade", "connection", "X\\-C", "X-Forwarded-For")


def operators_headers(mint: RouteMint) -> list[tuple[str, str]]:
    """Names and values as an operator may write them: quoted, bare, with escapes and line breaks."""
    names = mint.sample(NAMES, mint.randint(0, 4))
    return [(name, operators_word(mint)) for name in names]


def operators_word(mint: RouteMint) -> str:
    while True:
        mark = mint.choice("\"' ")
        alphabet = "ab$\\\\n\"'#}é{" + ("" if mark == " " else " \t\r\n;{")
        raw = f"{mark}{mint.chars(alphabet, 0 if mark != ' ' else 1, 8)}{mark}".strip(" ")
        if _is_one_word(raw.encode()):
            return raw


def _is_one_word(raw: bytes) -> bool:
    try:
        (directive,) = parse(b"x " + raw + b" ;", "x").directives
    except Exception:
        return False
    return directive.words == (b"x", raw)


def value(raw: str) -> str:
    return unquote(raw.encode()).decode()


def accepted(given: dict[str, Any]) -> Route:
    """The route, or the end of this example; a refusal says what to write instead."""
    try:
        return routes.create(given)
    except InvalidInput as error:
        _is_told(error)
        assume(False)
        raise


def _is_told(error: InvalidInput) -> None:
    """A refusal that helps, and acts on no terminal."""
    assert error.hint
    assert error.message.isprintable()
    assert clean(str(error)) == str(error)
    assert len(str(error)) < 500


@hostile.examples(400)
@given(route_mints)
def test_a_text_holds_exactly_the_directives_of_its_route(mint: RouteMint) -> None:
    route, raw = accepted(mint.arguments()), operators_headers(mint)
    rendered = render(route, RenderContext(tuple(raw)))
    inherited = [(value(name), value(words)) for name, words in raw]
    assert read(rendered.location) == routes.expected_locations(route, inherited)
    assert rendered.maps is not None
    assert read(rendered.maps) == EXPECTED_MAPS
    upstream = rendered.upstream[1] if rendered.upstream else ""
    assert read(upstream) == routes.expected_upstream(route)
    lines = rendered.location.split("\n")
    assert all(line.strip() for line in lines)
    assert all(line.strip() in ("}", *(line.strip() for line in lines)) for line in lines)
    assert "\r" not in rendered.location, "one directive, one line"


def read(text: str) -> list[Shape]:
    document = parse(text.encode("utf-8", "surrogateescape"), "rendered")
    assert not document.comments
    return [routes.shape(directive) for directive in document.directives]


@hostile.examples(120, deep=4000)
@given(route_mints)
def test_crossplane_reads_the_same(tmp_path_factory: pytest.TempPathFactory, mint: RouteMint) -> None:
    """Another parser of NGINX's language, which keeps escapes as they are written."""
    route = accepted(mint.arguments())
    raw = [(name, words) for name, words in operators_headers(mint) if words[0] in "\"'"]
    rendered = render(route, RenderContext(tuple(raw)))
    upstream = rendered.upstream[1] if rendered.upstream else ""
    text = f"events {{}}\nhttp {{\n{rendered.maps}\n{upstream}\nserver {{\n{rendered.location}\n}}\n}}\n"
    file = tmp_path_factory.getbasetemp() / "crossplane.conf"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    parsed = crossplane.parse(str(file), check_ctx=False, check_args=False)
    assert parsed["status"] == "ok", parsed["errors"]
    ours = [_as_crossplane(one) for one in parse(file.read_bytes(), "x").directives]
    assert [_plain(one) for one in parsed["config"][0]["parsed"]] == ours


def _plain(item: dict[str, Any]) -> tuple[Any, ...]:
    return item["directive"], tuple(item["args"]), tuple(map(_plain, item.get("block", ())))


def _as_crossplane(directive: Directive) -> tuple[Any, ...]:
    words = tuple(_crossplane_word(word.decode("utf-8", "surrogateescape")) for word in directive.words[1:])
    return directive.name.decode(), words, tuple(map(_as_crossplane, directive.children))


def _crossplane_word(raw: str) -> str:
    """crossplane takes a backslash from a quote like the word's own, and from nothing else."""
    if raw[:1] not in ("'", '"'):
        return raw
    mark, inside, found = raw[0], iter(raw[1:-1]), ""
    for char in inside:
        pair = char + next(inside) if char == "\\" else char
        found += mark if pair == f"\\{mark}" else pair
    return found


def snapshot(data: bytes) -> Snapshot:
    return Snapshot("n", NginxInfo(conf=MAIN, main=MAIN), (FileState(MAIN, MAIN, data),))


@hostile.examples(150, deep=6000)
@given(route_mints)
def test_a_configuration_gains_the_route_and_nothing_else(mint: RouteMint) -> None:
    """From the operator's file to the planned one and back; the parents' headers go with the route."""
    route, raw = accepted(mint.arguments()), operators_headers(mint)
    newline = mint.choice(["\n", "\r\n"])
    inherited = [f"        proxy_set_header {name} {words};" for name, words in raw]
    lines = ["events { }", "http {", "    server {", "        listen 80;", *inherited, "    }", "}", ""]
    before = newline.join(lines).encode()
    (file,) = make_plan(snapshot(before), [Put(route)]).files
    after = parse(file.after, MAIN)
    old_http, new_http = (document.directives[1] for document in (parse(before, MAIN), after))
    (old_server,) = [child for child in old_http.children if child.name == b"server"]
    (new_server,) = [child for child in new_http.children if child.name == b"server"]
    headers = [(value(name), value(words)) for name, words in raw]
    assert added(old_server, new_server) == routes.expected_locations(route, headers)
    shared = [*EXPECTED_MAPS, *routes.expected_upstream(route)]
    assert sorted(added(old_http, new_http, besides=b"server")) == sorted(shared)

    ids = {block.id for block in find_blocks(after)}
    upstream = {BlockId("upstream", route.upstream_name)} if route.upstream_name else set()
    assert ids == {BlockId("route", route.path), BlockId("map", "websocket")} | upstream
    assert len(after.comments) == 2 * len(ids)
    assert not make_plan(snapshot(file.after), [Put(route)]).files, "put twice is put once"
    (back,) = make_plan(snapshot(file.after), [Drop(route.path)]).files
    assert back.after == before


def added(old: Directive, new: Directive, besides: bytes = b"") -> list[Shape]:
    """The children that ``new`` has more; those that it had stand there unchanged and in their order."""
    kept = [routes.shape(child) for child in old.children if child.name != besides]
    found = []
    for child in new.children:
        if child.name == besides:
            continue
        if kept and routes.shape(child) == kept[0]:
            del kept[0]
        else:
            found.append(routes.shape(child))
    assert not kept, "a directive of the operator's is lost"
    return found


@pytest.mark.parametrize(
    "field", ["path", "regex", "backend", "header name", "header value", "host", "tls name", "ca"]
)
@hostile.examples(100, deep=20_000)
@given(mint=route_mints)
def test_every_field_is_taken_or_refused_with_a_hint(field: str, mint: RouteMint) -> None:
    """Whatever stands in one field, and only there."""
    given: dict[str, Any] = {"path": "/ws/", "backends": ["wss://h.example:1"]}
    put = {
        "path": lambda text: given.update(path=text),
        "regex": lambda text: given.update(path=text, match="regex"),
        "backend": lambda text: given.update(backends=[text]),
        "header name": lambda text: given.update(headers=[(text, "x")]),
        "header value": lambda text: given.update(headers=[("X", text)]),
        "host": lambda text: given.update(host=text),
        "tls name": lambda text: given.update(tls_name=text),
        "ca": lambda text: given.update(tls_ca=text),
    }
    put[field](mint.choice([mint.hostile(), mint.hostile(), "a" * 5000, mint.regex()]))
    try:
        route = routes.create(given)
    except InvalidInput as error:
        _is_told(error)
    else:
        assert read(render(route).location) == routes.expected_locations(route)


def test_names_of_templates_are_ours(tmp_path: Path) -> None:
    """A folder of templates may be called anything; only files with our names in it are read."""
    folder = tmp_path / "a{{ 7*7 }}{% raw %}\n$(touch CANARY)"
    folder.mkdir()
    (folder / "evil.conf.j2").write_text("{{ cycler.__init__ }}")
    route = Route.create("/ws/", ["h:1"])
    with pytest.raises(InvalidInput, match="holds no template") as caught:
        render(route, templates=folder)
    assert caught.value.message.isprintable()
    (folder / "location.conf.j2").write_text("location {{ locations[0].match }} {\n  deny all;\n}\n")
    assert render(route, templates=folder).location == "location ^~ /ws/ {\n  deny all;\n}"
