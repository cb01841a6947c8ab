"""From what is wanted and a snapshot to a plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nginxws.errors import (
    ConfigError,
    DriftError,
    InvalidInput,
    NginxwsError,
    ParseError,
    RouteConflict,
    ServerChoiceError,
    SpliceError,
)
from nginxws.plan import Drop, NodePlan, Put, Wanted
from nginxws.planner import load_tree, make_plan
from nginxws.route import Route
from nginxws.snapshot import FileState, NginxInfo, Snapshot

MAIN = "/etc/nginx/nginx.conf"
SITE = b"""events { }
http {
    server {
        listen 80;
        server_name a.example;
        location / { root /srv; }
    }
}
"""
TWO = b"""server { listen 80; server_name a.example; location / { root /a; } }
server { listen 8080; server_name b.example; location / { root /b; } }
"""


def snapshot(files: bytes | dict[str, bytes], **nginx: Any) -> Snapshot:
    texts = {MAIN: files} if isinstance(files, bytes) else files
    main = next(iter(texts))
    states = tuple(FileState(path, path, data) for path, data in texts.items())
    return Snapshot("lb1", NginxInfo(conf=main, main=main, **nginx), states)


def put(path: str = "/ws/", *backends: str, options: dict[str, Any] | None = None, **want: Any) -> Put:
    return Put(Route.create(path, backends or ["10.0.0.5:8080"], **(options or {})), **want)


def plan(files: bytes | dict[str, bytes], *wanted: Wanted) -> NodePlan:
    return make_plan(snapshot(files), wanted)


def after(files: dict[str, bytes], *wanted: Wanted) -> dict[str, bytes]:
    return files | {file.path: file.after for file in plan(files, *wanted).files}


def steps(data: bytes, *steps: Sequence[Wanted]) -> bytes:
    """The main file after one plan after another."""
    for wanted in steps:
        data = after({MAIN: data}, *wanted)[MAIN]
    return data


def actions(result: NodePlan) -> list[str]:
    return [change.action for change in result.changes]


def marker(data: bytes, path: str = "/ws/", number: int = 0) -> str:
    """``file:line`` of a route's begin marker in the main file."""
    begin = f"# nginxws: begin route {path} ".encode()
    lines = [n for n, line in enumerate(data.split(b"\n"), start=1) if line.strip().startswith(begin)]
    return f"{MAIN}:{lines[number]}"


def failure(files: bytes | dict[str, bytes], *wanted: Wanted) -> NginxwsError:
    with pytest.raises(NginxwsError) as caught:
        plan(files, *wanted)
    assert caught.value.hint
    return caught.value


# --- one route ----------------------------------------------------------------------------------


def test_add_change_unchanged_remove() -> None:
    first = plan(SITE, put())
    assert actions(first) == ["add"]
    assert first.node == "lb1"
    assert first.changes[0].server == f"a.example:80 ({MAIN}:3)"
    assert first.changes[0].where == marker(first.files[0].after)
    assert [file.path for file in first.files] == [MAIN]
    assert [probe.route for probe in first.probes] == ["/ws/"]
    assert first.contexts == {MAIN: frozenset({()})}
    assert first.base == ((MAIN, snapshot(SITE).files[0].sha256),)
    added = first.files[0].after

    again = plan(added, put())
    assert actions(again) == ["unchanged"]
    assert again.changes[0].where == first.changes[0].where
    assert (again.files, again.probes, again.diff) == ((), (), "")

    changed = plan(added, put("/ws/", "10.0.0.6:8080"))
    assert actions(changed) == ["change"]
    assert changed.probes
    assert b"10.0.0.5" not in changed.files[0].after

    removed = plan(added, Drop("/ws/"))
    assert actions(removed) == ["remove"]
    assert removed.changes[0].server.startswith("a.example:80")
    assert removed.files[0].after == SITE
    assert removed.probes == ()


