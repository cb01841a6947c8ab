"""Full disks, odd umasks, and scripts broken on purpose."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from faults.variants import mutate
from support.appnode import AppNode, AppTalk
from support.disks import PAGE, Hog, mount

from nginxws.errors import NginxwsError, NodeError, Restored
from nginxws.nodes.provision import application
from nginxws.nodes.script import provision


@pytest.fixture(params=["home", "state"])
def disk(request: pytest.FixtureRequest, node: AppNode) -> Iterator[Path]:
    """The application's own small disk, or the state's."""
    folder = node.home if request.param == "home" else node.state
    files = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    folder.mkdir(exist_ok=True)
    mount("-t", "tmpfs", "-o", f"size={256 * PAGE},mode=755", "tmpfs", str(folder))
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.root
@pytest.mark.parametrize("at", ["stage", "checkpoint", "activate", "restart"])
def test_a_disk_that_gets_full_costs_nothing(
    dash: AppTalk, node: AppNode, disk: Path, at: str, tmp_path: Path
) -> None:
    """At any step: done, or as it was. The way back needs no room either."""
    dash.up("one")
    old, plan, go = node.tree(), dash.plan("two"), tmp_path / "go"
    hogs: list[Hog] = []
    pause = f'step() {{ emit step "$1"; while [ "$1" = {at} ] && [ ! -e \'{go}\' ]; do nap; done; }}\n'
    text = mutate(provision.script().decode(), [('step() { emit step "$1${2:+ $2}"; }\n', pause)]).encode()

    def fill(name: str, _words: str) -> None:
        if name == at and not hogs:
            hogs.append(Hog(disk))
            go.touch()

    try:
        with pytest.raises((Restored, NodeError)) as caught:
            dash.change(plan, lambda: "no", text=text, on_step=fill)
    finally:
        for hog in hogs:
            hog.free()
    assert hogs
    assert node.tree() == old
    assert (caught.value.code == 1) is (at in ("stage", "checkpoint") and _needs(disk, node, at))
    dash.look()
    assert node.leftovers() == []
    assert dash.up("two").changed


def _needs(disk: Path, node: AppNode, at: str) -> bool:
    """Whether the step takes room on that disk before anything is touched."""
    return disk == node.state or at == "stage"


@pytest.mark.root
@pytest.mark.parametrize("where", ["home", "target", "releases"])
@pytest.mark.parametrize("how", ["other user", "everybody"])
def test_root_unpacks_only_where_nobody_else_could_put_a_link(
    dash: AppTalk, node: AppNode, where: str, how: str
) -> None:
    dash.up("one")
    folder = {"home": node.home, "target": node.target, "releases": node.target / "releases"}[where]
    mode = folder.stat().st_mode
    if how == "everybody":
        folder.chmod(0o777)
    else:
        os.chown(folder, 12345, 0)
    old = node.tree()
    with pytest.raises(NodeError, match="could lead root astray") as caught:
        dash.change(dash.plan("two"), lambda: None)
    assert str(folder) in caught.value.message
    assert caught.value.hint is not None
    assert node.tree() == old
    os.chown(folder, 0, 0)
    folder.chmod(mode)
    dash.up("two")


def test_modes_are_those_of_the_archive_whatever_the_umask(dash: AppTalk, node: AppNode) -> None:
    for umask in (0o000, 0o077):
        before = os.umask(umask)
        try:
            dash.up("one")
        finally:
            os.umask(before)
        modes = {path.name: path.stat().st_mode & 0o7777 for path in [node.target, *node.target.rglob("*")]}
        assert modes.pop("version") == 0o644
        assert set(modes.values()) == {0o755}
        assert all(path.stat().st_mode & 0o077 == 0 for path in (node.state / "apps").rglob("*"))
        dash.down()


def test_a_home_that_is_odd_is_taken_as_it_is(
    dash: AppTalk, node: AppNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As another user than root, without a state folder: it stands below HOME, whatever that is called."""
    home = node.work / "a home; with $words"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    text = mutate(
        provision.script().decode(), [('if [ "$(id -u)" = 0 ]; then STATE=', "if false; then STATE=")]
    ).encode()
    before, here = node.tree(), dash.with_options(state_dir="")
    assert here.change(here.plan("one", here.look(text=text)), text=text).changed
    assert (home / ".local/state/nginxws/apps/chat/record").is_file()
    assert here.down(text=text).changed
    assert node.tree() == before
    assert not (home / ".local/state/nginxws").exists()


