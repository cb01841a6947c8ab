"""Full and read-only disks: the change is there whole or not at all, and the node is as it was."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.backend import Backend, echoes
from support.command import Nginxws
from support.disks import PAGE, mount
from support.nginx import NginxNode, site_conf

pytestmark = [
    pytest.mark.nginx,
    pytest.mark.sshd,
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount"),
]

Disk = Callable[[Path], None]


@pytest.fixture
def small_disk() -> Iterator[Disk]:
    """``small_disk(folder)``: put a file system of a few pages there, with what the folder held."""
    with contextlib.ExitStack() as stack:

        def put(folder: Path) -> None:
            held = {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
            words = ["mount", "-t", "tmpfs", "-o", f"size={64 * PAGE},mode=700", "tmpfs", str(folder)]
            done = subprocess.run(words, capture_output=True, check=False)
            if done.returncode != 0:
                pytest.skip(f"no mounts here: {done.stderr.decode().strip()}")
            stack.callback(subprocess.run, ["umount", str(folder)], check=True)
            for name, data in held.items():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(data)

        yield put


def fill(folder: Path, pages_left: int = 0) -> None:
    """Leave that many pages of the folder's disk."""
    with (folder / "filler").open("wb", buffering=0) as filler, contextlib.suppress(OSError):
        while True:
            filler.write(bytes(PAGE))
    size = (folder / "filler").stat().st_size
    os.truncate(folder / "filler", size - pages_left * PAGE)


@pytest.fixture
def node(make_node: Callable[..., NginxNode], small_disk: Disk) -> Iterator[NginxNode]:
    """Its configuration is on a small disk; the site fills its page, so that it can't grow for nothing."""
    node = make_node(start=False)
    text = site_conf(node.port)
    node.site.write_text(f"# {'x' * (PAGE - len(text) - 3)}\n{text}")
    small_disk(node.conf.parent)
    node.start()
    yield node
    node.stop()


@pytest.fixture
def state_disk(node: NginxNode, small_disk: Disk) -> Path:
    node.state.mkdir(mode=0o700)
    small_disk(node.state)
    return node.state


def test_full_disk_below_the_configuration(nginxws: Nginxws, node: NginxNode, backend: Backend) -> None:
    fill(node.conf.parent)
    with node.untouched():
        done = nginxws("add-route", "/ws/", backend.address, code=1)
    assert "nothing was changed" in done.error
    assert f"{node.site}: no room" in done.err
    assert "full" in done.hint


def test_a_restore_that_a_read_only_disk_stops(nginxws: Nginxws, node: NginxNode, backend: Backend) -> None:
    """Told as it is; once the disk can be written again, the next command puts the old text back first."""
    folder, old = node.conf.parent, node.digests()
    reload = f"{node.binary} -p {node.prefix} -c {node.conf} -s reload && mount -o remount,ro {folder}"
    route = ("add-route", "/ws/", backend.address)
    done = nginxws(*route, "--reload-command", reload, "--probe-expect", "418", code=5)
    assert f"{node.site}: cannot write the old text back (read-only file system)" in done.err
    assert "the next command" in done.hint
    assert echoes(node.port), "what the files say is served"
    mount("-o", "remount,rw", str(folder))
    done = nginxws(*route, "--probe-expect", "418", code=4)
    assert "begun" in done.err, "the recovery is told"
    assert node.digests() == old
    assert node.lock_is_free()


def test_state_disk_with_ever_more_room(
    nginxws: Nginxws, node: NginxNode, backend: Backend, state_disk: Path
) -> None:
    """Wherever the room runs out, nothing changes; once there is enough, the route is live."""
    codes = []
    for pages in range(0, 24, 2):
        (state_disk / "filler").unlink(missing_ok=True)
        fill(state_disk, pages)
        before, workers = node.digests(), set(node.workers())
        done = nginxws.finish(nginxws.start("add-route", "/ws/", backend.address))
        codes.append(done.code)
        if done.code == 0:
            break
        assert done.code == 1, done.err
        assert str(state_disk) in done.err, "the error names the place that has no room"
        assert done.hint
        assert node.digests() == before
        assert node.revisions() == []
        assert set(node.workers()) == workers
    assert codes[0] == 1
    assert codes[-1] == 0
    assert "live" in done.out
    (state_disk / "filler").unlink()
    nginxws("remove-route", "/ws/")
