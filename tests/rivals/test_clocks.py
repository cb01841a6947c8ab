"""Client machines whose clocks are hours off: the node's own clock and its numbers are what counts."""

from __future__ import annotations

import calendar
import os
import re
import shlex
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.backend import Backend, echoes
from support.command import Nginxws
from support.nginx import NginxNode, wait_for
from support.sshd import need

pytestmark = [pytest.mark.nginx, pytest.mark.sshd]

#: Seconds that the moments may be apart on a machine under load.
SLACK = 5


#: libfaketime answers clock_nanosleep(2) with TIMER_ABSTIME, which is what time.sleep calls, with EINVAL.
SLEEP = "import select, time\ntime.sleep = lambda seconds: select.select([], [], [], seconds)\n"

Clock = Callable[[str], dict[str, str]]


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    """``clock("+5h")``: the environment in which a command's wall clock is that much off."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(SLEEP)

    def off(offset: str) -> dict[str, str]:
        words = [need("faketime"), "-f", offset, "env"]
        for _ in range(
            5
        ):  # its shared memory is named by pid, and one left by an earlier process is in its way
            done = subprocess.run(words, capture_output=True, text=True, check=False)
            if done.returncode == 0:
                break
        lines = done.stdout.splitlines()
        found = dict(line.partition("=")[::2] for line in lines)
        kept = {name: found[name] for name in ("LD_PRELOAD", "FAKETIME")}
        path = os.pathsep.join([str(folder), *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
        # Only the wall clock is off; without the second, each timed wait of a thread takes seconds.
        return kept | {"DONT_FAKE_MONOTONIC": "1", "FAKETIME_FORCE_MONOTONIC_FIX": "0", "PYTHONPATH": path}

    return off


def moments(node: NginxNode) -> list[int]:
    """When each revision's change began, in the order of their numbers; seconds since the epoch."""
    folders = sorted(node.state.glob("*/revisions/*"), key=lambda path: int(path.name))
    return [int(re.findall(r"^since (\d+)$", (path / "meta").read_text(), re.M)[0]) for path in folders]


def test_changes_by_turns(nginxws: Nginxws, node: NginxNode, backend: Backend, clock: Clock) -> None:
    begun = int(time.time())
    for number, offset in enumerate(["+5h", "-7h", "+5h"]):
        done = nginxws("add-route", f"/r{number}/", backend.address, "--format", "json", env=clock(offset))
        (result,) = done.json["nodes"].values()
        assert result["revision"] == number + 1
    found = moments(node)
    assert found == sorted(found)
    assert begun - 1 <= found[0]
    assert found[-1] <= time.time() + 1
    assert node.lock_is_free()


def test_both_at_once(nginxws: Nginxws, node: NginxNode, backend: Backend, clock: Clock) -> None:
    paths = {"/early/": "-7h", "/late/": "+5h"}
    rivals = [nginxws.start("add-route", path, backend.address, env=clock(at)) for path, at in paths.items()]
    ends = [nginxws.finish(process) for process in rivals]
    assert [(done.code, done.err) for done in ends] == [(0, ""), (0, "")]
    assert all(echoes(node.port, path) for path in paths)
    assert moments(node) == sorted(moments(node))


def test_since_when_a_lock_is_held(
    nginxws: Nginxws, node: NginxNode, backend: Backend, clock: Clock, tmp_path: Path
) -> None:
    """Told by the node's clock and in UTC, whatever the clocks of him who holds it and of him who asks."""
    gate = tmp_path / "gate"
    reload = shlex.join([node.binary, "-p", str(node.prefix), "-c", str(node.conf), "-s", "reload"])
    command = f"while [ ! -e {gate} ]; do sleep 0.05; done; {reload}"
    begun = time.time()
    first = nginxws.start("add-route", "/a/", backend.address, "--reload-command", command, env=clock("+5h"))
    try:
        wait_for(lambda: list(node.state.glob("*/pending/journal")), "the first one's reload", 30)
        done = nginxws("add-route", "/b/", backend.address, "--lock-timeout", "1s", code=7, env=clock("-7h"))
    finally:
        gate.touch()
        ended = nginxws.finish(first)
    assert ended.code == 0, ended.err
    told = re.search(r"since (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC", done.error)
    assert told is not None, done.error
    since = calendar.timegm(time.strptime(told[1], "%Y-%m-%d %H:%M:%S"))
    assert begun - SLACK <= since <= time.time() + SLACK