def test_several_in_one_plan_and_what_goes_comes_first() -> None:
    data = steps(SITE, [put("/a/"), put("/b/")])
    result = plan(data, put("/c/"), Drop("/a/"), put("/b/"))
    assert [(change.action, change.route) for change in result.changes] == [
        ("remove", "/a/"),
        ("add", "/c/"),
        ("unchanged", "/b/"),
    ]
    assert steps(result.files[0].after, [Drop("/b/"), Drop("/c/")]) == SITE


def test_a_dropped_route_makes_room_in_the_same_plan() -> None:
    data = steps(SITE, [put("/ws/", options={"slashless": "alias"})])
    result = plan(data, put("/ws", options={"match": "exact"}), Drop("/ws/"))
    assert actions(result) == ["remove", "add"]
    moved = plan(data, Drop("/ws/"), put("/ws/", "10.0.0.9:1"))
    assert steps(moved.files[0].after, [Drop("/ws/")]) == SITE


@pytest.mark.parametrize(
    "pair",
    [
        (put(), put("/ws/", "10.0.0.6:1")),
        (put("/ws/", options={"slashless": "alias"}), put("/ws", options={"match": "exact"})),
        (put(), put("/ws/", options={"match": "prefix"})),
    ],
)
def test_two_wanted_routes_of_one_location_are_refused(pair: tuple[Put, Put]) -> None:
    error = failure(SITE, *pair)
    assert isinstance(error, InvalidInput)
    assert "/ws" in error.message


def test_a_path_may_be_exact_and_prefix_of_different_servers() -> None:
    result = plan(
        TWO,
        put(server="a.example"),
        put("/ws/", "10.0.0.6:8080", server="b.example", options={"match": "exact"}),
    )
    assert actions(result) == ["add", "add"]
    assert [probe.port for probe in result.probes] == [80, 8080]
    text = result.files[0].after
    assert (text.count(b"10.0.0.5"), text.count(b"10.0.0.6"), text.count(b"begin map")) == (1, 1, 1)


def test_a_regex_route() -> None:
    route = put(r"^/ws/\d+$", options={"match": "regex"})
    data = steps(SITE, [route])
    assert rb"location ~ ^/ws/\d+$ {" in data
    assert actions(plan(data, route)) == ["unchanged"]
    assert steps(data, [Drop(r"^/ws/\d+$")]) == SITE
    hand = SITE.replace(b"location / {", rb"location ~ ^/ws/\d+$ { return 200; } location / {")
    assert isinstance(failure(hand, route), RouteConflict)
    assert isinstance(failure(hand, Drop(r"^/ws/\d+$")), RouteConflict)


def test_headers_of_the_parents_are_carried_over() -> None:
    data = SITE.replace(
        b"listen 80;", b"listen 80; proxy_set_header X-Tenant 'a b'; proxy_set_header broken;"
    )
    assert b"proxy_set_header X-Tenant 'a b';" in steps(data, [put()])


def test_own_templates(tmp_path: Path) -> None:
    (tmp_path / "location.conf.j2").write_text(
        (Path(__file__).parents[2] / "templates" / "location.conf.j2")
        .read_text()
        .replace("proxy_http_version 1.1;", "proxy_http_version 1.1;  # ours")
    )
    result = make_plan(snapshot(SITE), [put()], templates=tmp_path)
    assert b"# ours" in result.files[0].after


def test_what_the_node_lacks_is_left_out_or_refused() -> None:
    old = snapshot(SITE, dash_v="nginx version: nginx/1.10.3\nconfigure arguments: --prefix=/n")
    assert b"socket_keepalive" not in make_plan(old, [put()]).files[0].after
    assert b"socket_keepalive" in plan(SITE, put()).files[0].after
    with pytest.raises(ConfigError, match="max_conns"):
        make_plan(old, [put("/ws/", "10.0.0.5:80 max_conns=3")])


# --- hand-written locations -----------------------------------------------------------------------

