"""Two operators at once on one node: both routes live, or one is told that it is locked; never one lost."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from support.backend import Backend, echoes
from support.command import Nginxws
from support.nginx import NginxNode, wait_for

pytestmark = [pytest.mark.nginx, pytest.mark.sshd]

ROUNDS = 5


def test_two_at_once(nginxws: Nginxws, node: NginxNode, backend: Backend) -> None:
    files, there = node.digests().keys(), []
    for number in range(ROUNDS):
        paths = [f"/{name}{number}/" for name in "ab"]
        rivals = [nginxws.start("add-route", path, backend.address) for path in paths]
        ends = [nginxws.finish(process) for process in rivals]
        for path, done in zip(paths, ends, strict=True):
            assert done.code in (0, 7), done.err
            assert done.code == 0 or done.hint
            assert (f"# nginxws: begin route {path} " in node.site.read_text()) is (done.code == 0)
        there += [path for path, done in zip(paths, ends, strict=True) if done.code == 0]
        assert all(echoes(node.port, path) for path in there)
    assert len(there) >= ROUNDS, "of two, at least one gets through"
    assert len(node.revisions()) == len(there)
    assert node.lock_is_free()
    assert node.digests().keys() == files


def test_both_remove_the_same_route(nginxws: Nginxws, node: NginxNode, backend: Backend) -> None:
    before = node.digests()
    nginxws("add-route", "/ws/", backend.address)
    rivals = [nginxws.start("remove-route", "/ws/") for _ in range(2)]
    assert {nginxws.finish(process).code for process in rivals} <= {0, 7}
    assert node.digests() == before
    assert len(node.revisions()) == 2


@pytest.fixture
def gate(tmp_path: Path, node: NginxNode) -> Path:
    """A reload command that waits until there is a file ``gate.open`` beside it."""
    reload = shlex.join([node.binary, "-p", str(node.prefix), "-c", str(node.conf), "-s", "reload"])
    script = tmp_path / "gate"
    script.write_text(f"#!/bin/sh\nwhile [ ! -e {tmp_path}/gate.open ]; do sleep 0.05; done\nexec {reload}\n")
    script.chmod(0o755)
    return script


def test_who_holds_the_lock_is_said(nginxws: Nginxws, node: NginxNode, backend: Backend, gate: Path) -> None:
    first = nginxws.start("add-route", "/first/", backend.address, "--reload-command", str(gate))
    try:
        wait_for(lambda: list(node.state.glob("*/pending/journal")), "the first one's reload", 20)
        done = nginxws("add-route", "/second/", backend.address, "--lock-timeout", "1", code=7)
        assert "locked by " in done.error
        assert "--lock-timeout" in done.hint
        assert "locked by " in nginxws("unlock", code=7).error
    finally:
        gate.with_suffix(".open").touch()
        ended = nginxws.finish(first)
    assert ended.code == 0, ended.err
    assert echoes(node.port, "/first/")
    assert "/second/" not in node.site.read_text()
