"""Reading in the background hands over results and errors alike, and recovers what is pending first."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest

from nginxws.errors import ConnectionFailed
from nginxws.nodes import reading, snapshot, transaction
from nginxws.nodes.link import NodeLink
from nginxws.nodes.reading import Reading, read_node, recover_node
from nginxws.snapshot import FileState, NginxInfo, Pending, Snapshot

CONF = "/etc/nginx/nginx.conf"
NOW = Snapshot("lb", NginxInfo(), (FileState(CONF, CONF, b"error_log /log;\nevents {}\n"),))


class FakeLink:
    """A link whose session is never used."""

    name = "lb"
    options = None
    is_remote = False

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    def session(self) -> None:
        if self.error is not None:
            raise self.error


def fake(error: Exception | None = None) -> NodeLink:
    return cast(NodeLink, FakeLink(error))


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[Snapshot]:
    found: list[Snapshot] = []
    monkeypatch.setattr(snapshot, "take", lambda _session, _options, _missing: found.pop(0))
    return found


@pytest.fixture
def recovered(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, bool]]:
    calls: list[tuple[object, bool]] = []

    def recover(
        _session: object, _options: object, logs: object, _step: object, *, accept: bool = False
    ) -> transaction.Recovered:
        calls.append((logs, accept))
        return transaction.Recovered(True)

    monkeypatch.setattr(transaction, "recover", recover)
    return calls


def test_the_result_is_the_snapshot(answers: list[Snapshot], recovered: list[tuple[object, bool]]) -> None:
    answers.append(NOW)
    steps: list[str] = []
    assert Reading(fake(), lambda name, _words: steps.append(name)).result() is NOW
    assert steps == ["connect", "snapshot"]
    assert recovered == []


def test_an_error_is_raised_where_the_result_is_wanted() -> None:
    lost = ConnectionFailed("lost")
    running = Reading(fake(lost), lambda _name, _words: None)
    with pytest.raises(ConnectionFailed, match="lost"):
        running.result()


def test_what_is_pending_is_undone_first(
    answers: list[Snapshot], recovered: list[tuple[object, bool]]
) -> None:
    answers += [replace(NOW, pending=Pending("tx", "me", 1)), NOW]
    now = read_node(fake(), lambda _name, _words: None)
    assert now == replace(NOW, recovered="a change by me, begun 1970-01-01 00:00:01 UTC")
    assert recovered == [(("/log",), False)]


def test_what_was_still_going_on_was_not_undone(
    answers: list[Snapshot], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It held the lock, and committed while recovery waited for that."""
    monkeypatch.setattr(transaction, "recover", lambda *_: transaction.Recovered(False))
    answers += [replace(NOW, pending=Pending("tx", "me", 1)), NOW]
    assert read_node(fake(), lambda _name, _words: None).recovered == ""


def test_recovery_by_hand(answers: list[Snapshot], recovered: list[tuple[object, bool]]) -> None:
    answers += [NOW, NOW]
    assert recover_node(fake()).undone
    assert recover_node(fake(), accept=True).undone
    assert [accept for _logs, accept in recovered] == [False, True]


def test_only_remote_nodes_are_waited_for() -> None:
    reading.until_waiting([fake()])
