"""Plan files on disk."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from nginxws.cli import manifest_file, saved
from nginxws.errors import NginxwsError, StaleError
from nginxws.planfile import PlanFile

PLAN = PlanFile(datetime(2026, 1, 2, tzinfo=UTC), "op@desk", "1.0", "d" * 64, {}, {})


def test_written_at_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text("old")
    path.chmod(0o644)
    link = tmp_path / "link"
    link.symlink_to(path)
    saved.write(link, PLAN)
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o600
    assert saved.read(path) == PLAN
    assert sorted(one.name for one in tmp_path.iterdir()) == ["link", "plan.json"]


@pytest.mark.parametrize(("ahead", "more"), [(-2, True), (2, False)])
def test_max_age_helps_an_old_plan_alone(tmp_path: Path, ahead: int, more: bool) -> None:
    path = tmp_path / "nginxws.toml"
    path.write_text("format = 1\n")
    plan = replace(PLAN, created=datetime.now(UTC) + timedelta(days=ahead))
    with pytest.raises(StaleError) as caught:
        saved.nodes_of(plan, "plan.json", manifest_file.read(path), 86400)
    assert ("--max-age" in (caught.value.hint or "")) is more


def test_into_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    told: list[str] = []
    reader = threading.Thread(target=lambda: told.append(pipe.read_text()))
    reader.start()
    saved.write(pipe, PLAN)
    reader.join(10)
    assert told == [PLAN.to_json()]


def test_what_cant_be_written_or_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NginxwsError, match="cannot write the plan: No such file") as caught:
        saved.write(tmp_path / "nowhere" / "plan.json", PLAN)
    assert caught.value.hint
    with pytest.raises(NginxwsError, match="cannot read the plan: No such file"):
        saved.read(tmp_path / "nowhere")
    monkeypatch.setattr(saved, "MAX_SIZE", 10)
    (tmp_path / "long").write_text("x" * 11)
    with pytest.raises(NginxwsError, match="too long for a plan"):
        saved.read(tmp_path / "long")


def test_a_write_that_fails_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "plan.json"
    path.write_text("old")

    def full(_fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(NginxwsError, match="No space left"):
        saved.write(path, PLAN)
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [("plan.json", "old")]
