"""Applications looked at: what is told of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from nginxws.cli.env import parts
from nginxws.cli.env.nodes import AppNode
from nginxws.environment.archive import Entry
from nginxws.environment.plan import AppPlan, AppSnapshot, FileState
from nginxws.environment.wanted import WantedApp, WantedFile
from nginxws.errors import NodeError
from nginxws.provisioning.types import AppOutcome


def test_what_was_undone_first_is_told(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    now = AppSnapshot(recovered="interrupted change 12")
    monkeypatch.setattr(parts, "Looking", lambda *_, **__: SimpleNamespace(result=lambda: now))
    wanted = SimpleNamespace(name="chat")
    node = AppNode(cast("Any", wanted), cast("Any", SimpleNamespace(name="chat")), cast("Any", None))
    progress = cast("Any", SimpleNamespace(on_node=lambda _name: None))
    (one,) = parts.see_apps([node], lambda *_: AppPlan("chat"), progress, undo=True)()
    assert one.now is now
    assert capfd.readouterr().err == "warning: chat: undone first: interrupted change 12\n"


PAGE = WantedFile("a.js", None, b"@", "ws://h/", in_source=True, on_node="/srv/current/a.js")
CONF = WantedFile("/c", None, b"@", "ws://h/", on_node="/c")
WANTED = WantedApp("chat", "h", 1, "chat", "/srv", 3, None, None, 30, (PAGE, CONF), ())


@pytest.mark.parametrize(
    ("text", "told"), [(b"<ws://h/>", ()), (b"<ws://h/>!", ("/srv/current/a.js was edited by hand, and",))]
)
def test_an_edited_file_of_a_release_is_told_of(text: bytes, told: tuple[str, ...]) -> None:
    now = AppSnapshot("x", files=(FileState(PAGE.on_node, text), FileState("/c", b"", edited="/kept")))
    node = AppNode(WANTED, cast("Any", None), cast("Any", None))
    one = parts.SeenApp(node, AppOutcome("chat", AppPlan("chat"), notes=("first",)), now)
    notes = parts.told_of_edits(one, (Entry("a.js", 0o644, b"<@>"),)).outcome.notes
    assert notes[0] == "first"
    assert len(notes) == 1 + len(told)
    assert all(note.startswith(begins) for note, begins in zip(notes[1:], told, strict=True))


def test_one_that_couldnt_be_asked_is_told_nothing_of() -> None:
    node = AppNode(WANTED, cast("Any", None), cast("Any", None))
    one = parts.SeenApp(node, AppOutcome("chat", error=NodeError("x")))
    assert parts.told_of_edits(one, None) is one
