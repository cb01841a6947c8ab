"""One node for all faults of a worker."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults.rig import Rig
from support.backend import echo_backend
from support.sshd import SshServer, need, running


@pytest.fixture(scope="session")
def ssh_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    """A server whose logins have a home folder of their own: profiles are part of the matrix."""
    folder = tmp_path_factory.mktemp("sshd")
    (folder / "home").mkdir()
    with running(need("sshd"), folder, (f"SetEnv HOME={folder}/home",), "ed25519") as server:
        yield server


@pytest.fixture(scope="session")
def shared_rig(ssh_server: SshServer) -> Iterator[Rig]:
    # Not in pytest's own folder: a disk that is still mounted after a crash would stop its cleaning up.
    with (
        tempfile.TemporaryDirectory(prefix="nginxws-faults-") as folder,
        echo_backend() as backend,
        contextlib.closing(Rig(Path(folder), backend, ssh_server, need("nginx"))) as rig,
    ):
        yield rig


@pytest.fixture
def rig(shared_rig: Rig) -> Rig:
    """The worker's node, in its old state before each test."""
    shared_rig.reset()
    return shared_rig
