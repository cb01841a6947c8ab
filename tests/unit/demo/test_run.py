"""The demo's story where it takes another turn: a browser, an NGINX that ends, a command that fails."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nginxws.demo import run as story
from nginxws.demo.narrator import Narrator
from nginxws.demo.processes import Interrupts
from nginxws.errors import ExitCode, NginxwsError

Shown = Callable[[str], None]


def a_stage(folder: Path, ended: int | None = None) -> Any:
    """A stage whose NGINX has ended with a status, or never does."""

    async def wait() -> int:
        if ended is None:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(60)
        return ended or 0

    node = SimpleNamespace(process=SimpleNamespace(wait=wait), complaints=lambda: "[alert] it was killed")
    return SimpleNamespace(page="http://127.0.0.1:1/", target=("--node", "x"), balancer=node, folder=folder)


def stay(stage: Any, *, open_browser: bool) -> None:
    async def scenario() -> None:
        with Interrupts() as interrupts:
            await story.stay(stage, Narrator(), interrupts, open_browser)

    asyncio.run(scenario())


@pytest.mark.parametrize(("wanted", "terminal"), [(True, True), (True, False), (False, True)])
def test_the_browser_is_opened_on_a_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: bool, terminal: bool
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setattr("sys.stdout.isatty", lambda: terminal)
    stay(a_stage(tmp_path), open_browser=wanted)
    assert opened == (["http://127.0.0.1:1/"] if wanted and terminal else [])


def test_an_nginx_that_ends_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NginxwsError, match="NGINX has ended, with status 3") as caught:
        stay(a_stage(tmp_path, ended=3), open_browser=False)
    assert caught.value.detail == "[alert] it was killed"


def test_a_command_that_fails_ends_the_story(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    with pytest.raises(NginxwsError, match=f"nginxws nope ended with exit code {ExitCode.USAGE}"):
        asyncio.run(story.nginxws(a_stage(tmp_path), Narrator(), "nope"))
