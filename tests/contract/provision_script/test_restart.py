"""The restart of an application: what runs it, what it leaves, and what comes of it when it fails."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.appnode import AppNode, AppTalk
from support.login import login
from support.nginx import wait_for
from support.programs import standing_first
from support.sshd import SshdFactory
from support.talking import SHELLS

from nginxws.errors import InvalidInput, NodeError, Restored, RestoreFailed
from nginxws.nodes.provision.options import AppOptions
from nginxws.nodes.script import provision


def test_one_that_fails_the_first_time_leaves_nothing(talk: AppTalk, node: AppNode) -> None:
    before, running = node.tree(), node.running.read_bytes()
    with pytest.raises(Restored, match="could not be restarted; everything was restored") as caught:
        talk.up("bad")
    assert "exit status 3: it is broken" in (caught.value.detail or "")
    assert node.tree() == before
    assert node.running.read_bytes() == running
    assert node.leftovers() == []


def test_one_that_fails_later_goes_back_to_the_release_before(dash: AppTalk, node: AppNode) -> None:
    dash.up("one")
    old, running = node.tree(), node.running.read_bytes()
    with pytest.raises(Restored):
        dash.up("bad")
    assert node.tree() == old
    assert node.running.read_bytes() == running
    assert node.restarts == 2


def test_one_that_fails_on_the_way_back_too_is_for_a_human(dash: AppTalk, node: AppNode) -> None:
    dash.up("one")
    old = node.tree()
    broken = dash.with_options(restart="echo no such thing; exit 9")
    with pytest.raises(RestoreFailed, match=r"files are as they were, but .* can't be restarted") as caught:
        broken.change(broken.plan("two"))
    assert (caught.value.detail or "").count("exit status 9: no such thing") == 2
    assert node.tree() == old
    assert node.leftovers() == []
    assert dash.up("two").changed


def test_with_nothing_deployed_before_a_restart_may_fail_on_the_way_back(
    dash: AppTalk, node: AppNode
) -> None:
    """As it did before there was anything; the same when it is taken down."""
    before, restart = node.tree(), f"cat '{node.target}/current/version'"
    only = dash.with_options(restart=restart)
    with pytest.raises(Restored) as caught:
        only.change(only.plan("one"), lambda: "no")
    assert "with nothing deployed, the restart failed with exit status 1" in (caught.value.detail or "")
    assert node.tree() == before
    only.change(only.plan("one"))
    done = only.down()
    assert "with nothing deployed, the restart failed with exit status 1" in done.words
    assert node.tree() == before
    assert not node.state.exists()


@pytest.mark.parametrize("shell", ["dash", "busybox"])
def test_one_that_hangs_is_ended_with_all_that_it_started(node: AppNode, shell: str) -> None:
    talk = AppTalk(node, SHELLS[shell])
    talk.up("one")
    old, running = node.tree(), node.running.read_bytes()
    short = talk.with_options(restart_timeout=1)
    with pytest.raises(Restored) as caught:
        short.change(short.plan("stuck"))
    assert "did not end within 1 s" in (caught.value.detail or "")
    assert node.tree() == old
    assert node.running.read_bytes() == running
    leader = int(node.running.with_name("running.pid").read_text())
    assert _session_of(leader) == []


def _session_of(leader: int) -> list[int]:
    """Live processes of a session."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(words[3]) == leader and words[0] != "Z":
            found.append(int(stat.parent.name))
    return found


@pytest.fixture
def daemon(node: AppNode) -> Iterator[Path]:
    """Where the pid of one that a restart starts is to stand; it is ended with the test."""
    place = node.work / "daemon.pid"
    yield place
    if place.exists():
        os.kill(int(place.read_text()), signal.SIGKILL)


def _starts(daemon: Path) -> str:
    return f"sh -c 'echo $$ >\"$0\"; exec sleep 1000' '{daemon}' &"


def _is_free(pid: int) -> None:
    """It holds none of our streams nor our lock, and hears the signals that it should."""
    process = Path(f"/proc/{pid}")
    assert {fd.name for fd in (process / "fd").iterdir()} == {"0", "1", "2"}
    assert not [fd for fd in (process / "fd").iterdir() if "pipe:" in os.readlink(fd)]  # noqa: PTH115
    ignored = int(
        next(line for line in (process / "status").read_text().split("\n") if "SigIgn" in line).split()[1], 16
    )
    assert not ignored & (1 << (signal.SIGPIPE - 1))
    assert int((process / "stat").read_text().rpartition(")")[2].split()[3]) != os.getsid(0)


