"""What last frames about an application mean: the kind of error, its words, and a next step."""

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
from nginxws.nodes.frames import Done
from nginxws.nodes.provision.endings import failure


@pytest.mark.parametrize(
    ("done", "kind", "words"),
    [
        (
            Done("refused", "locked", "pid 7\nwho me@here\nsince 0"),
            LockedError,
            "locked by me@here, since 1970",
        ),
        (Done("refused", "stale", "/a"), StaleError, "changed since it was read: /a; nothing was touched"),
        (Done("refused", "stale", ""), StaleError, "the application"),
        (Done("refused", "pending", ""), StaleError, "must be undone first"),
        (Done("refused", "editor", "7\n/e/.x.swp\nme"), LockedError, "me has the file open in an editor"),
        (Done("refused", "no-service", "chat"), NodeError, "no service chat"),
        (Done("refused", "no-tar", ""), NodeError, "no tar program"),
        (Done("refused", "elsewhere", "/srv/x"), NodeError, "is deployed at /srv/x"),
        (Done("refused", "twice", "/a"), NodeError, "/a is named twice"),
        (Done("refused", "big", "/a"), NodeError, "too large: /a"),
        (Done("refused", "many", "100"), NodeError, "more than 100 files"),
        (Done("refused", "no-space", "/s"), NodeError, "cannot write to /s"),
        (Done("refused", "unheard-of", ""), NodeError, "unheard-of"),
        (Done("failed", "stage", "/a: why"), NodeError, "could not be staged; nothing was changed"),
        (Done("failed", "odd", ""), NodeError, "the change failed at odd; nothing was changed"),
        (Done("restored", "restart", "no"), Restored, "could not be restarted; everything was restored"),
        (Done("restored", "overtaken", "/a\nmore"), StaleError, "somebody else changed /a meanwhile"),
        (Done("edited", "probe", "/a"), RestoreFailed, "was refused, but somebody edited a file since"),
        (Done("broken", "restart", "/a"), RestoreFailed, "restarted, and the restore failed"),
        (Done("stopped", "recovery", "x"), RestoreFailed, "the application can't be restarted"),
    ],
    ids=lambda value: f"{value.outcome} {value.code}" if isinstance(value, Done) else None,
)
def test_what_it_means(done: Done, kind: type[NginxwsError], words: str) -> None:
    error = failure("app", done)
    assert type(error) is kind
    assert words in str(error)
    assert error.node == "app"
    if done.code not in ("odd", "unheard-of"):
        assert error.hint or kind is Restored


def test_what_was_said_here_is_told() -> None:
    error = failure("app", Done("restored", "probe", "and more"), refused="the balancer says no")
    assert error.detail == "the balancer says no\nand more"
    assert isinstance(error, Restored)
    assert error.cause == "probe"
    assert isinstance(failure("app", Done("restored", "probe", ""), interrupted=True), Interrupted)
