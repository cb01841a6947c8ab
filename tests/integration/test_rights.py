"""A login user who isn't root: what he may do himself, what sudo permits, and what is refused.

The user and his sudo rules live in a mount namespace of the SSH server's own: the machine's
/etc/passwd and /etc/sudoers aren't touched.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.backend import Backend, echoes
from support.command import Nginxws
from support.nginx import NginxNode
from support.sshd import SshServer, need, running

pytestmark = [
    pytest.mark.nginx,
    pytest.mark.sshd,
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can make up users"),
]

USER, UID = "tester", 4242
#: A program that is sshd where the user exists. @FOLDER@ holds the copies of the files of /etc.
PROGRAM = """#!/bin/sh
exec unshare -m sh -c 'set -e
cd @FOLDER@
for file in passwd shadow group sudoers; do cp /etc/$file .; done
echo "tester:x:4242:4242::@FOLDER@/home:/bin/sh" >>passwd
echo "tester:$(openssl passwd -6 right):19000:0:99999:7:::" >>shadow
echo "tester:x:4242:" >>group
cat rules >>sudoers
for file in passwd shadow group sudoers; do mount --bind $file /etc/$file; done
exec @SSHD@ "$@"' sh "$@"
"""


class Stage:
    """A node in a folder that the user can reach, and the server that lets him in."""

    def __init__(self, folder: Path, node: NginxNode, command: Nginxws) -> None:
        self.folder = folder
        self.node = node
        self._command = command
        node.state = folder / "home" / ".local" / "state" / "nginxws"

    def log_in(self, server: SshServer) -> Nginxws:
        url = f"ssh://{USER}@127.0.0.1:{server.port}"
        options = ["--nginx-conf", str(self.node.conf), "--nginx-bin", self.node.binary]
        return self._command.at("--node", url, "--ssh-config", str(server.config), *options)


@pytest.fixture
def stage(open_folder: Path, make_node: Callable[..., NginxNode], command: Nginxws) -> Stage:
    for program in ("sudo", "openssl"):
        need(program)
    if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no private mount namespaces here")
    home = open_folder / "home"
    home.mkdir(mode=0o700)
    os.chown(home, UID, UID)
    return Stage(open_folder, make_node(prefix=open_folder / "node"), command)


@pytest.fixture
def user(stage: Stage, request: pytest.FixtureRequest) -> Iterator[Nginxws]:
    """The command line over a login as the user, under the sudo rules that the test is parametrised with."""
    rules: str = getattr(request, "param", "")
    (stage.folder / "rules").write_text(rules.format(reload=" ".join(reload_command(stage.node))) + "\n")
    program = stage.folder / "sshd.sh"
    program.write_text(PROGRAM.replace("@FOLDER@", str(stage.folder)).replace("@SSHD@", need("sshd")))
    program.chmod(0o755)
    with running(str(program), stage.folder, (), "ed25519") as server:
        yield stage.log_in(server)


def reload_command(node: NginxNode) -> list[str]:
    return [node.binary, "-p", str(node.prefix), "-c", str(node.conf), "-s", "reload"]


def test_user_who_may_not_write(user: Nginxws, stage: Stage, backend: Backend) -> None:
    with stage.node.untouched():
        done = user("add-route", "/ws/", backend.address, code=1)
    assert str(stage.node.site) in done.err
    assert "permission denied" in done.err.lower()
    assert "--sudo" in done.hint


def test_user_who_may_not_use_sudo(user: Nginxws, stage: Stage, backend: Backend) -> None:
    with stage.node.untouched():
        done = user("add-route", "/ws/", backend.address, "--sudo", code=6)
    assert "sudo" in done.error
    assert "--ask-sudo-password" in done.hint


@pytest.mark.parametrize("user", ["tester ALL=(ALL) NOPASSWD: ALL"], indirect=True)
def test_sudo_without_password(user: Nginxws, stage: Stage, backend: Backend) -> None:
    there_and_back(user, stage.node, backend, "--sudo", "--state-dir", str(stage.folder / "state"))


@pytest.mark.parametrize("user", ["tester ALL=(root) NOPASSWD: {reload}"], indirect=True)
def test_group_may_write_and_sudo_permits_the_reload_alone(
    user: Nginxws, stage: Stage, backend: Backend
) -> None:
    """The platform's own way: the configuration is the group's, and one exact command is permitted."""
    share_with_the_group(stage.node)
    there_and_back(user, stage.node, backend, "--reload-command", sudo_reload(stage.node))
    assert stage.node.lock_is_free()
    assert len(stage.node.revisions()) == 2


@pytest.mark.parametrize("user", ["tester ALL=(root) NOPASSWD: {reload}"], indirect=True)
def test_state_below_a_home_that_the_group_may_write(user: Nginxws, stage: Stage, backend: Backend) -> None:
    """A user's own group, and a umask of 002, are what many systems give. Others are told of, by name."""
    share_with_the_group(stage.node)
    home = stage.folder / "home"
    home.chmod(0o775)
    there_and_back(user, stage.node, backend, "--reload-command", sudo_reload(stage.node))
    assert len(stage.node.revisions()) == 2
    home.chmod(0o777)
    with stage.node.untouched():
        done = user("add-route", "/ws/", backend.address, code=1)
    assert f": {home} (drwxrwxrwx, user {UID}, group " in done.error
    assert "--state-dir" in done.hint


