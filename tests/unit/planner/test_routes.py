"""Routes that come, change and go."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.planning import MAIN, SITE, TWO, actions, failure, marker, plan, put, snapshot, steps

from nginxws.errors import ConfigError, DriftError, InvalidInput, RouteConflict, ServerChoiceError
from nginxws.plan import Drop, Put
from nginxws.planner import already_there, load_tree, make_plan

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

    there = already_there(snapshot(added), load_tree(snapshot(added)))
    assert [there(one) for one in (put(), put("/ws/", "10.0.0.6:8080"), put("/b/"))] == [True, False, False]

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
        (Path(__file__).parents[3] / "templates" / "location.conf.j2")
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


# --- removal ------------------------------------------------------------------------------------


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


# --- drift --------------------------------------------------------------------------------------


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


# --- where the block will be --------------------------------------------------------------------


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


@pytest.mark.parametrize(
    ("domain", "server"),
    [
        ("b.example:8080", "b.example:8080"),
        ("B.EXAMPLE", "b.example:8080"),
        ("a.example:80", "a.example:80"),
    ],
)
def test_the_server_of_the_environments_name_is_meant(domain: str, server: str) -> None:
    (change,) = plan(TWO, put(domain=domain)).changes
    assert change.server.startswith(f"{server} ")


@pytest.mark.parametrize("domain", ["b.example:81", "c.example", None])
def test_without_a_server_of_that_name_it_is_as_without_a_name(domain: str | None) -> None:
    assert isinstance(failure(TWO, put(domain=domain)), ServerChoiceError)
    assert actions(plan(SITE, put(domain=domain))) == ["add"]


def test_what_is_said_of_the_server_counts_more() -> None:
    (change,) = plan(TWO, put(domain="b.example", server="a.example")).changes
    assert change.server.startswith("a.example:80 ")


# --- only what is managed -----------------------------------------------------------------------


def test_where_only_managed_routes_are_meant_nothing_else_is_in_the_way() -> None:
    hand = SITE.replace(b"location / {", b"location /ws/ { return 200; } location / {")
    assert actions(plan(hand, Drop("/ws/", managed_only=True))) == ["unchanged"]
    assert actions(plan(SITE, Drop("/ws/", server="gone.example", managed_only=True))) == ["unchanged"]
    assert isinstance(failure(SITE, Drop("/ws/", server="gone.example")), ServerChoiceError)
    assert steps(SITE, [put()], [Drop("/ws/", managed_only=True)]) == SITE
