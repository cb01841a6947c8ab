"""What last frames mean: the kind of error, its words, and a next step."""

from __future__ import annotations

import pytest

from nginxws.errors import (
    Interrupted,
    LockedError,
    NginxwsError,
    NodeError,
    Restored,
    RestoreFailed,
    StaleError,
)
from nginxws.nodes.endings import failure, holder, when
from nginxws.nodes.session import Done


@pytest.mark.parametrize(
    ("done", "kind", "words"),
    [
        (Done("refused", "locked", "pid 7\nwho me@here\nsince 0"), LockedError, "me@here, since 1970-01-01"),
        (Done("refused", "locked", ""), LockedError, "somebody"),
        (Done("refused", "stale", "/a\n/b\n"), StaleError, "/a, /b"),
        (Done("refused", "pending", ""), StaleError, "interrupted"),
        (Done("refused", "certbot", "7\n/e/.certbot.lock"), LockedError, "certbot is at work"),
        (Done("refused", "editor", "7\n/e/.x.swp\nme"), LockedError, "me has the file open in an editor"),
        (Done("refused", "editor", "7\n/e/.x.swp"), LockedError, "somebody has"),
        (Done("refused", "draining", "3 6 90"), NodeError, "6 old workers of 3 generations still drain"),
        (Done("refused", "draining", "x"), NodeError, "0 old workers"),
        (Done("restored", "overtaken", "/a"), StaleError, "somebody else wrote /a meanwhile"),
        (Done("broken", "overtaken", "/a"), RestoreFailed, "wrote a file meanwhile, and the restore failed"),
        (Done("refused", "no-state", "/s"), NodeError, "/s"),
        (Done("refused", "unheard-of", ""), NodeError, "unheard-of"),
        (Done("failed", "test", "emerg"), NodeError, "nothing was changed"),
        (Done("restored", "reload", "emerg"), Restored, "everything was restored"),
        (Done("restored", "reload-silent", "x"), Restored, "did not take the new configuration over"),
        (Done("failed", "reload-denied", "x"), NodeError, "can't have NGINX reloaded; nothing was changed"),
        (Done("stopped", "reload-gone", "x"), RestoreFailed, "files are as they were, but NGINX is not run"),
        (Done("restored", "silence", ""), Restored, "heard no word"),
        (Done("broken", "reload", "x"), RestoreFailed, "restore failed"),
        (Done("edited", "recovery", "/x was edited"), RestoreFailed, "nothing was put back"),
    ],
)
def test_endings(done: Done, kind: type[NginxwsError], words: str) -> None:
    error = failure("lb", done)
    assert isinstance(error, kind)
    assert words in error.message
    assert error.node == "lb"
    assert error.hint or kind is Restored or done.code == "unheard-of"


@pytest.mark.parametrize("sort", ["", "-log", "-silent", "-blind", "-command", "-denied", "-gone"])
def test_every_sort_of_failed_reload_has_a_hint_of_its_own_and_one_cause(sort: str) -> None:
    error = failure("lb", Done("restored", f"reload{sort}", "some words"))
    assert isinstance(error, Restored)
    assert error.cause == "reload"
    assert ("NGINX's own" in (error.hint or "")) == (sort == "-log")
    assert error.hint


def test_an_interrupt_is_told_as_such_only_when_everything_is_as_it_was() -> None:
    restored = failure("lb", Done("restored", "probe", "interrupted"), interrupted=True, refused="no answer")
    assert isinstance(restored, Interrupted)
    assert restored.detail == "no answer"
    assert isinstance(failure("lb", Done("broken", "probe", "x"), interrupted=True), RestoreFailed)


def test_the_words_are_ours_when_we_refused() -> None:
    assert failure("lb", Done("restored", "probe", ""), refused="no answer").detail == "no answer"
    assert failure("lb", Done("restored", "test", "emerg"), refused="no answer").detail == "emerg"


def test_who_and_when() -> None:
    assert when(86_399) == "1970-01-01 23:59:59 UTC"
    assert holder("pid 7\nwho me\nsince 60") == "me, since 1970-01-01 00:01:00 UTC (process 7 on the node)"
    assert holder("since never") == "somebody (process ? on the node)"
