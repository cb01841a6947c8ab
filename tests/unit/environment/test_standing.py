"""The address in an application's files, and edits by hand."""

from __future__ import annotations

import pytest

from nginxws.environment.archive import Entry
from nginxws.environment.plan import AppPlan, AppSnapshot, FileState, Release
from nginxws.environment.standing import FileStanding, stand
from nginxws.environment.wanted import WantedApp, WantedFile

URL = "ws://h/ws/"
CONF = WantedFile("/c", b"url=(.*)", None, URL, on_node="/c")
SETTLED = AppPlan("chat")
PAGE = WantedFile("a.js", None, b"@", URL, in_source=True, on_node="/srv/current/a.js")
WANTED = WantedApp("chat", "h", 1, "chat", "/srv", 3, None, None, 30, (CONF, PAGE), ())
SOURCE = (Entry("a.js", 0o644, b"<@>"),)


def standing(conf: FileState, page: bytes | None, plan: AppPlan | None = SETTLED) -> tuple[FileStanding, ...]:
    now = AppSnapshot("x", files=(conf, FileState(PAGE.on_node, page)))
    return stand(WANTED, now, plan, SOURCE)


def test_as_wanted() -> None:
    assert standing(FileState("/c", f"url={URL}".encode(), b"url=old"), f"<{URL}>".encode()) == (
        FileStanding("/c", URL, False),
        FileStanding("/srv/current/a.js", URL, False),
    )


def test_edited_by_hand() -> None:
    assert standing(FileState("/c", b"url=\xff", edited="/kept"), f"<{URL}>!".encode()) == (
        FileStanding("/c", "\ufffd", True),
        FileStanding("/srv/current/a.js", URL, True),
    )


@pytest.mark.parametrize("plan", [None, AppPlan("chat", Release("y", b""))])
def test_another_release_isnt_an_edited_one(plan: AppPlan | None) -> None:
    assert standing(FileState("/c", b"x"), b"<ws://other/>", plan) == (
        FileStanding("/c", None, False),
        FileStanding("/srv/current/a.js", None, False),
    )


def test_what_isnt_there_or_was_not_looked_at() -> None:
    assert standing(FileState("/c", None), None) == ()
    assert stand(WANTED, AppSnapshot(), AppPlan("chat"), None) == ()
