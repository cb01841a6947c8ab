"""Reloads by the node script: refused, impossible, for users who may not."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from support.nginx import NginxNode, main_conf, wait_for
from support.programs import standing_first
from support.sshd import need
from support.talking import Talk, started

from nginxws.errors import NginxwsError, NodeError, Restored, RestoreFailed
from nginxws.nodes import transaction
from nginxws.nodes.local import LocalProcess, LocalTransport
from nginxws.nodes.script import script
from nginxws.nodes.session import Session
from nginxws.nodes.sudo import Sudo

pytestmark = [pytest.mark.nginx]


@pytest.mark.parametrize(
    ("shell", "log"), [("dash", "{prefix}/error.log"), ("busybox", "stderr")], indirect=["shell"]
)
def test_a_taken_port_is_over_soon(tmp_path: Path, shell: list[str], log: str) -> None:
    """The configuration before us can't be reloaded either: the way back must not wait for that.

    Where NGINX's log can't be read, the master itself shows that it is done.
    """
    prefix = tmp_path / "node"
    main = re.sub("error_log .*;", f"error_log {log.format(prefix=prefix)};", main_conf(prefix))
    with (
        started(NginxNode(prefix, need("nginx"), main=main)) as node,
        socket.create_server(("127.0.0.1", 0)) as rival,
    ):
        taken = f"    listen 127.0.0.1:{rival.getsockname()[1]};\n"
        node.site.write_text(node.site.read_text().replace("    server_name", f"{taken}    server_name"))
        talk = Talk(node, shell)
        talk.options = replace(talk.options, reload_timeout=50)
        plan, start = talk.plan(), time.monotonic()
        with node.untouched(), pytest.raises(Restored, match="did not take") as caught:
            talk.transact(plan)
    assert time.monotonic() - start < 30
    blind = log == "stderr"
    assert ("done with the reload" if blind else "bind()") in (caught.value.detail or "")
    assert ("can't be read here" if blind else "NGINX's own") in (caught.value.hint or "")
    assert caught.value.cause == "reload"


@pytest.mark.parametrize(
    ("command", "log", "detail", "hint"),
    [
        ("true", "", "no new worker processes", "logged nothing"),
        ("true", "stderr", "no new worker processes", "can't be read here: look at journalctl or syslog"),
        ("true", "/dev/null", "no new worker processes", "can't be read here"),
        ("echo today not; exit 3", "", "exit status 3: today not", "--reload-command"),
        ("exit 3", "", "failed with exit status 3", "--reload-command"),
    ],
)
def test_hints_of_a_failed_reload(tmp_path: Path, command: str, log: str, detail: str, hint: str) -> None:
    """Words are called NGINX's own only where they are."""
    prefix = tmp_path / "node"
    main = main_conf(prefix)
    node = NginxNode(
        prefix, need("nginx"), main=re.sub("error_log .*;", f"error_log {log};", main) if log else main
    )
    with started(node):
        talk = Talk(node, [need("dash")])
        talk.options = replace(talk.options, reload_timeout=1, reload_command=command)
        with pytest.raises(Restored) as caught:
            talk.transact(talk.plan())
    assert detail in (caught.value.detail or "")
    assert hint in (caught.value.hint or "")
    assert "NGINX's own" not in (caught.value.hint or "")
    assert caught.value.cause == "reload"


def test_a_reload_command_that_stops_nginx(talk: Talk, node: NginxNode) -> None:
    """The files are back and nothing is pending; what is left to do is no matter of the files."""
    talk.options = replace(
        talk.options,
        reload_command=f"kill -TERM {node.master}; while [ -s {node.pid_file} ]; do sleep 0.02; done",
    )
    old, plan = node.digests(), talk.plan()
    with pytest.raises(RestoreFailed, match="as they were, but NGINX is not running any more") as caught:
        talk.transact(plan)
    assert "start it" in (caught.value.hint or "")
    assert "recover" not in (caught.value.hint or "")
    assert node.digests() == old
    assert node.lock_is_free()
    found = talk.recover()
    assert not found.undone
    assert found.cause == "NGINX is not running"


def test_nginx_without_a_master_process(stopped: NginxNode, shell: list[str]) -> None:
    stopped.conf.write_text("master_process off;\n" + stopped.conf.read_text())
    words = [stopped.binary, "-p", str(stopped.prefix), "-c", str(stopped.conf), "-g", "daemon off;"]
    talk = Talk(stopped, shell)
    with subprocess.Popen(words, stderr=subprocess.DEVNULL) as process:
        try:
            wait_for(
                lambda: stopped.pid_file.exists() and stopped.pid_file.read_text().strip(), "the pid file"
            )
            with pytest.raises(NodeError, match="without a master process") as caught:
                talk.transact(talk.plan())
            assert "without a master process" in talk.recover().cause
        finally:
            process.kill()
    assert "master_process" in (caught.value.hint or "")


class UserTransport(LocalTransport):
    """This machine, as a user that nobody knows."""

    def run(self, argv: Sequence[str]) -> LocalProcess:
        user = ["setpriv", "--reuid", "4242", "--regid", "4242", "--clear-groups"]
        return super().run([*user, *argv])


def transact_as_user(node: NginxNode, sudo: str) -> tuple[NginxwsError, list[str]]:
    """The error, and the steps, of a user whose files these are, but not the master; ``sudo`` is a script."""
    tools = node.prefix / "tools"
    tools.mkdir()
    (tools / "sudo").write_text(f"#!/bin/sh\n{sudo}\n")
    (tools / "sudo").chmod(0o755)
    node.state.mkdir()
    for path in (node.state, node.conf.parent, *node.conf.parent.rglob("*")):
        os.chown(path, 4242, 4242)
    talk = Talk(node, [need("dash")])
    plan = replace(talk.plan(), test_refused=True)  # he may not open the logs, so his own test says nothing
    steps: list[str] = []
    with node.untouched(), UserTransport() as user:
        session = Session(user, Sudo(), text=standing_first(script(), tools))
        with pytest.raises(NginxwsError) as caught:
            transaction.run(
                session, plan, talk.options, "tx", lambda name, _words: steps.append(name), lambda: None
            )
    return caught.value, steps


@pytest.fixture
def open_node() -> Iterator[NginxNode]:
    """Below a folder that every user may enter."""
    if os.geteuid() != 0:
        pytest.skip("only root can be another user")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        with started(NginxNode(Path(folder) / "node", need("nginx"))) as node:
            yield node


@pytest.mark.root
def test_who_can_not_reload_changes_nothing(open_node: NginxNode) -> None:
    error, steps = transact_as_user(open_node, "exit 1")
    assert isinstance(error, NodeError)
    assert "nothing was changed" in error.message
    assert "activate" not in steps
    assert "may not signal" in (error.detail or "")
    assert "--reload-command" in (error.hint or "")
    assert "--sudo" in (error.hint or "")


@pytest.mark.root
def test_who_may_reload_by_sudo_goes_ahead(open_node: NginxNode) -> None:
    """It is the listing that counts beforehand; that the command fails then is found out by trying."""
    error, steps = transact_as_user(open_node, '[ "$*" = "-n -l service nginx reload" ]')
    assert isinstance(error, Restored)
    assert "activate" in steps
    assert error.cause == "reload"
    assert "--reload-command" in (error.hint or "")
