"""Others at the same application: rivals, editors, and what a dead one left."""

from __future__ import annotations

import os
import platform
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from faults.variants import mutate
from support.appnode import AppNode, AppTalk

from nginxws.errors import LockedError, NginxwsError, NodeError, Restored, RestoreFailed, StaleError
from nginxws.nodes.provision import application
from nginxws.nodes.script import provision

_WITHOUT_FLOCK = "if have flock; then"


def without_flock() -> bytes:
    text = provision.script().decode().replace(_WITHOUT_FLOCK, "if false; then")
    assert text.count("if false; then") == 2
    return mutate(text, [("! have flock ||", "true ||")]).encode()


class Held:
    """A change by somebody else, held when it is ready until it is told to go on."""

    def __init__(self, run: Callable[[Callable[[], str | None]], object], word: str | None) -> None:
        self._ready, self._go, self._word = threading.Event(), threading.Event(), word
        self.error: NginxwsError | None = None
        self._thread = threading.Thread(target=self._run, args=(run,))

    def _run(self, run: Callable[[Callable[[], str | None]], object]) -> None:
        try:
            run(self._hold)
        except NginxwsError as error:
            self.error = error

    def _hold(self) -> str | None:
        self._ready.set()
        assert self._go.wait(30)
        return self._word

    def __enter__(self) -> Held:
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def go(self) -> None:
        self._go.set()

    def __exit__(self, *_error: object) -> None:
        self._go.set()
        self._thread.join(30)


def test_one_at_a_time_by_name(dash: AppTalk, node: AppNode) -> None:
    plan, rival = dash.plan(), dash.with_options(lock_timeout=0, who="rival")
    with Held(lambda hold: dash.change(plan, hold), "no") as first:
        with pytest.raises(LockedError, match=r"tester@here, since \d{4}-.* \(process \d+ on the node\)"):
            rival.change(plan)
        with pytest.raises(LockedError):
            rival.look()
        assert rival.look(undo=False).pending
    assert isinstance(first.error, Restored)
    assert rival.change(plan).changed
    assert node.running.read_bytes() == node.served()


def test_the_second_of_two_operators_is_told(dash: AppTalk, node: AppNode) -> None:
    mine, theirs = dash.plan("one"), dash.plan("two")
    waits: list[str] = []
    with Held(lambda hold: dash.change(mine, hold), None) as first:

        def on_step(name: str, words: str) -> None:
            if name == "wait":
                waits.append(words)
                first.go()

        with pytest.raises(StaleError):
            dash.change(theirs, on_step=on_step)
    assert waits
    assert "tester@here" in waits[0]
    assert (node.target / "current/version").read_text() == "one\n"


def test_who_waited_while_it_was_taken_down_has_a_lock_of_its_own(talk: AppTalk, node: AppNode) -> None:
    before = node.tree()
    talk.up("one")
    locks: list[bool] = []
    with Held(talk.down, None) as first:

        def on_step(name: str, _words: str) -> None:
            if name == "wait":
                first.go()

        with talk.session() as session:
            application.recover(session, talk.options, on_step)
    assert first.error is None
    assert node.tree() == before

    def decide() -> str:
        with pytest.raises(LockedError):
            talk.with_options(lock_timeout=0).change(plan)
        locks.append(True)
        return "no"

    plan = talk.plan("two")
    with pytest.raises(Restored):
        talk.change(plan, decide)
    assert locks


def test_without_flock_a_dead_holder_is_found_and_a_live_one_respected(dash: AppTalk, node: AppNode) -> None:
    text, plan = without_flock(), dash.plan()

    def rival() -> str:
        with pytest.raises(LockedError):
            dash.with_options(lock_timeout=0).change(plan, text=text)
        return "no"

    with pytest.raises(Restored):
        dash.change(plan, rival, text=text)
    (node.state / "apps/chat/locked").write_text("999999 never\n")
    assert dash.change(plan, text=text).changed
    assert not list((node.state / "apps/chat").glob("lock*"))


def test_what_somebody_writes_meanwhile_stays_and_nothing_of_ours(dash: AppTalk, node: AppNode) -> None:
    plan, edited = dash.plan(), b'# by hand\nurl = "ws://other/"\n'

    def edit() -> None:
        node.conf.write_bytes(edited)

    with pytest.raises(StaleError, match=r"somebody else changed .*chat\.conf meanwhile"):
        dash.change(plan, edit)
    assert node.conf.read_bytes() == edited
    assert not node.target.exists()
    assert node.running.read_bytes() == node.served()
    assert node.leftovers() == []


def test_a_link_that_somebody_switches_meanwhile_stays(dash: AppTalk, node: AppNode) -> None:
    dash.up("one")
    plan, conf = dash.plan("two"), node.conf.read_bytes()
    current = node.target / "current"

    def switch() -> None:
        current.unlink()
        current.symlink_to("elsewhere")

    with pytest.raises(StaleError, match=r"somebody else changed .*current meanwhile"):
        dash.change(plan, switch)
    assert current.readlink() == Path("elsewhere")
    assert node.conf.read_bytes() == conf
    assert len(list((node.target / "releases").iterdir())) == 1
    assert dash.look().foreign == "it is a link to elsewhere, which is no release of ours"


def test_an_edit_is_never_put_back(dash: AppTalk, node: AppNode) -> None:
    """Refused here, and edited there: a human is asked; once he has put the old text back, all goes on."""
    before, plan, edited = node.tree(), dash.plan(), b"# by hand\n"
    old = node.conf.read_bytes()

    def edit() -> str:
        node.conf.write_bytes(edited)
        return "no"

    with pytest.raises(RestoreFailed, match="somebody edited a file since") as caught:
        dash.change(plan, edit)
    assert node.conf.read_bytes() == edited
    assert f"{node.conf} was edited meanwhile; its old text is " in (caught.value.detail or "")
    with pytest.raises(RestoreFailed):
        dash.look()
    with pytest.raises(StaleError, match="must be undone first"):
        dash.change(plan)
    kept = Path((caught.value.detail or "").rpartition(" its old text is ")[2])
    assert kept.read_bytes() == old
    node.conf.write_bytes(old)
    dash.look()
    assert node.tree() == before
    assert node.running.read_bytes() == node.served()


def test_a_file_that_is_open_in_an_editor_is_left_alone(dash: AppTalk, node: AppNode) -> None:
    plan = dash.plan()
    mark = node.conf.with_name(f".#{node.conf.name}")
    mark.symlink_to(f"anna@{platform.node()}.{os.getpid()}:1")
    before = node.tree()
    with pytest.raises(LockedError, match="anna has the file open in an editor"):
        dash.with_options(lock_timeout=0).change(plan)
    assert node.tree() == before
    assert dash.with_options(lock_timeout=0, ignore_editors=True).change(plan).changed


def test_a_state_folder_that_others_may_write_is_refused(dash: AppTalk, node: AppNode) -> None:
    plan, before = dash.plan(), node.tree()
    place = node.state / "apps" / "chat"
    place.mkdir(parents=True)
    place.chmod(0o777)
    for ask in (dash.look, lambda: dash.change(plan), dash.down):
        with pytest.raises(NodeError, match="others than you and root could change the state directory"):
            ask()
    assert node.tree() == before
