"""Whatever the configuration and whatever is put and dropped: not one foreign byte changes."""

from __future__ import annotations

import re
import subprocess
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.configurations import PATHS, configurations, foreign, snapshot, unwanted, wanted

from nginxws.diff import unified
from nginxws.errors import RouteConflict
from nginxws.plan import Drop, FilePlan, NodePlan, Put, Wanted
from nginxws.planner import make_plan


def apply(files: dict[str, bytes], plan: NodePlan) -> dict[str, bytes]:
    assert {file.path: file.before for file in plan.files}.items() <= files.items()
    return files | {file.path: file.after for file in plan.files}


@settings(max_examples=60, deadline=None)
@given(files=configurations(), steps=st.lists(wanted | unwanted, max_size=6))
def test_any_puts_and_drops_leave_foreign_bytes_alone(files: dict[str, bytes], steps: list[Wanted]) -> None:
    now = files
    for step in steps:
        try:
            plan = make_plan(snapshot(now), [step])
        except RouteConflict:  # such as an alias where another managed route is
            continue
        now = apply(now, plan)
        assert {path: foreign(data) for path, data in now.items()} == files
        again = make_plan(snapshot(now), [step])
        assert again.files == ()
        assert [change.action for change in again.changes] == ["unchanged"]
    assert sum(data.count(b"begin map websocket") for data in now.values()) <= 1
    names = re.findall(rb"begin upstream (\S+)", b"".join(now.values()))
    assert len(names) == len(set(names))
    drops = [Drop(path, server=f"s{server}.example") for path in PATHS for server in range(3)]
    assert apply(now, make_plan(snapshot(now), drops)) == files


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=configurations(), first=wanted, then=wanted | unwanted)
def test_patch_makes_of_the_diff_what_was_planned(
    files: dict[str, bytes], first: Put, then: Wanted, tmp_path: Path, numbers: count[int]
) -> None:
    now = files
    for step in (first, then):
        try:
            plan = make_plan(snapshot(now), [step])
        except RouteConflict:
            return
        patched(tmp_path / str(next(numbers)), plan.files, plan.diff)
        now = apply(now, plan)


@pytest.fixture
def numbers() -> count[int]:
    return count()


def patched(folder: Path, files: tuple[FilePlan, ...], diff: str) -> None:
    """Hand the diff to patch(1), and compare what it makes of the files."""
    for file in files:
        target = folder / file.path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.before)
    if not diff:
        assert not files
        return
    subprocess.run(
        ["patch", "--binary", "-p1", "--quiet", "-d", str(folder)],
        input=diff.encode("utf-8", "surrogateescape"),
        check=True,
    )
    for file in files:
        assert (folder / file.path.lstrip("/")).read_bytes() == file.after
        assert unified(file.before, file.edits, file.path) in diff
