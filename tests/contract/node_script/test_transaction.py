"""Transactions by the node script, under every shell that a node may have as its sh."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from support.nginx import NginxNode
from support.sshd import need
from support.talking import Talk

from nginxws.errors import NginxwsError, NodeError, Restored, StaleError
from nginxws.nodes import transaction

pytestmark = [pytest.mark.nginx]


def test_commit_and_rollback(talk: Talk, node: NginxNode) -> None:
    old = node.digests()
    with pytest.raises(Restored):
        talk.transact(talk.plan(), lambda: "no")
    assert node.digests() == old
    assert node.lock_is_free()
    done = talk.transact(talk.plan())
    assert done.revision == 1
    assert done.workers.serving == 2
    assert b"begin route /ws/" in node.site.read_bytes()
    assert node.lock_is_free()
    assert not list(node.prefix.rglob(".nginxws-*"))
    assert talk.recover() == transaction.Recovered(False, "", talk.recover().last_transaction, 1)


@pytest.mark.parametrize("kind", ["hard link", "bind mount", "symlink"])
def test_a_file_keeps_what_it_is(talk: Talk, node: NginxNode, kind: str) -> None:
    other = node.prefix / "other.conf"
    with contextlib.ExitStack() as stack:
        if kind == "hard link":
            os.link(node.site, other)
        elif kind == "symlink":
            node.site.rename(other)
            node.site.symlink_to(other)
        else:
            other.write_bytes(node.site.read_bytes())
            words = ["mount", "--bind", str(other), str(node.site)]
            if os.geteuid() != 0 or subprocess.run(words, check=False, capture_output=True).returncode:
                pytest.skip("no mounts here")
            stack.callback(subprocess.run, ["umount", str(node.site)], check=True)
        old, inode = node.site.read_bytes(), other.stat().st_ino
        with pytest.raises(Restored):
            talk.transact(talk.plan(), lambda: "no")
        assert node.site.read_bytes() == other.read_bytes() == old
        talk.transact(talk.plan())
        assert node.site.read_bytes() == other.read_bytes() != old
        assert node.site.is_symlink() == (kind == "symlink")
        assert kind == "symlink" or other.stat().st_ino == inode


def test_mode_and_owner_are_kept(talk: Talk, node: NginxNode) -> None:
    node.site.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(node.site, 0, 12)
    before = node.site.stat()
    talk.transact(talk.plan())
    after = node.site.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)


def test_a_stale_plan_of_a_large_configuration_is_refused(talk: Talk, node: NginxNode) -> None:
    """The refusal arrives although the script never reads the megabyte that came with the request."""
    node.site.with_name("large.conf").write_text("# filler\n" * 20)
    plan = talk.plan()
    big = replace(plan.files[0], after=plan.files[0].after + b"# filler\n" * 120_000)
    node.site.write_bytes(node.site.read_bytes() + b"# edited\n")
    with pytest.raises(StaleError, match=re.escape(str(node.site))):
        talk.transact(replace(plan, files=(big,)))


def test_nothing_runs_when_nginx_is_stopped(node: NginxNode, talk: Talk) -> None:
    plan = talk.plan()
    node.stop()
    with pytest.raises(NodeError, match="not running"):
        talk.transact(plan)


def test_revisions_are_pruned(talk: Talk, node: NginxNode) -> None:
    talk.options = replace(talk.options, keep=2)
    for port in range(1, 5):
        talk.transact(talk.plan(f"127.0.0.1:{port}"))
    assert [Path(one).name for one in node.revisions()] == ["3", "4"]


def test_a_reload_command_that_restarts_is_undone(talk: Talk, node: NginxNode) -> None:
    """The master must stay: a restart drops every open socket."""
    command = (
        f"kill -QUIT $(cat {node.pid_file}); while [ -s {node.pid_file} ]; do sleep 0.02; done; "
        f"{node.binary} -p {node.prefix} -c {node.conf}"
    )
    talk.options = replace(talk.options, reload_command=command)
    old = node.digests()
    with pytest.raises(NginxwsError, match="everything was restored") as caught:
        talk.transact(talk.plan())
    assert "restart" in (caught.value.detail or "")
    assert "NGINX's own" not in (caught.value.hint or "")
    assert node.digests() == old
    os.kill(node.master, 15)


def test_a_reload_command_without_end_is_ended(talk: Talk, node: NginxNode) -> None:
    need("timeout")
    old = node.digests()
    talk.options = replace(talk.options, reload_timeout=1, reload_command="sleep 100")
    with pytest.raises(Restored) as caught:
        talk.transact(talk.plan())
    assert "did not end within 1 s" in (caught.value.detail or "")
    assert node.digests() == old


def test_where_options_end_at_the_first_operand(
    talk: Talk, node: NginxNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """BSD's getopt does, and GNU's when a login profile sets this."""
    monkeypatch.setenv("POSIXLY_CORRECT", "1")
    old = node.digests()
    with pytest.raises(Restored):
        talk.transact(talk.plan(), lambda: "no")
    assert node.digests() == old
    assert talk.transact(talk.plan()).revision == 1
    assert not talk.recover().undone
    assert talk.unlock() == ""


@pytest.mark.parametrize("reason", ["bind mount", "hard link"])
def test_what_is_written_in_place_is_said(node: NginxNode, talk: Talk, reason: str) -> None:
    other = node.prefix / "other.conf"
    said: dict[str, str] = {}
    with contextlib.ExitStack() as stack:
        if reason == "hard link":
            os.link(node.site, other)
        else:
            other.write_bytes(node.site.read_bytes())
            bind(stack, other, node.site)
        done = talk.transact(talk.plan(), on_step=said.__setitem__)
    assert done.in_place == (f"{node.site} ({reason})",)
    assert said["activate"] == f"1, in place: {node.site} ({reason})"


def test_a_bind_mount_with_a_blank_and_a_digit_in_its_name(node: NginxNode, talk: Talk) -> None:
    """The kernel's list writes a blank in octal, and the digit behind it isn't part of that."""
    other = node.prefix / "other.conf"
    other.write_bytes(node.site.read_bytes())
    node.site.unlink()
    site = node.site.with_name("site 1.conf")
    site.touch()
    with contextlib.ExitStack() as stack:
        bind(stack, other, site)
        assert talk.transact(talk.plan()).in_place == (f"{site} (bind mount)",)
        assert "begin route" in other.read_text()


def test_nothing_is_said_of_an_ordinary_file(dash: Talk) -> None:
    said: dict[str, str] = {}
    assert dash.transact(dash.plan(), on_step=said.__setitem__).in_place == ()
    assert said["activate"] == "1"


def test_a_read_only_mount_is_called_read_only(talk: Talk, node: NginxNode) -> None:
    plan = talk.plan()
    with contextlib.ExitStack() as stack, node.untouched():
        other = node.prefix / "other.conf"
        other.write_bytes(node.site.read_bytes())
        bind(stack, other, node.site)
        subprocess.run(["mount", "-o", "remount,bind,ro", str(node.site)], check=True)
        with pytest.raises(NodeError, match="nothing was changed") as caught:
            talk.transact(plan)
    assert "read-only" in (caught.value.detail or "")
    assert "permission denied" not in (caught.value.detail or "")


def bind(stack: contextlib.ExitStack, source: Path, target: Path) -> None:
    words = ["mount", "--bind", str(source), str(target)]
    if os.geteuid() != 0 or subprocess.run(words, check=False, capture_output=True).returncode:
        pytest.skip("no mounts here")
    stack.callback(subprocess.run, ["umount", str(target)], check=True)