HAND = SITE.replace(
    b"location / {",
    b"""location /ws/ {
            proxy_pass http://10.0.0.5:8080;
            proxy_http_version 1.1;
            proxy_set_header upgrade $http_upgrade;
            proxy_set_header Connection "upgrade";
            proxy_set_header Host $host;
            proxy_read_timeout 3600;
        }
        location / {""",
)


def test_a_hand_written_location_is_in_the_way() -> None:
    error = failure(HAND, put())
    assert isinstance(error, RouteConflict)
    assert (error.file, error.line) == (MAIN, 6)
    assert "--adopt" in str(error.hint)


def test_adopt_and_replace() -> None:
    adopted = plan(HAND, put(adopt=True))
    assert actions(adopted) == ["change"]
    text = adopted.files[0].after
    assert text.count(b"location ^~ /ws/") == 1
    assert b"location /ws/" not in text
    assert actions(plan(text, put(adopt=True))) == ["unchanged"]
    assert steps(text, [Drop("/ws/")]) == SITE

    unlike = HAND.replace(b"10.0.0.5", b"10.0.0.7")
    error = failure(unlike, put(adopt=True))
    assert isinstance(error, RouteConflict)
    assert "proxy_pass http://10.0.0.7:8080" in str(error.detail)
    assert "--replace" in str(error.hint)
    assert plan(unlike, put(replace=True)).files[0].after == text


def test_adopt_in_an_included_file_and_find_it_again_there() -> None:
    files = {
        MAIN: b"events { }\nhttp { server { listen 80; include ws.inc; location / { root /; } } }\n",
        "/etc/nginx/ws.inc": (
            b"location = /ws {\n    proxy_pass http://10.0.0.5:8080;\n    proxy_set_header Host $host;\n}\n"
        ),
    }
    want = put("/ws", adopt=True, options={"match": "exact"})
    adopted = after(files, want)
    assert b"begin route /ws" in adopted["/etc/nginx/ws.inc"]
    assert actions(plan(adopted, want)) == ["unchanged"]
    assert actions(plan(adopted, put("/ws", "10.0.0.9:1", options={"match": "exact"}))) == ["change"]
    removed = plan(adopted, Drop("/ws", server=":80"))
    assert removed.changes[0].where == "/etc/nginx/ws.inc:1"
    gone = {file.path: file.after for file in removed.files}
    assert gone == {MAIN: files[MAIN], "/etc/nginx/ws.inc": b""}


def test_a_slashless_location_in_the_way() -> None:
    data = SITE.replace(b"location / {", b"location =/ws { return 200; } location / {")
    error = failure(data, put("/ws/", options={"slashless": "redirect"}, replace=True))
    assert isinstance(error, RouteConflict)
    assert "--slashless" in str(error.hint)


def test_another_managed_route_in_the_way() -> None:
    data = steps(SITE, [put("/ws/", options={"slashless": "alias"})])
    error = failure(data, put("/ws", options={"match": "exact"}, replace=True))
    assert isinstance(error, RouteConflict)
    assert "the managed route /ws/ serves = /ws already" in error.message
    assert "remove-route /ws/" in str(error.hint)


def test_a_hand_written_location_besides_the_managed_one() -> None:
    data = steps(SITE, [put()]).replace(b"location / {", b"location = /ws/ { return 200; } location / {")
    error = failure(data, put("/ws/", options={"match": "exact"}, replace=True))
    assert isinstance(error, RouteConflict)
    assert "besides the managed route" in error.message


WEBSOCKET = "proxy_pass http://h:1; proxy_set_header Upgrade $http_upgrade;"


