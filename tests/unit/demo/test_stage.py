"""What the demo runs on, where that is told without running it."""

from __future__ import annotations

import asyncio
import os
from http import HTTPStatus
from pathlib import Path
from types import SimpleNamespace

import pytest

from nginxws.demo import balancer, stage
from nginxws.demo.balancer import Balancer
from nginxws.demo.binary import Binary


def test_a_user_without_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.setattr("pwd.getpwuid", unknown)
    assert stage._user() == f"uid{os.getuid()}"


def test_only_root_names_the_workers_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert balancer._user_directive() == ""
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert balancer._user_directive().startswith("user root ")


def test_an_nginx_that_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(balancer, "START_TIMEOUT", 0.05)
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "startup.log").touch()
    process: asyncio.subprocess.Process = SimpleNamespace(returncode=None)  # type: ignore[assignment]
    binary = Binary(Path("/nginx"), "1.22.1", frozenset())
    port = balancer.free_port()
    words = asyncio.run(balancer._not_ready(Balancer(binary, process, port, tmp_path), HTTPStatus.OK))
    assert words == "(nothing within 0.05 s)"
