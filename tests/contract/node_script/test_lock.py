"""The node script's lock, and what a dead holder left."""

from __future__ import annotations

import os
import subprocess
import threading
from dataclasses import replace

import pytest
from support.nginx import NginxNode
from support.talking import Talk

from nginxws.errors import LockedError, NginxwsError, Restored
from nginxws.nodes import transaction
from nginxws.nodes.script import script

pytestmark = [pytest.mark.nginx]


def test_the_lock_names_its_holder_and_lets_the_next_one_in(talk: Talk) -> None:
    plan, ready, go = talk.plan(), threading.Event(), threading.Event()

    def hold() -> str:
        ready.set()
        assert go.wait(20)
        return "enough"

    def first() -> None:
        with pytest.raises(Restored):
            talk.transact(plan, hold)

    thread = threading.Thread(target=first)
    thread.start()
    try:
        assert ready.wait(20)
        rival = Talk(talk.node, talk.shell)
        rival.options = replace(talk.options, lock_timeout=0, who="rival")
        with pytest.raises(LockedError, match=r"tester@here, since \d{4}-\d\d-\d\d [\d:]+ UTC \(process \d+"):
            rival.transact(plan)
        with pytest.raises(LockedError):
            rival.unlock()
        assert rival.snapshot().pending is not None
    finally:
        go.set()
        thread.join(20)
    rival.options = replace(rival.options, lock_timeout=10)
    assert rival.transact(plan).revision == 1


def test_unlock_ends_a_live_holder_by_force(talk: Talk, node: NginxNode) -> None:
    old, ready, go = node.digests(), threading.Event(), threading.Event()
    errors: list[NginxwsError] = []

    def hold() -> None:
        ready.set()
        go.wait(20)

    def first() -> None:
        try:
            talk.transact(plan, hold)
        except NginxwsError as error:
            errors.append(error)

    plan = talk.plan()
    thread = threading.Thread(target=first)
    thread.start()
    try:
        assert ready.wait(20)
        assert "tester@here" in Talk(node, talk.shell).unlock(force=True)
        assert node.digests() == old
    finally:
        go.set()
        thread.join(20)
    assert [error.code for error in errors] == [4]
    assert Talk(node, talk.shell).unlock() == ""


def test_unlock_tells_of_what_a_dead_holder_left(talk: Talk, node: NginxNode) -> None:
    text = script().decode().replace("  step reload\n", "  step reload\n  kill -KILL $$\n", 1)
    old, plan = node.digests(), talk.plan()
    with pytest.raises(NginxwsError):
        talk.transact(plan, text=text.encode())
    freed = talk.unlock()
    assert "tester@here" in freed
    assert "`nginxws recover` undoes it" in freed
    assert talk.recover().undone
    assert node.digests() == old
    assert talk.unlock() == ""


def test_without_flock_a_dead_owner_is_found(talk: Talk, node: NginxNode) -> None:
    text = script().decode().replace("if have flock; then", "if false; then")
    assert text.count("if false; then") == 3
    now = text.encode()
    plan = talk.plan()
    with pytest.raises(Restored):
        talk.transact(plan, lambda: "no", text=now)
    (state,) = node.state.glob("*")
    (state / "locked").write_text("999999 never\n")
    assert talk.transact(plan, text=now).revision == 1
    assert not (state / "locked").exists()


def test_without_flock_force_ends_the_holder_and_nobody_else(talk: Talk, node: NginxNode) -> None:
    """The number that a dead holder left may be another process's by now."""
    text = script().decode().replace("if have flock; then", "if false; then").encode()
    old, plan = node.digests(), talk.plan()
    freed: list[str] = []

    def unlock() -> str:
        with Talk(node, talk.shell).session(text) as session:
            return transaction.unlock(session, talk.options, force=True)

    def hold() -> str:
        freed.append(unlock())
        return "enough"

    with pytest.raises(Restored, match="told to stop"):
        talk.transact(plan, hold, text=text)
    assert "tester@here" in freed[0]
    assert node.digests() == old
    (state,) = node.state.glob("*")
    with subprocess.Popen(["sleep", "60"]) as bystander:
        (state / "locked").write_text(f"{bystander.pid} long-ago\n")
        (state / "owner").write_text(f"pid {bystander.pid}\nwho tester@here\nsince 1\n")
        assert f"process {bystander.pid}" in unlock()
        assert bystander.poll() is None
        bystander.kill()


def test_without_flock_a_lock_is_freed_though_the_last_one_to_try_was_killed(
    talk: Talk, node: NginxNode
) -> None:
    text = script().decode().replace("if have flock; then", "if false; then").encode()
    plan = talk.plan()
    with pytest.raises(Restored):
        talk.transact(plan, lambda: "no", text=text)
    (state,) = node.state.glob("*")
    (state / "locked").write_text("999999 never\n")
    (state / "lock.break").mkdir()
    os.utime(state / "lock.break", (1, 1))
    assert talk.transact(plan, text=text).revision == 1
    assert not list(state.glob("lock*"))


def test_without_flock_a_live_owner_keeps_it_when_the_clock_is_set(talk: Talk) -> None:
    """ps tells a process's start by the wall clock, so what it says changes with that."""
    without = script().decode().replace("if have flock; then", "if false; then")
    text = without.replace("\numask 077\n", "\numask 077\nps() { echo by-now $$; }\n")
    plan, refused = talk.plan(), []

    def rival() -> str:
        other = Talk(talk.node, talk.shell)
        other.options = replace(talk.options, lock_timeout=1)
        with pytest.raises(LockedError) as caught:
            other.transact(plan, text=text.encode())
        refused.append(caught.value)
        return "enough"

    with pytest.raises(Restored):
        talk.transact(plan, rival, text=text.encode())
    assert refused
