"""Plans as written in the case files."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from nginxws.errors import NginxwsError
from nginxws.plan import Drop, NodePlan, Put, Wanted
from nginxws.planner import make_plan
from nginxws.route import Route
from nginxws.snapshot import FileState, NginxInfo, Snapshot

CASES = sorted(path.parent for path in (Path(__file__).parents[1] / "cases" / "plan").glob("*/wanted.toml"))
ROOT = "/etc/nginx"
MAIN = f"{ROOT}/nginx.conf"


def tree(case: Path) -> dict[str, bytes]:
    folder = case / "input"
    return {
        f"{ROOT}/{path.relative_to(folder).as_posix()}": path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def planned(files: dict[str, bytes], wanted: list[Wanted]) -> NodePlan:
    states = tuple(FileState(path, path, data) for path, data in files.items())
    return make_plan(Snapshot("n", NginxInfo(conf=MAIN, main=MAIN), states), wanted)


def wanted_by(case: Path) -> list[Wanted]:
    return [one(entry) for entry in tomllib.loads((case / "wanted.toml").read_text())["wanted"]]


def one(entry: dict[str, Any]) -> Wanted:
    if "drop" in entry:
        return Drop(entry.pop("drop"), **entry)
    route = Route.create(entry.pop("put"), entry.pop("backends"), **entry.pop("options", {}))
    return Put(route, **entry)


def told(error: NginxwsError) -> str:
    return f"{type(error).__name__}: {error}\ndetail: {error.detail}\nhint: {error.hint}\n"


def outcome(case: Path) -> str:
    try:
        return planned(tree(case), wanted_by(case)).diff
    except NginxwsError as error:
        return told(error)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_as_written(case: Path) -> None:
    (expected,) = case.glob("expected.*")
    assert outcome(case).encode("utf-8", "surrogateescape") == expected.read_bytes()


@pytest.mark.parametrize(
    "case", [case for case in CASES if (case / "expected.diff").exists()], ids=lambda case: case.name
)
def test_there_and_back(case: Path) -> None:
    before, wanted = tree(case), wanted_by(case)
    plan = planned(before, wanted)
    after = before | {file.path: file.after for file in plan.files}
    again = planned(after, wanted)
    assert again.files == ()
    back: list[Wanted] = [
        Drop(want.route.path, server=want.server) for want in wanted if isinstance(want, Put)
    ]
    gone = after | {file.path: file.after for file in planned(after, back).files}
    if any(isinstance(want, Put) and (want.adopt or want.replace) for want in wanted):
        assert len(gone) == len(before)
        assert all(len(data) <= len(before[path]) for path, data in gone.items())
    else:
        assert gone == before
