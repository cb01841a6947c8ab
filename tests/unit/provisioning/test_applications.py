"""One application's part where its connection breaks, and whether its port answers; the node is played."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from nginxws.environment.plan import AppPlan, AppSnapshot
from nginxws.environment.wanted import WantedApp
from nginxws.errors import ConnectionFailed, NodeError, Restored
from nginxws.nodes.interrupts import Interrupts
from nginxws.nodes.link import NodeLink
from nginxws.nodes.provision import application
from nginxws.nodes.provision.application import AppDone
from nginxws.nodes.provision.options import AppOptions
from nginxws.provisioning import applications, ports
from nginxws.provisioning.applications import Application

WANTED = WantedApp("chat", "10.0.0.5", 80, None, None, 3, None, "x", 30, (), ())
PLAN = AppPlan("chat", changes=("x",))
KEPT, OTHER = AppSnapshot(current="new"), AppSnapshot(current="old")
LOST = ConnectionFailed("lost", detail="words")


@dataclass
class Link:
    """A node that does as told. ``looks`` are what looking at it again comes to."""

    name: str = "chat"
    looks: list[Any] = field(default_factory=list)
    dials: dict[str, OSError | None] = field(default_factory=dict)
    reconnects: int = 0

    def session(self) -> str:
        return "session"

    def end_session(self) -> None:
        pass

    def reconnect(self) -> None:
        self.reconnects += 1

    def close(self) -> None:
        pass

    def dial(self, host: str, _port: int, _timeout: float) -> Link:
        error = self.dials.get(host)
        if error is not None:
            raise error
        return self


def carried_out(
    link: Link, monkeypatch: pytest.MonkeyPatch, *, agrees: bool, down: bool = False
) -> list[str]:
    def change(*words: Any, **_: object) -> AppDone:
        decide = next(word for word in words if callable(word))
        assert decide() == (None if agrees else "no")
        if link.looks:
            raise LOST
        return AppDone(in_place=("/x (bind mount)",), words="one\ntwo")

    def look(*_: object, **__: object) -> AppSnapshot:
        found = link.looks.pop(0)
        if isinstance(found, Exception):
            raise found
        return cast("AppSnapshot", found)

    monkeypatch.setattr(application, "down" if down else "change", change)
    monkeypatch.setattr(application, "look", look)
    monkeypatch.setattr(applications, "_RETRY", 0.0)
    work = Application(
        cast("NodeLink", link), WANTED, AppOptions("chat"), PLAN, OTHER,
        lambda now: AppPlan("chat", changes=() if now == KEPT else ("x",)), lambda *_: None, down,
    )  # fmt: skip
    return list(work.change(lambda: None if agrees else "no", Interrupts().listener()))


@pytest.mark.parametrize("down", [False, True])
def test_what_there_is_to_know(monkeypatch: pytest.MonkeyPatch, down: bool) -> None:
    notes = carried_out(Link(), monkeypatch, agrees=True, down=down)
    assert notes == ["written in place: /x (bind mount)", "one", "two"]


def test_a_line_that_breaks_after_the_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    link = Link(looks=[ConnectionFailed("still down"), KEPT])
    assert carried_out(link, monkeypatch, agrees=True) == []
    assert link.reconnects == 2


@pytest.mark.parametrize(("agrees", "now"), [(True, OTHER), (False, OTHER), (False, KEPT)])
def test_a_line_that_breaks_and_the_node_is_as_it_was(
    monkeypatch: pytest.MonkeyPatch, agrees: bool, now: AppSnapshot
) -> None:
    with pytest.raises(Restored) as caught:
        carried_out(Link(looks=[now]), monkeypatch, agrees=agrees)
    assert str(caught.value) == "chat: the connection broke (lost); the node is as it was"


def test_a_node_that_never_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(applications, "_PATIENCE", -1.0)
    with pytest.raises(ConnectionFailed) as caught:
        carried_out(Link(looks=[ConnectionFailed("still down")]), monkeypatch, agrees=True)
    assert "run the same command again" in str(caught.value.hint)


# --- its port ------------------------------------------------------------------------------------


def listens(link: Link) -> str | None:
    return ports.listens(cast("NodeLink", link), WANTED)


def test_a_port_at_its_address_or_on_loopback() -> None:
    refused = ConnectionRefusedError("no")
    assert listens(Link()) is None
    assert listens(Link(dials={"10.0.0.5": refused})) is None
    assert (
        listens(Link(dials={"10.0.0.5": refused, "127.0.0.1": refused})) == "nothing answers at 10.0.0.5:80"
    )
    slow = TimeoutError(110, "timed out")
    assert listens(Link(dials={"10.0.0.5": slow, "127.0.0.1": refused})) == "10.0.0.5:80: timed out"


def test_a_server_that_lets_nobody_through() -> None:
    error = ConnectionRefusedError("no")
    error.__cause__ = ConnectionFailed("the server forbids forwarding", hint="AllowTcpForwarding yes")
    with pytest.raises(NodeError, match="forbids"):
        listens(Link(dials={"10.0.0.5": error}))


def test_waiting_ends_when_it_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_FIRST_PAUSE", 0.001)
    refused = ConnectionRefusedError("no")
    link = Link(dials={"10.0.0.5": refused, "127.0.0.1": refused})
    stops = iter([False, False, True])
    assert ports.until_listening(cast("NodeLink", link), WANTED, lambda: next(stops)) == "stopped"