def with_locations(text: str) -> bytes:
    return SITE.replace(b"location / { root /srv; }", text.replace("WS", WEBSOCKET).encode())


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("location ~ ^/ws/(.*)$ { WS }", {}),
        ("location ~ ^/ws/.+ { WS }", {}),
        ("location ~* ^/Ws/ { WS }", {"match": "exact"}),
        ("location / { location /ws/ { WS } }", {}),
        ("location / { location = /ws/ { WS } }", {}),
        ("location / { location ~ ^/ws/ { WS } }", {}),
        (f"location / {{ {WEBSOCKET.split(';')[1]}; location /ws/ {{ proxy_pass http://h:1; }} }}", {}),
        ("location /ws/ { WS }", {"match": "exact"}),
    ],
)
def test_a_hand_written_websocket_route_of_another_form(text: str, options: dict[str, str]) -> None:
    data = with_locations(text)
    for adopt in (False, True):
        error = failure(data, put(options=options, adopt=adopt))
        assert isinstance(error, RouteConflict)
        assert error.message == "/ws/ is already served by this hand-written location"
        assert (error.file, error.line) == (MAIN, 6)
        assert "--replace: the route then comes before it" in str(error.hint)
    shadowed = steps(data, [put(options=options, replace=True)])
    assert b"http://h:1" in shadowed
    assert actions(plan(shadowed, put(options=options))) == ["unchanged"]
    assert steps(shadowed, [Drop("/ws/")]) == data


@pytest.mark.parametrize(
    "text",
    [
        "location / { WS }",
        "location ^~ /w { WS }",
        "location ~ / { WS }",
        "location ~ ^/ws/ { return 204; }",
        "location ~ ^/ws/ { proxy_pass http://h:1; }",
        "location / { location /ws { WS } }",
        "location /ws/deeper/ { WS }",
        "location ~ ^/ws/\\d+$ { WS }",
        "",
    ],
)
def test_what_is_no_reason_to_refuse(text: str) -> None:
    data = with_locations(text)
    assert steps(data, [put()], [Drop("/ws/")]) == data


def test_a_path_whose_301_the_route_replaces() -> None:
    assert actions(plan(with_locations("location /ws/ { WS }"), put("/ws"))) == ["add"]


def test_an_exact_location_would_keep_the_path() -> None:
    data = with_locations("location = /ws/ { return 204; } location / { }")
    for want in (put(), put(adopt=True), put(options={"match": "prefix"})):
        error = failure(data, want)
        assert isinstance(error, RouteConflict)
        assert (error.file, error.line) == (MAIN, 6)
        assert "whose exact match comes first" in error.message
        assert "--replace puts" in str(error.hint)
    replaced = steps(data, [put(replace=True)])
    assert b"= /ws/" not in replaced
    assert actions(plan(replaced, put())) == ["unchanged"]

    both = with_locations("location = /ws/ { return 204; } location /ws/ { return 200; }")
    error = failure(both, put(replace=True))
    assert "= /ws/" in both.decode()
    assert error.hint == "take it out by hand first"


def test_a_regex_would_win_over_a_plain_prefix() -> None:
    data = with_locations("location ~ ^/ws/ { return 204; }")
    error = failure(data, put(options={"match": "prefix"}, replace=True))
    assert isinstance(error, RouteConflict)
    assert (error.file, error.line) == (MAIN, 6)
    assert "wins over a plain prefix" in error.message
    assert "--match priority" in str(error.hint)
    assert actions(plan(data, put())) == ["add"]


def test_another_managed_route_would_keep_the_path() -> None:
    data = steps(SITE, [put("/ws/", options={"slashless": "alias"})])
    error = failure(data, put("/ws"))
    assert isinstance(error, RouteConflict)
    assert "the managed route /ws/ serves = /ws already" in error.message
    assert actions(plan(data, put("/ws"), Drop("/ws/"))) == ["remove", "add"]


# --- removal ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "note"),
    [
        ("/ws", "did you mean /ws/?"),
        ("/wss/", "did you mean /ws/?"),
        ("/x/", ""),
        ("ws", "did you mean /ws/?"),
    ],
)
def test_a_route_that_isnt_there(path: str, note: str) -> None:
    result = plan(steps(SITE, [put()]), Drop(path))
    assert actions(result) == ["unchanged"]
    assert result.files == ()
    assert result.changes[0].note == note


