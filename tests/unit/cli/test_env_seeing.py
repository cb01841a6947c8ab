"""Applications looked at: what is told of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from nginxws.cli import env_seeing
from nginxws.cli.environment import AppNode
from nginxws.environment.plan import AppPlan, AppSnapshot


def test_what_was_undone_first_is_told(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    now = AppSnapshot(recovered="interrupted change 12")
    monkeypatch.setattr(env_seeing, "Looking", lambda *_, **__: SimpleNamespace(result=lambda: now))
    wanted = SimpleNamespace(name="chat")
    node = AppNode(cast("Any", wanted), cast("Any", SimpleNamespace(name="chat")), cast("Any", None))
    progress = cast("Any", SimpleNamespace(on_node=lambda _name: None))
    (one,) = env_seeing.see_apps([node], lambda *_: AppPlan("chat"), progress, undo=True)()
    assert one.now is now
    assert capfd.readouterr().err == "warning: chat: undone first: interrupted change 12\n"
