"""Two machines on loopback: real OpenSSH on both, real NGINX on one, the chat on the other."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.environment import Surroundings
from support.nginx import NginxNode, main_conf
from support.sshd import SshServer, need, running


@pytest.fixture(scope="module")
def ssh_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SshServer, SshServer]]:
    """One OpenSSH server for each machine."""
    program = need("sshd")
    with contextlib.ExitStack() as stack:
        one, two = (
            stack.enter_context(running(program, tmp_path_factory.mktemp(name), (), "ed25519"))
            for name in ("lb1", "chat")
        )
        yield one, two


@pytest.fixture
def environment(tmp_path: Path, ssh_servers: tuple[SshServer, SshServer]) -> Iterator[Surroundings]:
    """An environment that is not up yet."""
    prefix, home = tmp_path / "lb1", tmp_path / "home"
    home.mkdir(mode=0o700)
    main = main_conf(prefix).replace("error.log;", "error.log notice;")
    node = NginxNode(prefix, need("nginx"), main=main)
    node.start()
    try:
        made = Surroundings(tmp_path, node, ssh_servers, home)
        yield made
        made.stop()
    finally:
        node.stop()