def test_remove_from_the_server_that_is_meant() -> None:
    data = steps(TWO, [put(server="a.example")])
    elsewhere = plan(data, Drop("/ws/", server="b.example"))
    assert actions(elsewhere) == ["unchanged"]
    assert elsewhere.changes[0].note.startswith(f"it is in another server ({MAIN}:")
    assert isinstance(failure(data, Drop("/ws/", server="c.example")), ServerChoiceError)
    assert steps(data, [Drop("/ws/", server="a.example")]) == TWO

    both = steps(data, [put(server="b.example")])
    error = failure(both, Drop("/ws/"))
    assert isinstance(error, ServerChoiceError)
    assert "--server a.example:80" in str(error.hint)
    assert "--server b.example:8080" in str(error.hint)
    assert steps(both, [Drop("/ws/", server="a.example:80")], [Drop("/ws/", server="b.example:8080")]) == TWO


def test_remove_from_a_server_that_only_redirects_by_now() -> None:
    data = steps(SITE, [put()]).replace(b"listen 80;", b"listen 80; return 301 https://x;")
    assert isinstance(failure(data, put("/b/", server="a.example")), ServerChoiceError)
    assert actions(plan(data, Drop("/ws/", server="a.example"))) == ["remove"]


@pytest.mark.parametrize("location", [b"/ws/", b"^~ /ws/", b"= /ws/", b"~ /ws/", b"~* /ws/"])
def test_a_hand_written_route_is_not_removed(location: bytes) -> None:
    data = SITE.replace(b"location / {", b"location " + location + b" { return 200; } location / {")
    error = failure(data, Drop("/ws/"))
    assert isinstance(error, RouteConflict)
    assert (error.file, error.line) == (MAIN, 6)


def test_a_hand_written_one_in_another_server_is_no_reason_to_refuse() -> None:
    data = TWO.replace(b"location / { root /b; }", b"location /ws/ { return 200; } location / { root /b; }")
    assert actions(plan(data, Drop("/ws/", server="a.example"))) == ["unchanged"]


# --- drift --------------------------------------------------------------------------------------------


def test_a_hand_edit_is_not_lost_silently() -> None:
    edited = steps(SITE, [put()]).replace(b"proxy_read_timeout 1h;", b"proxy_read_timeout 2h;")
    for want in (put(), Drop("/ws/")):
        error = failure(edited, want)
        assert isinstance(error, DriftError)
        assert "the managed block of route /ws/" in error.message
        assert edited.split(b"\n")[(error.line or 0) - 1].strip().startswith(b"# nginxws: begin route /ws/")
    fixed = plan(edited, put(overwrite_drift=True))
    assert actions(fixed) == ["change"]
    assert fixed.files[0].after == steps(SITE, [put()])
    assert steps(edited, [Drop("/ws/", overwrite_drift=True)]) == SITE


def test_maps_edited_by_hand() -> None:
    edited = steps(SITE, [put()]).replace(b"websocket upgrade;", b"websocket Upgrade;")
    for wanted in (put(), put("/b/"), Drop("/ws/")):
        error = failure(edited, wanted)
        assert isinstance(error, DriftError)
        assert "map websocket" in error.message
    assert actions(plan(edited, put(overwrite_drift=True))) == ["change"]
    assert steps(edited, [put("/b/", overwrite_drift=True)]) == steps(SITE, [put()], [put("/b/")])
    assert steps(edited, [Drop("/ws/", overwrite_drift=True)]) == SITE


def test_maps_that_somebody_deleted_come_back() -> None:
    good = steps(SITE, [put()])
    start = good.index(b"    # nginxws: begin map")
    broken = good[:start] + good[good.index(b"    server {") :]
    result = plan(broken, put())
    assert actions(result) == ["change"]
    assert result.probes
    assert result.files[0].after == good


# --- what routes share ----------------------------------------------------------------------------------

SPLIT = {
    MAIN: b"events { }\nhttp { include conf.d/*.conf; }\n",
    "/etc/nginx/conf.d/a.conf": b"server {\n\tlisten 80;\n\tserver_name a.example;\n\tlocation / { }\n}\n",
    "/etc/nginx/conf.d/b.conf": b"server {\r\n listen 80;\r\n server_name b.example;\r\n}\r\n",
}
POOL = ("10.0.0.1:80", "10.0.0.2:80")


