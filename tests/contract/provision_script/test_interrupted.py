"""A change that is cut off at any point: the next look at the node finds old or new, whole."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable

import pytest
from faults.variants import mutate
from support.appnode import AppNode, AppTalk, Tree
from support.nginx import wait_for

from nginxws.errors import ConnectionFailed, NginxwsError, Restored
from nginxws.nodes.provision import application
from nginxws.nodes.script import provision

#: Where the script is killed: just before these words of it.
_CHANGE = {
    "locked": "  step stage",
    "staging": "  emit send ''\n",
    "unpacked": '  rm -f -- "$tar"\n',
    "staged": "  step checkpoint\n",
    "undo on disk": "  step activate",
    "files activated": "activate_release() {\n",
    "before the switch": '  switch_to "$link_after" "$next"\n',
    "switched": "  if wants_restart; then\n    step restart",
    "restarted": "  [ -z \"$STOP\" ] || { undo_app restart ''",
    "ready": "  emit ready ''\n",
    "told to commit": "  step commit\n",
    "recorded": '  flush "$S"\n  finish_app\n',
    "done": '  emit_done committed "$TX" "$spoken',
}
_DOWN = {
    "nothing switched": "  step activate",
    "link gone": "  if wants_restart; then\n    step restart",
    "taken down": '  flush "$S"\n  finish_app\n',
    "releases gone": "    drop_gone\n    each_line remove_folder",
    "forgotten": "forget_app() {\n",
    "state gone": '  emit_done committed "$TX" "$spoken',
}
_BACK = {
    "going back": "  step restore\n",
    "files back": "restore_link() {\n",
    "link back": "  outcome=restored\n  restart_old\n",
    "restarted again": "  drop_release\n  close_pending",
    "tidied": "  close_pending || cause_text=",
}


def killed_at(words: str, text: str = "") -> bytes:
    """The script, ending before these words."""
    end = "kill -KILL $$; " if not words.endswith("() {\n") else ""
    new = f"{end}{words}" if end else f"{words}  kill -KILL $$\n"
    return mutate(text or provision.script().decode(), [(words, new)]).encode()


def judged(talk: AppTalk, *allowed: Tree) -> list[str]:
    """What is wrong with a node that was looked at after something had happened to it."""
    node = talk.node
    talk.look()
    wrong = [f"left behind: {name}" for name in node.leftovers()]
    if node.running.read_bytes() != node.served():
        wrong.append("what runs isn't what is there")
    if node.tree() not in allowed:
        wrong.append("neither old nor new")
    return wrong


def told(run: Callable[[], object]) -> None:
    """The command's own end doesn't matter here."""
    with contextlib.suppress(NginxwsError):
        run()


@pytest.mark.parametrize("point", _CHANGE)
def test_a_change_killed_at_every_step(dash: AppTalk, node: AppNode, point: str) -> None:
    first = node.tree()
    dash.up("one")
    old, plan = node.tree(), dash.plan("two")
    told(lambda: dash.change(plan, text=killed_at(_CHANGE[point])))
    committed = point in ("recorded", "done")
    dash.look()
    assert judged(dash, node.tree() if committed else old) == []
    assert (node.target / "current/version").read_text() == ("two\n" if committed else "one\n")
    if point in ("unpacked", "switched", "recorded"):
        dash.up("three")
        dash.down()
        assert node.tree() == first
        assert not node.state.exists()


@pytest.mark.parametrize("point", _DOWN)
def test_taking_down_killed_at_every_step(dash: AppTalk, node: AppNode, point: str) -> None:
    first = node.tree()
    dash.up("one")
    up = node.tree()
    told(lambda: dash.down(text=killed_at(_DOWN[point])))
    assert judged(dash, up, first) == []
    dash.down()
    assert node.tree() == first
    assert not node.state.exists()


@pytest.mark.parametrize("point", _BACK)
def test_the_way_back_killed_at_every_step(dash: AppTalk, node: AppNode, point: str) -> None:
    """Then again by the one that recovers: the third finds it all the same."""
    dash.up("one")
    old, plan, text = node.tree(), dash.plan("two"), killed_at(_BACK[point])
    told(lambda: dash.change(plan, lambda: "no", text=text))
    told(lambda: dash.recover(text))
    assert judged(dash, old) == []


def test_the_first_one_killed_leaves_nothing(talk: AppTalk, node: AppNode) -> None:
    first, plan = node.tree(), talk.plan("one")
    for point in ("unpacked", "switched", "restarted"):
        told(lambda at=point: talk.change(plan, text=killed_at(_CHANGE[at])))  # type: ignore[misc]  # bound
        assert judged(talk, first) == []


def test_recovery_tells_what_was_committed(dash: AppTalk, node: AppNode) -> None:
    plan = dash.plan()
    with pytest.raises(ConnectionFailed):
        dash.change(plan, text=killed_at(_CHANGE["recorded"]), transaction="0123456789abcdef")
    assert dash.look(undo=False).pending
    found = dash.recover()
    assert (found.undone, found.last_transaction) == (False, "0123456789abcdef")
    assert dash.look().recovered == ""
    told(lambda: dash.change(dash.plan("two"), text=killed_at(_CHANGE["switched"])))
    assert dash.look().recovered.startswith("interrupted change ")
    assert dash.look().recovered == ""
    assert node.running.read_bytes() == node.served()


# --- the word that doesn't come ------------------------------------------------------------------


def test_end_of_input_means_back(talk: AppTalk, node: AppNode, monkeypatch: pytest.MonkeyPatch) -> None:
    before, plan = node.tree(), talk.plan()
    with talk.session() as session:
        monkeypatch.setattr(session, "send_word", lambda _word: session.close())
        with pytest.raises(Restored, match="no word from here"):
            application.change(session, plan, node.wanted, talk.options, lambda: None)
    assert judged(talk, before) == []


def test_a_line_that_is_cut_means_back(dash: AppTalk, node: AppNode) -> None:
    before, plan = node.tree(), dash.plan()
    with dash.session() as session, pytest.raises(NginxwsError):
        application.change(session, plan, node.wanted, dash.options, session.abort)
    assert judged(dash, before) == []
    assert node.restarts == 2


def test_a_word_that_comes_too_late(dash: AppTalk, node: AppNode) -> None:
    old = node.running.read_bytes()
    short = dash.with_options(confirm_timeout=1)
    before, plan = node.tree(), short.plan()
    changed: list[bytes] = []

    def dawdle() -> None:
        changed.append(node.running.read_bytes())
        wait_for(lambda: node.running.read_bytes() == old, "the node to restore by itself", 20)

    with pytest.raises(Restored, match="in time") as caught:
        short.change(plan, dawdle)
    assert "within 1 s" in (caught.value.detail or "")
    assert changed != [old]
    assert judged(dash, before) == []


def test_the_timer_is_as_long_as_is_said(dash: AppTalk, node: AppNode) -> None:
    """Nobody says anything for a while: the change is held, at a slower pace, and committed then."""
    text = mutate(provision.script().decode(), [('"$naps" -lt 300', '"$naps" -lt 5')]).encode()
    long = dash.with_options(confirm_timeout=60)

    def wait() -> None:
        began = os.times().elapsed
        wait_for(lambda: os.times().elapsed - began > 0.6, "some of the slower pace")

    assert long.change(long.plan(), wait, text=text).changed
    assert node.running.read_bytes() == node.served()


def test_a_signal_means_back(talk: AppTalk, node: AppNode) -> None:
    before, plan = node.tree(), talk.plan()

    def end() -> None:
        owner = (node.state / "apps/chat/owner").read_text()
        os.kill(int(owner.split()[1]), signal.SIGTERM)
        wait_for(lambda: node.restarts == 2, "the node to restore")

    with pytest.raises(Restored, match="told to stop"):
        talk.change(plan, end)
    assert judged(talk, before) == []