def test_what_it_starts_outlives_us_and_holds_nothing(talk: AppTalk, node: AppNode, daemon: Path) -> None:
    starting = talk.with_options(restart=_starts(daemon))
    assert starting.change(starting.plan("one")).changed
    pid = int(wait_for(lambda: daemon.exists() and daemon.read_text(), "the daemon"))
    _is_free(pid)
    assert talk.with_options(lock_timeout=0).up("two").changed
    os.kill(pid, 0)


@pytest.mark.sshd
def test_over_ssh_what_it_starts_outlives_the_connection(
    node: AppNode, daemon: Path, sshd: SshdFactory
) -> None:
    server = sshd()
    talk = AppTalk(node, connect=lambda: login(server))
    before = node.tree()
    starting = talk.with_options(restart=_starts(daemon))
    done = starting.change(starting.plan("y" * (1 << 20)))
    assert done.changed
    pid = int(wait_for(lambda: daemon.exists() and daemon.read_text(), "the daemon"))
    _is_free(pid)
    with pytest.raises(Restored):
        talk.up("two", decide=lambda: "no")
    assert talk.down().changed
    assert node.tree() == before
    os.kill(pid, 0)


# --- services ------------------------------------------------------------------------------------


class Managers:
    """Programs that manage services: they note what they are asked, and do the rig's restart."""

    def __init__(self, node: AppNode) -> None:
        self.folder, self.init, self.systemd = (node.work / name for name in ("bin", "init.d", "systemd"))
        self.log = node.work / "managers.log"
        for folder in (self.folder, self.init):
            folder.mkdir()
        self.restart = node.restart()

    def add(self, program: Path, knows: str) -> None:
        """One that fails unless ``knows`` succeeds for its words."""
        program.write_text(
            f"#!/bin/sh\n{knows} || exit 4\n"
            f'case "$*" in *restart*) echo "${{0##*/}} $*" >>"{self.log}"; {self.restart} ;; esac\n'
        )
        program.chmod(0o755)

    def script(self) -> bytes:
        text = provision.script().decode()
        assert text.count("/etc/init.d/") == 3
        text = text.replace("/etc/init.d/", f"{self.init}/").replace("/run/systemd/system", str(self.systemd))
        return standing_first(text.encode(), self.folder)


@pytest.mark.parametrize(
    ("manager", "asked"),
    [
        ("systemd", "systemctl restart chat"),
        ("openrc", "rc-service chat restart"),
        ("sysv", "service chat restart"),
        ("foreign systemd", "service chat restart"),
    ],
)
def test_a_service_is_restarted_by_what_manages_it(node: AppNode, manager: str, asked: str) -> None:
    managers, dash = Managers(node), AppTalk(node, ["dash"])
    managers.add(managers.folder / "service", "true")
    if "systemd" in manager:
        managers.systemd.mkdir()
        managers.add(managers.folder / "systemctl", "true" if manager == "systemd" else "false")
    if manager == "openrc":
        managers.add(managers.folder / "rc-service", "true")
    if manager in ("sysv", "foreign systemd"):
        managers.add(managers.init / "chat", "true")
    node.wanted = replace(node.wanted, restart=None, service="chat")
    served = dash.with_options(restart="", service="chat")
    text = managers.script()
    assert served.change(served.plan("one", served.look(text=text)), text=text).restarted
    with pytest.raises(Restored):
        served.change(served.plan("two", served.look(text=text)), lambda: "no", text=text)
    assert managers.log.read_text().splitlines() == [asked] * 3
    assert node.running.read_bytes() == node.served()


def test_a_service_that_nothing_knows_is_refused_before_anything(dash: AppTalk, node: AppNode) -> None:
    managers, before = Managers(node), node.tree()
    node.wanted = replace(node.wanted, restart=None, service="chat")
    served = dash.with_options(restart="", service="chat")
    now = served.look(text=managers.script())
    with pytest.raises(NodeError, match="no service chat"):
        served.plan("one", now)
    with pytest.raises(NodeError, match="no service chat"):
        served.change(served.plan("one", replace(now, unmanaged=False)), text=managers.script())
    assert node.tree() == before


def test_without_a_restart_there_is_none(dash: AppTalk, node: AppNode) -> None:
    node.wanted = replace(node.wanted, restart=None)
    none = dash.with_options(restart="")
    done = none.change(none.plan("one"))
    assert done.changed
    assert not done.restarted
    assert node.restarts == 0


@pytest.mark.parametrize("name", ["", "a/b", "../x", "-x", "a b", "x" * 64])
def test_names_are_checked_here(name: str) -> None:
    with pytest.raises(InvalidInput):
        AppOptions(name)
    if name:
        with pytest.raises(InvalidInput):
            AppOptions("chat", service=name)