def total(files: dict[str, bytes], text: bytes) -> int:
    return sum(data.count(text) for data in files.values())


def test_maps_and_upstreams_are_once_per_configuration() -> None:
    files = after(SPLIT, put("/ws/", *POOL, server="b.example"))
    assert files["/etc/nginx/conf.d/b.conf"].count(b"begin map websocket") == 1
    files = after(files, put("/ws/", *POOL, server="a.example"), put("/other/", server="a.example"))
    assert total(files, b"begin map websocket") == 1
    assert total(files, b"begin upstream") == 1
    assert total(files, b"proxy_pass http://nginxws_ws_") == 2
    files = after(files, Drop("/ws/", server="b.example"))
    assert total(files, b"begin upstream") == 1
    files = after(files, Drop("/ws/"))
    assert total(files, b"begin upstream") == 0
    assert total(files, b"begin map websocket") == 1
    assert after(files, Drop("/other/")) == SPLIT


def test_a_changed_backend_set_is_another_upstream() -> None:
    data = steps(SITE, [put("/ws/", *POOL)], [put("/ws/", *POOL, "10.0.0.3:80")])
    assert data.count(b"begin upstream") == 1
    assert b"server 10.0.0.3:80;" in data
    shared = steps(SITE, [put("/ws/", *POOL)])
    name = shared.partition(b"begin upstream ")[2].split()[0]
    shared = shared.replace(b"root /srv;", b"proxy_pass http://" + name + b";")
    kept = steps(shared, [put("/ws/", "10.0.0.9:80")])
    assert b"begin upstream " + name in kept


def test_the_plain_preset_needs_no_maps() -> None:
    data = steps(SITE, [put(options={"preset": "plain"})])
    assert b"begin map" not in data
    both = steps(data, [put("/b/")])
    assert b"begin map" in both
    assert steps(both, [Drop("/b/")]) == data


def test_a_hand_written_use_keeps_the_maps() -> None:
    data = SITE.replace(b"root /srv;", b"proxy_set_header Upgrade $nginxws_upgrade;")
    kept = steps(data, [put()], [Drop("/ws/")])
    assert b"begin map websocket" in kept


def test_blocks_of_a_kind_we_dont_know_stay() -> None:
    block = b"    # nginxws: begin origin o 0123456789abcdef\n    # nginxws: end origin o\n"
    data = SITE.replace(b"    server {", block + b"    server {")
    assert steps(data, [put()], [Drop("/ws/")]) == data


@pytest.mark.parametrize(
    "foreign", [b"map $a $nginxws_upgrade { default x; }", b"upstream nginxws_x { server 10.0.0.1; }"]
)
def test_a_foreign_definition_of_our_names_is_refused(foreign: bytes) -> None:
    error = failure(SITE.replace(b"http {", b"http {\n" + foreign), put())
    assert "defines a name" in error.message
    assert (error.file, error.line) == (MAIN, 3)


# --- the maps, after what sets their hashes ---------------------------------------------------------------

TUNED = SITE.removesuffix(b"}\n")


@pytest.mark.parametrize(
    "late",
    [
        b"    map_hash_bucket_size 128;\n}\n",
        b"    map_hash_bucket_size 128; # more\n\n    map_hash_max_size 4096; gzip on;\n}\n",
        b"map_hash_max_size 4096;}",
        b"\tmap_hash_max_size 4096;\r\n\tserver { listen 81; return 204; }\r\n}\r\n",
    ],
)
def test_maps_go_after_a_late_map_hash(late: bytes) -> None:
    data = TUNED + late
    after = steps(data, [put()])
    assert after.index(b"begin map websocket") > after.rindex(b"map_hash_")
    assert after.index(b"begin route") < after.index(b"map_hash_")
    assert actions(plan(after, put())) == ["unchanged"]
    assert steps(after, [put("/b/")], [Drop("/ws/")], [Drop("/b/")]) == data


