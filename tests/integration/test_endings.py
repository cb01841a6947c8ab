"""How commands end: what they print is true, and so is their exit code, whatever hits them last."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.backend import Backend
from support.command import Nginxws
from support.nginx import NginxNode, free_port

pytestmark = [pytest.mark.nginx, pytest.mark.sshd]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_after_the_commit_changes_nothing(
    nginxws: Nginxws, node: NginxNode, backend: Backend, number: signal.Signals
) -> None:
    """From the first line of the report on, the route is live: 130 would say that it isn't."""
    local = nginxws.at("--node", "local", *node.options())
    process = local.start("add-route", "/ws/", backend.address)
    assert process.stdout is not None
    first = process.stdout.readline()
    process.send_signal(number)
    done = local.finish(process)
    assert b"added" in first
    assert done.code == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("words", [(), ("--format", "json")])
def test_a_report_that_cant_be_written(
    nginxws: Nginxws, node: NginxNode, backend: Backend, words: tuple[str, ...]
) -> None:
    argv = ["add-route", "/ws/", backend.address, "--node", "local", *node.options(), *words]
    with open("/dev/full", "wb") as full:  # noqa: PTH123 (a device)
        done = subprocess.run(
            [sys.executable, "-m", "nginxws", *argv],
            stdin=subprocess.DEVNULL,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 0, "the route is live, and that is what the code says"
    assert "could not be written" in done.stderr
    assert "Traceback" not in done.stderr
    assert node.revisions()


def test_without_standard_input(nginxws: Nginxws, node: NginxNode, backend: Backend) -> None:
    argv = ["add-route", "/ws/", backend.address, "--node", "local", *node.options()]
    command = [sys.executable, "-c", "import os, sys; os.close(0); os.execv(sys.executable, sys.argv[1:])"]
    done = subprocess.run(
        [*command, sys.executable, "-m", "nginxws", *argv], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_second_run_proves_the_route_again(nginxws: Nginxws, node: NginxNode, backend: Backend) -> None:
    """Nothing to do is not the same as live: what is there must prove itself, without a reload."""
    nginxws("add-route", "/ws/", backend.address)
    dead = ("add-route", "/dead/", f"127.0.0.1:{free_port()}", "--probe-timeout", "1")
    nginxws(*dead, "--probe", "warn")
    with node.untouched():
        again = nginxws("add-route", "/ws/", backend.address)
        assert "nothing to do" in again.out
        assert "live" in again.out
        done = nginxws(*dead, code=1)
        assert "unchanged, and does not prove itself" in done.error
        assert "502" in done.error
        assert "nothing to do" in nginxws(*dead, "--dry-run").out


@pytest.mark.parametrize("both", [False, True], ids=["stdout", "stdout and stderr"])
@pytest.mark.parametrize("words", [("list-routes",), ("recover", "-v"), ("unlock", "--format", "json")])
def test_a_reader_that_went_away_is_no_failure(
    nginxws: Nginxws, node: NginxNode, words: tuple[str, ...], both: bool
) -> None:
    """As in ``nginxws recover … | head -1``, with more than one node: all are worked on, quietly."""
    reader, writer = os.pipe()
    os.close(reader)
    argv = [*words, "--node", "local", *nginxws.target]
    done = subprocess.run(
        [sys.executable, "-m", "nginxws", *argv],
        stdin=subprocess.DEVNULL,
        stdout=writer,
        stderr=writer if both else subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writer)
    assert done.returncode == 0
    if not both:
        assert not {line.partition(": ")[0] for line in done.stderr.splitlines()} - {"local", "node"}
        assert ("node: connecting" in done.stderr) is ("-v" in words)
