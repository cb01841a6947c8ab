"""The way back of one node that others work on at the same time."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
from support.planning import MAIN, SITE, put
from support.revisions import Node

from nginxws.errors import DriftError, StaleError
from nginxws.nodes import history, rollback
from nginxws.nodes.link import NodeLink
from nginxws.nodes.options import NodeOptions
from nginxws.nodes.rollback import GoingBack
from nginxws.revision import History, Revision
from nginxws.snapshot import Snapshot


@pytest.fixture
def node() -> Node:
    found = Node({MAIN: SITE})
    found.put(put("/ws/"))
    return found


@pytest.fixture
def link(node: Node, monkeypatch: pytest.MonkeyPatch) -> NodeLink:
    """A link to that node; only what is read of its revisions goes over it."""

    def with_bytes(
        _session: object, _options: object, undone: tuple[Revision, ...], _wanted: object
    ) -> tuple[Revision, ...]:
        return undone

    def read(_session: object, _options: object) -> History:
        return node.history

    monkeypatch.setattr(history, "read", read)
    monkeypatch.setattr(history, "with_bytes", with_bytes)
    return cast(NodeLink, SimpleNamespace(name="lb1", session=lambda: None, options=NodeOptions()))


def reads(monkeypatch: pytest.MonkeyPatch, now: Snapshot) -> None:
    def read_node(*_args: Any, **_named: Any) -> Snapshot:
        return now

    monkeypatch.setattr(rollback, "read_node", read_node)


def test_the_transaction_is_kept_as_a_rollback(node: Node, link: NodeLink) -> None:
    way = GoingBack(link, None)
    plan = way.plan(node.snapshot())
    assert [file.after for file in plan.files] == [SITE]
    assert (link.options.kind, link.options.message) == ("rollback", "back to before the first revision")
    assert way.plan(node.snapshot()).files == plan.files
    node.put(put("/two/"))
    GoingBack(link, 1).plan(node.snapshot())
    assert link.options.message == "back to before the first revision"  # what was said once stands


def test_a_message_of_the_users_own(node: Node, link: NodeLink) -> None:
    link.options = replace(link.options, message="oh no")
    GoingBack(link, 0).plan(node.snapshot())
    assert (link.options.kind, link.options.message) == ("rollback", "oh no")


def test_where_to(node: Node, link: NodeLink) -> None:
    node.put(put("/two/"))
    GoingBack(link, None).plan(node.snapshot())
    assert link.options.message == "back to revision 1"


def test_a_commit_between_the_two_looks_is_no_hand_edit(
    node: Node, link: NodeLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = node.snapshot()
    node.put(put("/two/"))
    reads(monkeypatch, node.snapshot())
    with pytest.raises(StaleError, match="while its revisions were read") as caught:
        GoingBack(link, 1).plan(now)
    assert caught.value.again


def test_a_hand_edit_is_one(node: Node, link: NodeLink, monkeypatch: pytest.MonkeyPatch) -> None:
    node.files = {MAIN: node.files[MAIN] + b"#\n"}
    reads(monkeypatch, node.snapshot())
    with pytest.raises(DriftError):
        GoingBack(link, 0).plan(node.snapshot())
    assert GoingBack(link, 0, surgical=True).plan(node.snapshot()).files


@pytest.mark.parametrize("to", [None, 0, 1])
def test_what_was_applied_after_the_first_look_is_not_undone(
    node: Node, link: NodeLink, to: int | None
) -> None:
    way = GoingBack(link, to)
    way.plan(node.snapshot())
    node.put(put("/two/"))
    with pytest.raises(StaleError, match="revision 2 was applied meanwhile") as caught:
        way.plan(node.snapshot())
    assert not caught.value.again
    assert caught.value.hint
