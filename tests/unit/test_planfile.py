"""Plans in files: what is written can be read again, what isn't one is refused, and what differs is told."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nginxws.config.splice import Edit
from nginxws.errors import NginxwsError, StaleError
from nginxws.plan import FilePlan, NodePlan
from nginxws.planfile import PlanFile, PlannedNode, from_json, planned_node, refuse_stale, stale

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
NODE = PlannedNode("nginx/1.26.2", {"/n.conf": "a" * 64, "/s.conf": "b" * 64}, {"/n.conf": "c" * 64})
PLAN = PlanFile(
    NOW,
    "op@desk",
    "1.0",
    "d" * 64,
    {"adopt": True, "replace": False},
    {"lb1": NODE, "lb2": PlannedNode("", {}, {}, "no route to host")},
    {"lb1": {"diff": "+x", "error": None}, "lb2": {"error": {"message": "no route to host"}}},
)
texts = st.text(st.characters(exclude_categories=["Cs"]))
sums = st.dictionaries(texts, texts, max_size=3)
nodes = st.builds(PlannedNode, texts, sums, sums)
moments = st.datetimes(
    min_value=datetime(1990, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.just(UTC)
).map(lambda moment: moment.replace(microsecond=0))
plans = st.builds(
    PlanFile,
    moments,
    texts,
    texts,
    texts,
    st.dictionaries(texts, st.booleans()),
    st.dictionaries(texts, nodes),
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@given(plans)
def test_what_is_written_is_read_again(plan: PlanFile) -> None:
    assert from_json(plan.to_json(), "plan.json") == plan


def test_the_file() -> None:
    text = PLAN.to_json()
    assert text.isascii()
    document = json.loads(text)
    assert document == {
        "format_version": "1.0",
        "created": "2026-01-02T03:04:05+00:00",
        "created_by": "op@desk",
        "nginxws": "1.0",
        "manifest": {"sha256": "d" * 64},
        "options": {"adopt": True, "replace": False},
        "nodes": {
            "lb1": {
                "diff": "+x",
                "error": None,
                "nginx": "nginx/1.26.2",
                "base": dict(NODE.before),
                "after": dict(NODE.after),
                "planned": True,
            },
            "lb2": {
                "error": {"message": "no route to host"},
                "nginx": "",
                "base": {},
                "after": {},
                "planned": False,
            },
        },
    }
    assert from_json(text, "plan.json") == replace(PLAN, report={})


def test_what_is_kept_of_a_plan() -> None:
    file = FilePlan("/etc/n.conf", "/real/n.conf", b"a", b"b", [Edit(0, 1, b"b")])
    plan = NodePlan("lb1", (), (file,), base=(("/real/n.conf", "x"), ("/other", "y")))
    kept = planned_node("nginx/1", plan)
    assert kept.before == {"/real/n.conf": "x", "/other": "y"}
    assert list(kept.after) == ["/etc/n.conf"]
    assert kept.after["/etc/n.conf"].startswith("3e23e816")  # sha256 of "b"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format_version": "2.0"}, "format 2.0 isn't known, only 1.0 is"),
        ({"format_version": "\x1b"}, "format \\x1b isn't known, only 1.0 is"),
        ({"format_version": 1}, "format_version isn't text"),
        ({"created": "soon"}, "created isn't a time"),
        ({"created": "2026-01-02T03:04:05"}, "created has no time zone"),
        ({"options": []}, "options isn't an object"),
        ({"nodes": 1}, "nodes isn't an object"),
        ({"nodes": {"lb1": []}}, "it has no planned"),
        ({"nodes": {"lb1": {"planned": True}}}, "it has no nginx"),
        ({"nodes": {"lb1": {"planned": True, "nginx": "", "base": 3}}}, "base isn't an object"),
        ({"nodes": {"lb1": {"planned": True, "nginx": "", "base": {"/n": 3}}}}, "base isn't text"),
        ({"manifest": None}, "it has no sha256"),
        ({"created_by": None}, "created_by isn't text"),
    ],
)
def test_what_isnt_a_plan(change: dict[str, Any], words: str) -> None:
    with pytest.raises(NginxwsError) as caught:
        from_json(json.dumps(PLAN.document() | change), "p.json")
    assert str(caught.value) == f"p.json: not a plan of nginxws: {words}"
    assert caught.value.hint
    assert caught.value.code == 1


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "1" * 5000, "\ufeff{}"])
def test_what_isnt_json(text: str) -> None:
    with pytest.raises(NginxwsError, match="not a plan of nginxws: not JSON"):
        from_json(text, "p.json")


@given(anything | st.dictionaries(st.sampled_from(list(PLAN.document())), anything))
def test_anything_else_is_an_error_of_ours(value: Any) -> None:
    try:
        plan = from_json(json.dumps(value), "p.json")
    except NginxwsError:
        return
    plan.expired(NOW, timedelta(hours=1))


@given(st.sampled_from(list(PLAN.document())), anything)
def test_one_field_that_is_something_else(key: str, value: Any) -> None:
    try:
        plan = from_json(json.dumps(PLAN.document() | {key: value}), "p.json")
    except NginxwsError:
        return
    assert key != "format_version" or str(value).partition(".")[0] == "1"
    plan.expired(NOW, timedelta(hours=1))


def test_a_later_minor_format_and_more_fields_are_read() -> None:
    document = PLAN.document() | {"format_version": "1.7", "more": [1]}
    assert from_json(json.dumps(document), "p.json") == replace(PLAN, report={})


@pytest.mark.parametrize("error", [None, "text", {}, {"message": ""}])
def test_a_node_without_a_plan_has_a_reason(error: Any) -> None:
    document = PLAN.document() | {"nodes": {"lb1": {"planned": False, "error": error}}}
    assert from_json(json.dumps(document), "p.json").nodes["lb1"].error == "unknown reason"


def test_options_are_true_or_not() -> None:
    document = PLAN.document() | {"options": {"adopt": "yes", "replace": 1, "overwrite_drift": True}}
    options = from_json(json.dumps(document), "p.json").options
    assert options == {"adopt": False, "replace": False, "overwrite_drift": True}


@pytest.mark.parametrize(
    ("age", "words"),
    [
        (timedelta(hours=24), ""),
        (timedelta(hours=24, seconds=1), "the plan is 24 h 0 min old, and may be 24 h 0 min"),
        (timedelta(minutes=-10), ""),
        (timedelta(minutes=-11), "the plan comes from the future, by 11 min: one of the two clocks is wrong"),
        (timedelta(hours=30, minutes=5), "the plan is 30 h 5 min old, and may be 24 h 0 min"),
    ],
)
def test_a_plan_has_its_time(age: timedelta, words: str) -> None:
    assert PLAN.expired(NOW + age, timedelta(hours=24)) == words


def test_time_zones_are_one_time() -> None:
    there = NOW.astimezone(timezone(timedelta(hours=9)))
    assert json.loads(replace(PLAN, created=there).to_json())["created"] == "2026-01-02T03:04:05+00:00"


@pytest.mark.parametrize(
    ("now", "reasons"),
    [
        (NODE, []),
        (replace(NODE, nginx="nginx/1.28.0"), ["its NGINX is nginx/1.28.0, and was nginx/1.26.2"]),
        (replace(NODE, before={**NODE.before, "/s.conf": "x"}), ["/s.conf changed since"]),
        (replace(NODE, before={"/n.conf": "a" * 64}), ["/s.conf is gone since"]),
        (replace(NODE, before={**NODE.before, "/t.conf": "x"}), ["/t.conf is new since"]),
        (
            replace(NODE, after={}),
            ["the plan made anew is another one (another nginxws, or other templates?)"],
        ),
        (replace(NODE, before={**NODE.before, "/n.conf": "x"}, after={}), ["/n.conf changed since"]),
    ],
)
def test_what_differs(now: PlannedNode, reasons: list[str]) -> None:
    assert stale(NODE, now) == reasons


def test_what_had_no_plan_cant_be_carried_out() -> None:
    assert stale(PLAN.nodes["lb2"], NODE) == ["there was no plan for it: no route to host"]


def test_reasons_are_an_error() -> None:
    refuse_stale("lb1", [])
    with pytest.raises(StaleError) as caught:
        refuse_stale("lb1", ["one", "two", "three"])
    assert (str(caught.value), caught.value.detail) == ("lb1: not what was planned: one", "two\nthree")
    assert caught.value.code == 7


@given(nodes, nodes)
def test_the_same_is_the_only_thing_that_isnt_stale(saved: PlannedNode, now: PlannedNode) -> None:
    assert (stale(saved, now) == []) is (saved == now)
