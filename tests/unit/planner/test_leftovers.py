"""Shared blocks that nothing needs any more: they go with a change, and never by themselves."""

from __future__ import annotations

import pytest
from support.planning import MAIN, SITE, actions, plan, put, snapshot, steps

from nginxws.errors import DriftError
from nginxws.plan import Drop
from nginxws.planner import make_plan, make_whole_plan

PLAIN = put(options={"preset": "plain"})
HAND = put("/hand/")


def with_leftover_maps(data: bytes) -> bytes:
    """The text with the maps of a route that somebody deleted by hand."""
    own = steps(SITE, [put("/old/")])
    start, end = own.index(b"    # nginxws: begin map"), own.index(b"    server {")
    return data.replace(b"    server {", own[start:end] + b"    server {", 1)


def test_nothing_goes_while_nothing_changes() -> None:
    data = with_leftover_maps(steps(SITE, [PLAIN]))
    assert plan(data, PLAIN).files == ()
    assert plan(data, PLAIN, Drop("/other/")).files == ()
    whole = make_whole_plan(snapshot(data), [PLAIN])
    assert (whole.files, actions(whole)) == ((), ["unchanged"])


def test_nothing_goes_while_what_is_wanted_has_to_wait() -> None:
    drifted = with_leftover_maps(steps(SITE, [PLAIN])).replace(b"Upgrade $http_upgrade", b"Upgrade  x")
    left = make_whole_plan(snapshot(drifted), [PLAIN])
    assert (left.files, actions(left)) == ((), ["drift"])
    hand = with_leftover_maps(SITE).replace(b"location / {", b"location /ws/ { return 204; } location / {")
    left = make_whole_plan(snapshot(hand), [PLAIN])
    assert (left.files, actions(left)) == ((), ["conflict"])


def test_they_go_with_the_next_change() -> None:
    data = with_leftover_maps(SITE)
    assert steps(data, [PLAIN]) == steps(SITE, [PLAIN])
    (file,) = make_whole_plan(snapshot(data), [PLAIN]).files
    assert file.after == steps(SITE, [PLAIN])


@pytest.mark.parametrize("overwrite", [False, True])
def test_an_edited_one_goes_only_where_that_was_asked_for(overwrite: bool) -> None:
    edited = with_leftover_maps(SITE).replace(b"websocket upgrade;", b"websocket Upgrade;")
    wanted = put(options={"preset": "plain"}, overwrite_drift=overwrite)
    whole = make_whole_plan(snapshot(edited), [PLAIN], overwrite_drift=overwrite)
    assert actions(whole) == (["add"] if overwrite else ["add", "drift"])
    assert (b"begin map" in whole.files[0].after) is not overwrite
    if overwrite:
        assert make_plan(snapshot(edited), [wanted]).files[0].after == steps(SITE, [PLAIN])
    else:
        with pytest.raises(DriftError, match="map websocket"):
            make_plan(snapshot(edited), [wanted])


def test_what_is_left_is_told_with_its_place() -> None:
    edited = steps(SITE, [put()]).replace(b"proxy_read_timeout 1h", b"proxy_read_timeout 2h")
    (change,) = make_whole_plan(snapshot(edited), [put()]).changes
    line = edited[: edited.index(b"# nginxws: begin route")].count(b"\n") + 1
    assert (change.action, change.route, change.where) == ("drift", "/ws/", f"{MAIN}:{line}")
    assert change.note.startswith("the managed block of route /ws/")
    assert "; " in change.note
