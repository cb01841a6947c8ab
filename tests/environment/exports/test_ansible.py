"""The Ansible export, by the real ansible-playbook over a real SSH connection: twice."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.backend import echoes
from support.exporting import World, blocks_of
from support.sshd import SshdFactory, SshServer

pytestmark = [pytest.mark.nginx, pytest.mark.sshd]


def play(folder: Path, server: SshServer, playbook: str, *options: str) -> tuple[int, str]:
    """Exit code and output of a run; host keys are checked."""
    file = folder / "environment.yml"
    file.write_text(playbook)
    (folder / "ansible.cfg").write_text(
        "[defaults]\nhost_key_checking = True\nnocows = True\n[connection]\npipelining = True\n"
    )
    ssh = f"-F {server.config} -o StrictHostKeyChecking=yes -o ControlMaster=no"
    done = subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")), str(file), *options],
        env={
            **os.environ,
            "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
            "ANSIBLE_HOME": str(folder / "ansible"),
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
            "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
            "ANSIBLE_REMOTE_TMP": str(folder / "remote"),
            "ANSIBLE_SSH_ARGS": ssh,
            "LC_ALL": "C.UTF-8",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=folder,
        check=False,
        timeout=100,
    )
    return done.returncode, done.stdout.decode()


def recap(said: str) -> dict[str, int]:
    """Changes by host."""
    return {name: int(count) for name, count in re.findall(r"(?m)^(\S+)\s+: ok=.*?changed=([0-9]+)", said)}


def test_first_run_changes_and_the_second_does_not(world: World, sshd: SshdFactory) -> None:
    server = sshd()
    world.node.site.write_bytes(
        world.node.site.read_bytes().replace(b"# The site.", b"# \xc3\xa9 The site {{ 1 }}.")
    )
    before = world.node.site.read_bytes()
    playbook = world.export("ansible", world.manifest(ssh=f"{server.user}@127.0.0.1:{server.port}"))
    code, said = play(world.folder, server, playbook)
    assert code == 0, said
    assert recap(said) == {"localhost": 0, "chat": 1, "lb1": 2}, said
    assert echoes(world.node.port)
    assert blocks_of(world.node.site.read_text()) == ["map websocket", "route /ws/"]
    assert [one.read_bytes() for one in world.node.site.parent.glob("site.conf.*~")] == [before]

    workers = set(world.node.workers())
    code, said = play(world.folder, server, playbook)
    assert code == 0, said
    assert recap(said) == {"localhost": 0, "chat": 0, "lb1": 0}, said
    assert set(world.node.workers()) == workers
    assert world.restarts == ["again"]
