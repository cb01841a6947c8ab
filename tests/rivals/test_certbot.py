"""certbot at work on the same NGINX: it is waited for, named, and nothing of its own is touched."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.backend import Backend, echoes
from support.command import Nginxws
from support.nginx import NginxNode

pytestmark = [pytest.mark.nginx]

#: What certbot does with .certbot.lock in the server root: it locks it until it ends, and removes it then.
CERTBOT = """
import fcntl, os, sys
descriptor = os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY, 0o600)
getattr(fcntl, sys.argv[2])(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
print("locked", flush=True)
sys.stdin.read()
os.remove(sys.argv[1])
"""


@pytest.fixture
def lock(node: NginxNode) -> Path:
    return node.conf.with_name(".certbot.lock")


@pytest.fixture(params=["lockf", "flock"])
def certbot(request: pytest.FixtureRequest, lock: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that locks as certbot does until its input ends."""
    argv = [sys.executable, "-c", CERTBOT, str(lock), request.param]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        yield process
        process.kill()


def test_it_is_named(
    local: Nginxws, node: NginxNode, backend: Backend, certbot: subprocess.Popen[str], lock: Path
) -> None:
    with node.untouched():
        done = local("add-route", "/ws/", backend.address, "--lock-timeout", "1", code=7)
    assert "certbot is at work on this NGINX" in done.error
    assert f"process {certbot.pid} " in done.error
    assert str(lock) in done.error
    assert "--lock-timeout" in done.hint
    assert lock.exists(), "it is certbot's file"


@pytest.mark.parametrize("certbot", ["lockf"], indirect=True)
def test_it_is_waited_for(
    local: Nginxws, node: NginxNode, backend: Backend, certbot: subprocess.Popen[str], lock: Path
) -> None:
    process = local.start("add-route", "/ws/", backend.address, "--verbose")
    assert process.stderr is not None
    lines: list[bytes] = []
    while not any(b"certbot" in line for line in lines):
        lines.append(process.stderr.readline())
        assert lines[-1], b"".join(lines)
    edited = node.site.read_text() + "# managed by Certbot\n"
    node.site.write_text(edited)
    assert certbot.stdin is not None
    certbot.stdin.close()
    assert local.finish(process).code == 0
    assert "# managed by Certbot\n" in node.site.read_text()
    assert echoes(node.port)
    assert not lock.exists()


def test_a_lock_file_that_nobody_holds(local: Nginxws, node: NginxNode, backend: Backend, lock: Path) -> None:
    """A certbot that was killed leaves it; certbot itself takes it over then, and so it isn't in our way."""
    lock.touch(0o600)
    local("add-route", "/ws/", backend.address, "--lock-timeout", "1s")
    assert echoes(node.port)
    assert lock.exists()


def test_nothing_of_certbots_is_made(local: Nginxws, node: NginxNode, backend: Backend) -> None:
    local("add-route", "/ws/", backend.address)
    assert not list(node.conf.parent.rglob(".*"))
