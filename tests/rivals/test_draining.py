"""Old workers: how many reloads' worth still drain is told, and --max-draining refuses one too many."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest
from support.backend import Backend, open_socket
from support.command import Nginxws
from support.nginx import NginxNode, wait_for
from support.sshd import need

from nginxws.nodes.script import script

pytestmark = [pytest.mark.nginx]

SHELLS = {"dash": ["dash"], "bash": ["bash"], "busybox": ["busybox", "sh"]}


@pytest.fixture
def sockets() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


def test_generations_are_told_and_limited(
    local: Nginxws, node: NginxNode, backend: Backend, sockets: contextlib.ExitStack
) -> None:
    """Each open socket keeps a worker of the generation that took it."""
    began = time.monotonic()
    local("add-route", "/ws/", backend.address)
    told = []
    for number in range(1, 4):
        sockets.enter_context(open_socket(node.port))
        done = local("add-route", f"/r{number}/", backend.address, "--format", "json", "--max-draining", "3")
        told.append(done.json["nodes"]["local"]["workers"])
    age = time.monotonic() - began
    assert [workers["generations"] for workers in told] == [1, 2, 3]
    assert [workers["draining"] for workers in told] == [1, 2, 3], "one worker a socket"
    assert {workers["serving"] for workers in told} == {2}
    assert 0 <= told[-1]["oldest_seconds"] <= age
    with node.untouched():
        done = local("add-route", "/one-too-many/", backend.address, "--max-draining", "3", code=1)
        assert "3 old workers of 3 generations still drain (the oldest was started " in done.error
        assert "nothing was changed" in done.error
        for way in ("wait", "worker_shutdown_timeout", "raise --max-draining"):
            assert way in done.hint
        unchanged = local("add-route", "/r1/", backend.address, "--max-draining", "1")
        assert "nothing to do" in unchanged.out, "what needs no reload isn't refused"
        limit = {"NGINXWS_MAX_DRAINING": "2"}
        local("remove-route", "/r1/", env=limit, code=1)
    text = local("remove-route", "/r1/").out
    assert "local: 3 old workers of 3 generations still drain" in text, "the fourth had no socket to keep"
    sockets.close()
    wait_for(lambda: not any(node.workers().values()), "the old workers' end", 20)
    assert "old worker" not in local("remove-route", "/r2/", "--max-draining", "1").out


@pytest.fixture
def spawn() -> Iterator[Callable[[], int]]:
    """``spawn()``: the pid of a process that lives as long as the test."""
    with contextlib.ExitStack() as stack:

        def one() -> int:
            process = stack.enter_context(subprocess.Popen(["sleep", "600"]))
            stack.callback(process.kill)
            return process.pid

        yield one


@pytest.mark.parametrize(
    ("shell", "source", "apart"),
    [("dash", "proc", 0.2), ("bash", "proc", 0.2), ("busybox", "proc", 0.2), ("dash", "ps", 2.2)],
)
def test_generations_by_start_times(spawn: Callable[[], int], shell: str, source: str, apart: float) -> None:
    """Workers of one reload start together, those of the next 100 ms later at least; ps tells seconds."""
    functions, found, _loop = script().decode().partition("\nLOCATED=''")
    assert found
    pids = [spawn(), spawn()]
    until = time.monotonic() + apart
    wait_for(lambda: time.monotonic() > until, "the next generation's time")
    pids += [spawn(), spawn()]
    gone = subprocess.Popen(["true"])
    gone.wait()
    if source == "ps":
        functions = functions.replace("[ -r /proc/self/stat ]", "false")
    ask = f"DRAINING=' {' '.join(map(str, [*pids, gone.pid]))} '; generations; echo $GENERATIONS $OLDEST"
    none = "DRAINING=' '; generations; echo $GENERATIONS $OLDEST"
    words = [need(SHELLS[shell][0]), *SHELLS[shell][1:], "-c", f"{functions}\n{ask}\n{none}\n"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    (generations, oldest), nothing = (line.split() for line in done.stdout.splitlines())
    assert (generations, nothing) == ("2", ["0", "0"])
    assert int(apart) <= int(oldest) <= 60