# --- mutants -------------------------------------------------------------------------------------


def refused(dash: AppTalk, text: bytes) -> None:
    """Refused here: everything is as it was, and runs so."""
    dash.up("one")
    node, old = dash.node, dash.node.tree()
    with pytest.raises(Restored):
        dash.change(dash.plan("two"), lambda: "no", text=text)
    assert node.tree() == old
    assert node.running.read_bytes() == node.served()
    assert node.leftovers() == []


def cut_off(dash: AppTalk, text: bytes) -> None:
    """Killed with all of it live: the next one puts it back."""
    node, old = dash.node, dash.node.tree()
    dead = mutate(text.decode(), [("  emit ready ''\n", "  kill -KILL $$\n")]).encode()
    with pytest.raises(NginxwsError):
        dash.change(dash.plan("one"), text=dead)
    dash.look(text=text)
    assert node.tree() == old
    assert node.running.read_bytes() == node.served()


def hung_up(dash: AppTalk, text: bytes) -> None:
    """Nobody there any more: back."""
    node, old, plan = dash.node, dash.node.tree(), dash.plan("one")
    with dash.session(text) as session, pytest.raises(NginxwsError):
        application.change(session, plan, node.wanted, dash.options, session.abort)
    dash.look()
    assert node.tree() == old


def edited(dash: AppTalk, text: bytes) -> None:
    """What somebody writes meanwhile stays."""
    node, plan = dash.node, dash.plan("one")
    with pytest.raises(NginxwsError):
        dash.change(plan, lambda: str(node.conf.write_bytes(b"by hand")), text=text)
    assert node.conf.read_bytes() == b"by hand"


def taken_down(dash: AppTalk, text: bytes) -> None:
    """To the byte, after two changes."""
    node, before = dash.node, dash.node.tree()
    dash.change(dash.plan("one"), text=text)
    node.wanted = replace(node.wanted, files=(node.file("ws://newer/ws/"),))
    dash.change(dash.plan("two"), text=text)
    dash.down(text=text)
    assert node.tree() == before
    assert not node.state.exists()


def stale(dash: AppTalk, text: bytes) -> None:
    """A plan for what isn't there any more."""
    plan, node = dash.plan("one"), dash.node
    node.conf.write_bytes(b"other")
    with pytest.raises(NginxwsError):
        dash.change(plan, text=text)
    assert node.conf.read_bytes() == b"other"


Check = Callable[[AppTalk, bytes], None]
MUTANTS: list[tuple[Check, str, str]] = [
    (refused, "  restart_old\n", ""),
    (refused, "  restore_link\n  if", "  if"),
    (refused, "    each_file restore_file\n  fi\n  restore_link\n", ""),
    (refused, "  drop_release\n  close_pending", "  close_pending"),
    (refused, "    rollback) restore_app probe '' ;;", "    rollback) commit_app ;;"),
    (cut_off, 'restore_app recovery "interrupted change $TX"', "finish_app; emit_done ok clean ''"),
    (cut_off, '  mv -- "$undo" "$S/pending" &&', '  mv -- "$undo" "$S/pending"; rm "$S/pending/meta";'),
    (hung_up, "    '') undo_app silence ", "    '') commit_app; : "),
    (edited, "    each_file find_edit\n", ""),
    (taken_down, '  [ "$written" = "$before" ] || first=$before\n', "  first=$before\n"),
    (taken_down, '  each_line record_folder "$rec_made$missing"\n', ""),
    (taken_down, "  forget_app\n    return\n", "  return\n"),
    (stale, "has_sum() { sums", "has_sum() { return 0; sums"),
]  # fmt: skip


@pytest.mark.parametrize(
    "check", [refused, cut_off, hung_up, edited, taken_down, stale], ids=lambda one: one.__name__
)
def test_the_shipped_one_passes(dash: AppTalk, check: Check) -> None:
    check(dash, provision.script())


@pytest.mark.parametrize(("check", "old", "new"), MUTANTS, ids=[str(n) for n in range(len(MUTANTS))])
def test_a_broken_one_is_noticed(dash: AppTalk, check: Check, old: str, new: str) -> None:
    text = mutate(provision.script().decode(), [(old, new)]).encode()
    with pytest.raises((AssertionError, NginxwsError, pytest.fail.Exception)):
        check(dash, text)