def test_an_earlier_map_hash_changes_nothing() -> None:
    data = SITE.replace(b"    server {", b"    map_hash_max_size 4096;\n    gzip on;\n    server {")
    after = steps(data, [put()])
    assert after.index(b"gzip on;") < after.index(b"begin map websocket") < after.index(b"server {\n")


def test_the_end_of_a_file_without_newline() -> None:
    files = {
        MAIN: b"http { server { listen 80; location / { } } include z.conf; }",
        "/etc/nginx/z.conf": b"map_hash_max_size 4096;",
    }
    got = after(files, put())
    assert got["/etc/nginx/z.conf"].startswith(b"map_hash_max_size 4096;\n# nginxws: begin map websocket ")
    assert after(got, Drop("/ws/")) == files


def test_behind_a_block_that_took_the_newline() -> None:
    """Upstreams of another server that follows on the same line stand there already."""
    data = (
        b"http {\nserver { listen 80; server_name a; location / { } }\nmap_hash_max_size 4096;"
        b"server { listen 80; server_name b; location / { } }\n}\n"
    )
    first = put("/b/", *POOL, server="b", options={"preset": "default"})
    both = steps(data, [first], [put(server="a")])
    assert actions(plan(both, first, put(server="a"))) == ["unchanged", "unchanged"]
    assert steps(both, [Drop("/ws/"), Drop("/b/")]) == data
    # The upstream alone, by a hand edit: nothing needs the maps.
    hand = both.replace(b" $nginxws_upgrade;", b" websocket;").replace(b" $nginxws_connection;", b" upgrade;")
    lone = steps(hand, [Drop("/ws/", overwrite_drift=True)])
    assert b"begin map" not in lone
    assert b"4096;\n# nginxws: begin upstream" in lone
    again = steps(lone, [put(server="a")])
    assert again.index(b"begin upstream") < again.index(b"begin map") < again.index(b"server_name b")
    assert steps(again, [Drop("/ws/", server="a")]) == lone


# --- where the block will be -----------------------------------------------------------------------------


def test_the_place_is_that_of_the_file_as_it_will_be() -> None:
    result = plan(TWO, put(server="b.example"), put(server="a.example"), put("/c/", server="b.example"))
    data = result.files[0].after
    places = [marker(data, number=1), marker(data, number=0), marker(data, "/c/")]
    assert [change.where for change in result.changes] == places
    again = plan(data, put(server="b.example"), put("/d/", server="a.example"))
    data = again.files[0].after
    assert [change.where for change in again.changes] == [marker(data, number=1), marker(data, "/d/")]
    same = plan(data, put(server="b.example"), put(server="a.example"))
    assert [change.where for change in same.changes] == [marker(data, number=1), marker(data, number=0)]


# --- shared blocks that are missing ----------------------------------------------------------------------


def without(data: bytes, kind: bytes) -> bytes:
    """The text as it is when somebody deletes a shared block."""
    start = data.index(b"    # nginxws: begin " + kind)
    return data[:start] + data[data.index(b"\n", data.index(b"# nginxws: end " + kind)) + 1 :]


def broken(data: bytes, *wanted: Wanted) -> NodePlan:
    return make_plan(replace(snapshot(data), test_failure='unknown "nginxws_upgrade" variable'), wanted)


@pytest.mark.parametrize("kind", [b"map", b"upstream"])
def test_a_plan_that_mends_says_so(kind: bytes) -> None:
    good = steps(SITE, [put("/ws/", *POOL)])
    bad = without(good, kind)
    for want in (put("/ws/", *POOL), put("/ws/", *POOL, overwrite_drift=True)):
        result = broken(bad, want)
        assert (result.mends, result.lacking) == (True, ())
        assert sorted(result.files[0].after.split(b"\n")) == sorted(good.split(b"\n"))
    removed = broken(bad, Drop("/ws/"))
    assert (removed.mends, removed.lacking) == (True, ())
    assert removed.files[0].after == SITE


