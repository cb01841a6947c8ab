"""Waiting for SSH: what is tried again, what isn't, and what is said."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import pytest

from nginxws.errors import AuthenticationFailed, ConfigError, ConnectionFailed, HostKeyError, NginxwsError
from nginxws.nodes.link import NodeLink
from nginxws.provisioning import waiting
from nginxws.provisioning.waiting import open_all

REFUSED = "connection refused"


class Link:
    """Fails so often before it can be opened."""

    def __init__(
        self, name: str, error: Callable[[], NginxwsError] | None = None, times: int = 10**6
    ) -> None:
        self.name, self.error, self.times, self.tries = name, error, times, 0

    def open(self) -> None:
        self.tries += 1
        if self.error is not None and self.tries <= self.times:
            raise self.error()


def opened(*links: Link, seconds: float = 0) -> tuple[list[NginxwsError | None], list[tuple[str, str]]]:
    told: list[tuple[str, str]] = []
    errors = open_all(cast("list[NodeLink]", links), seconds, lambda *words: told.append(words))
    return errors, told


def refused(hint: str | None = "try later") -> ConnectionFailed:
    return ConnectionFailed(REFUSED, hint=hint)


def test_nodes_that_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    assert opened(Link("a"), Link("b"), seconds=5) == ([None, None], [])


def test_it_is_tried_again_until_somebody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "_PAUSE", 0.001)
    slow = Link("slow", refused, times=3)
    errors, told = opened(Link("quick"), slow, seconds=60)
    assert (errors, slow.tries) == ([None, None], 4)
    assert told == [("slow", REFUSED)] * 3


def test_without_time_to_wait_it_is_as_always() -> None:
    (error,), told = opened(Link("a", refused))
    assert error is not None
    assert (str(error), error.hint, told) == (f"a: {REFUSED}", "try later", [])


@pytest.mark.parametrize("hint", ["try later", None])
def test_the_time_is_over(monkeypatch: pytest.MonkeyPatch, hint: str | None) -> None:
    monkeypatch.setattr(waiting, "_PAUSE", 0.001)
    (error,), _told = opened(Link("a", lambda: refused(hint)), seconds=0.01)
    assert isinstance(error, ConnectionFailed)
    assert str(error) == f"a: no SSH within 0 seconds: {REFUSED}"
    assert str(error.hint).startswith("--wait allows for more")


@pytest.mark.parametrize("kind", [AuthenticationFailed, HostKeyError, ConfigError])
def test_no_waiting_mends_that(kind: type[NginxwsError]) -> None:
    link = Link("a", lambda: kind("no"))
    (error,), told = opened(link, seconds=60)
    assert (type(error), link.tries, told) == (kind, 1, [])
