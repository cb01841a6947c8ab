"""Fixtures for every test: a real OpenSSH server on loopback."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from support.sshd import SshdFactory, SshServer, need, running


@pytest.fixture
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshdFactory]:
    """Start OpenSSH servers; they end with the test."""
    program = need("sshd")
    with contextlib.ExitStack() as stack:

        def start(*extra: str, host_key_type: str = "ed25519") -> SshServer:
            folder = tmp_path_factory.mktemp("sshd")
            return stack.enter_context(running(program, folder, extra, host_key_type))

        yield start