def test_a_plan_that_mends_half_says_what_is_missing_still() -> None:
    good = steps(SITE, [put("/ws/", *POOL)], [put("/b/")])
    bad = without(without(good, b"map"), b"upstream")
    result = broken(bad, Drop("/b/"))
    name = put("/ws/", *POOL).route.upstream_name
    needs = f"{marker(bad)}: route /ws/ needs "
    assert (result.mends, result.lacking) == (False, (f"{needs}upstream {name}", f"{needs}map websocket"))
    assert broken(bad, put("/b/")).lacking == (f"{needs}upstream {name}",)
    assert broken(bad, put("/ws/", *POOL)).mends


def test_a_test_that_fails_for_another_reason_is_not_mended() -> None:
    good = steps(SITE, [put()])
    assert not broken(good, put("/b/")).mends
    assert not broken(without(good, b"map"), Drop("/c/")).mends
    assert not plan(without(good, b"map"), put()).mends


# --- the tree -------------------------------------------------------------------------------------------


def test_a_file_that_cant_be_parsed_stops_everything() -> None:
    files = {MAIN: SITE.replace(b"http {", b"http { include x.conf;"), "/etc/nginx/x.conf": b"server {"}
    error = failure(files, put())
    assert isinstance(error, ParseError)
    assert error.file == "/etc/nginx/x.conf"
    assert "the file was so before this command" in str(error.hint)
    assert "the file was so before" in str(failure(b"http {", put()).hint)


def test_a_missing_file_only_where_nginx_fails_as_well() -> None:
    data = SITE.replace(b"http {", b"http { include missing.conf;")
    assert actions(plan(data, put())) == ["add"]
    now = replace(snapshot(data), test_failure="nginx: [emerg] open() failed")
    with pytest.raises(ConfigError, match="missing"):
        make_plan(now, [put()])
    with pytest.raises(ConfigError):
        load_tree(now)


def test_a_test_that_fails_already_is_passed_on() -> None:
    now = replace(snapshot(SITE), test_failure="permission denied")
    assert make_plan(now, [put()]).test_refused


def test_one_file_under_two_names_isnt_written_twice() -> None:
    server = b"server { listen %d; server_name %s; location / { root /; } }\n"
    data = server % (80, b"a.example")
    now = snapshot(b"http { include a.conf; include b.conf; }")
    files = (
        *now.files,
        FileState("/etc/nginx/a.conf", "/srv/site.conf", data),
        FileState("/etc/nginx/b.conf", "/srv/site.conf", data.replace(b"80", b"81")),
    )
    both = [put(server="a.example:80"), put(server="a.example:81")]
    with pytest.raises(ConfigError, match="the same file as /etc/nginx/a"):
        make_plan(replace(now, files=files), both)


def test_a_path_spelled_in_another_way_is_known() -> None:
    files = {MAIN: b"http { include conf.d/../x.conf; }", "/etc/nginx/x.conf": TWO}
    result = plan(files, put(server="a.example"))
    assert [file.real for file in result.files] == ["/etc/nginx/x.conf"]


# --- the proof --------------------------------------------------------------------------------------------


def test_an_edit_that_breaks_the_file_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nginxws.planner.apply_edits", lambda data, edits: data[:-2])
    error = failure(SITE, put())
    assert isinstance(error, SpliceError)
    assert "break the file" in error.message


def test_a_foreign_byte_changed_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    from nginxws.config.splice import apply_edits

    monkeypatch.setattr(
        "nginxws.planner.apply_edits", lambda data, edits: apply_edits(data, edits).replace(b"/srv", b"/SRV")
    )
    assert isinstance(failure(SITE, put()), SpliceError)


def test_a_block_that_got_lost_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nginxws.planner.apply_edits", lambda data, edits: data)
    error = failure(SITE, put())
    assert isinstance(error, SpliceError)
    assert "can't be found again" in error.message