@pytest.mark.parametrize("user", ["tester ALL=(root) NOPASSWD: {reload}"], indirect=True)
def test_what_only_the_reload_finds_is_restored(user: Nginxws, stage: Stage, backend: Backend) -> None:
    """This user's own `nginx -t` fails for want of rights, so it can't tell: the error log does."""
    share_with_the_group(stage.node)
    words = ("--backend-tls-ca", "/nonexistent/ca.pem", "--backend-tls-name", "x.example")
    reload = ("--reload-command", sudo_reload(stage.node))
    with stage.node.untouched():
        done = user("add-route", "/ws/", f"wss://{backend.address}", *words, *reload, code=4)
    assert "/nonexistent/ca.pem" in done.err
    assert "restored" in done.error


@pytest.mark.parametrize("user", ["tester ALL=(ALL) ALL"], indirect=True)
def test_sudo_password_from_a_descriptor(user: Nginxws, stage: Stage, backend: Backend) -> None:
    read, write = os.pipe()
    os.write(write, b"right\n")
    os.close(write)
    options = ("--sudo-password-fd", str(read), "--state-dir", str(stage.folder / "state"))
    try:
        done = user("add-route", "/ws/", backend.address, *options, pass_fds=(read,))
    finally:
        os.close(read)
    assert "live" in done.out
    assert "right" not in done.out + done.err


@pytest.mark.parametrize("user", ["tester ALL=(ALL) ALL"], indirect=True)
def test_a_wrong_sudo_password_is_tried_once(user: Nginxws, stage: Stage, backend: Backend) -> None:
    """What follows the password on the line isn't offered as a second one: accounts get locked for that."""
    read, write = os.pipe()
    os.write(write, b"wrong\n")
    os.close(write)
    try:
        with stage.node.untouched():
            done = user(
                "add-route",
                "/ws/",
                backend.address,
                "--sudo-password-fd",
                str(read),
                code=6,
                pass_fds=(read,),
            )
    finally:
        os.close(read)
    assert "the password is wrong" in done.error
    assert "3 incorrect" not in done.err
    assert "wrong\n" not in done.err.replace("the password is wrong\n", "")


def share_with_the_group(node: NginxNode) -> None:
    for path in (node.conf.parent, *node.conf.parent.rglob("*")):
        os.chown(path, 0, UID)
        path.chmod(0o2775 if path.is_dir() else 0o664)


def sudo_reload(node: NginxNode) -> str:
    return " ".join(["sudo", "-n", *reload_command(node)])


def there_and_back(user: Nginxws, node: NginxNode, backend: Backend, *options: str) -> None:
    before = node.digests()
    user("add-route", "/ws/", backend.address, *options)
    assert echoes(node.port)
    between = node.digests()
    assert {name: text.split()[1:] for name, text in between.items()} == {
        name: text.split()[1:] for name, text in before.items()
    }
    user("remove-route", "/ws/", *options)
    assert node.digests() == before
