"""Plans of all routes of a node: what isn't wanted goes, and what people wrote stays."""

from __future__ import annotations

from typing import Any

import pytest

from nginxws.errors import ParseError, ServerChoiceError
from nginxws.plan import NodePlan, Put
from nginxws.planner import make_plan, make_whole_plan
from nginxws.route import Route
from nginxws.snapshot import FileState, NginxInfo, Snapshot

MAIN = "/etc/nginx/nginx.conf"
SITE = b"""events { }
http {
    server {
        listen 80;
        server_name a.example;
        location / { root /srv; }
        location /hand/ { proxy_pass http://10.0.0.1:1; proxy_set_header Upgrade $http_upgrade; }
    }
    server { listen 81; server_name b.example; location / { root /srv; } }
}
"""
TWO = ["10.0.0.5:8080", "10.0.0.6:8080"]


def snapshot(data: bytes) -> Snapshot:
    return Snapshot("lb1", NginxInfo(conf=MAIN, main=MAIN), (FileState(MAIN, MAIN, data),))


def put(path: str, *backends: str, server: str = "a.example", **want: Any) -> Put:
    return Put(Route.create(path, backends or ["10.0.0.5:8080"]), server=server, **want)


def applied(data: bytes, *wanted: Put) -> bytes:
    """The file after a whole plan."""
    files = make_whole_plan(snapshot(data), wanted).files
    return files[0].after if files else data


def actions(plan: NodePlan) -> dict[str, str]:
    return {change.route: change.action for change in plan.changes}


def test_what_is_wanted_comes_and_what_is_not_goes() -> None:
    first = applied(SITE, put("/a/"), put("/b/", *TWO), put("/c/", server="b.example"))
    plan = make_whole_plan(snapshot(first), [put("/a/"), put("/b/", TWO[0]), put("/d/")])
    assert actions(plan) == {"/c/": "remove", "/a/": "unchanged", "/b/": "change", "/d/": "add"}
    assert b"upstream" not in plan.files[0].after, "nothing leans on it any more"
    assert [point.route for point in plan.standing] == ["/a/"]
    assert applied(plan.files[0].after) == SITE


def test_carried_out_once_there_is_nothing_to_do() -> None:
    wanted = [put("/a/"), put("/b/", *TWO)]
    plan = make_whole_plan(snapshot(applied(SITE, *wanted)), wanted)
    assert plan.files == ()
    assert set(actions(plan).values()) == {"unchanged"}


def test_a_path_moves_to_another_server() -> None:
    plan = make_whole_plan(snapshot(applied(SITE, put("/a/"))), [put("/a/", server="b.example")])
    assert [change.action for change in plan.changes] == ["remove", "add"]


def test_nobody_elses_location_is_ever_removed() -> None:
    assert applied(SITE) == SITE


@pytest.mark.parametrize("wanted", [[put("/a/"), put("/b/")], [put("/b/")]], ids=["wanted", "not wanted"])
def test_a_hand_edit_inside_a_block_is_left_and_told(wanted: list[Put]) -> None:
    edited = applied(SITE, put("/a/")).replace(b"proxy_read_timeout 1h", b"proxy_read_timeout 2h")
    plan = make_whole_plan(snapshot(edited), wanted)
    assert actions(plan) == {"/a/": "drift", "/b/": "add"}
    drift = next(change for change in plan.changes if change.action == "drift")
    assert (drift.where, drift in plan.blocked) == (f"{MAIN}:16", True)
    assert "--overwrite-drift" in drift.note
    assert b"proxy_read_timeout 2h" in plan.files[0].after


def test_drift_is_overwritten_where_asked() -> None:
    before = applied(SITE, put("/a/"))
    edited = before.replace(b"proxy_read_timeout 1h", b"proxy_read_timeout 2h")
    plan = make_whole_plan(snapshot(edited), [put("/a/", overwrite_drift=True)], overwrite_drift=True)
    assert (actions(plan), plan.files[0].after) == ({"/a/": "change"}, before)
    gone = make_whole_plan(snapshot(edited), [], overwrite_drift=True)
    assert (actions(gone), gone.files[0].after) == ({"/a/": "remove"}, SITE)


def test_drift_of_a_shared_block_is_told_with_the_route_that_leans_on_it() -> None:
    edited = applied(SITE, put("/b/", *TWO)).replace(b"server 10.0.0.6:8080", b"server 10.0.0.7:8080")
    plan = make_whole_plan(snapshot(edited), [put("/a/"), put("/b/", *TWO)])
    assert actions(plan) == {"/a/": "add", "/b/": "drift"}
    assert b"10.0.0.7" in plan.files[0].after


def test_a_shared_block_that_was_edited_stays_when_its_route_goes() -> None:
    edited = applied(SITE, put("/b/", *TWO)).replace(b"server 10.0.0.6:8080", b"server 10.0.0.7:8080")
    plan = make_whole_plan(snapshot(edited), [])
    assert [change.action for change in plan.changes] == ["remove", "drift"]
    assert b"10.0.0.7" in plan.files[0].after
    assert b"begin route" not in plan.files[0].after


def test_a_block_that_two_servers_include_is_told_of_once() -> None:
    after = applied(SITE, put("/a/"))
    block = after[after.index(b"# nginxws: begin route") : after.index(b"location / ")]
    main = b"http { server { listen 80; include /r; } server { listen 81; include /r; } }"
    files = (FileState(MAIN, MAIN, main), FileState("/r", "/r", block.replace(b"1h", b"2h", 1)))
    plan = make_whole_plan(Snapshot("lb1", NginxInfo(conf=MAIN, main=MAIN), files), [])
    assert [(change.action, change.where) for change in plan.changes] == [("drift", "/r:1")]


def test_a_hand_written_location_in_the_way_is_a_conflict() -> None:
    plan = make_whole_plan(snapshot(SITE), [put("/hand/"), put("/a/")])
    assert actions(plan) == {"/hand/": "conflict", "/a/": "add"}
    assert plan.blocked[0].where == f"{MAIN}:7"
    assert make_whole_plan(snapshot(SITE), [put("/hand/", replace=True)]).blocked == ()


def test_what_would_be_lost_by_an_adoption_is_named() -> None:
    """Without it, nobody knows which options to add to the manifest."""
    site = SITE.replace(b"http_upgrade; }", b"http_upgrade; proxy_buffering off; }")
    (change,) = make_whole_plan(snapshot(site), [put("/hand/", "10.0.0.1:1", adopt=True)]).blocked
    does_more, *what, hint = change.note.split("; ")
    assert does_more == "the hand-written location does more than the route would"
    assert f"{MAIN}:7: proxy_buffering off" in what
    assert hint.startswith("add options until the route does the same")


def test_what_is_not_about_one_route_is_an_error() -> None:
    with pytest.raises(ServerChoiceError):
        make_whole_plan(snapshot(SITE), [put("/a/", server="c.example")])
    with pytest.raises(ParseError):
        make_whole_plan(snapshot(SITE + b"}"), [])


def test_one_route_at_a_time_or_all_at_once_is_the_same() -> None:
    alone = SITE
    for want in (put("/a/"), put("/b/", *TWO)):
        alone = make_plan(snapshot(alone), [want]).files[0].after
    assert applied(SITE, put("/a/"), put("/b/", *TWO)) == alone


def test_templates_of_one_route(tmp_path: Any) -> None:
    (tmp_path / "location.conf.j2").write_text("location ^~ {{ route.path }} { return 204; }\n")
    plan = make_whole_plan(snapshot(SITE), [put("/a/"), put("/b/", templates=tmp_path)])
    assert plan.files[0].after.count(b"return 204;") == 1
