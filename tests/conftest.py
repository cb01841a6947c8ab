"""For every test: hypothesis as CI wants it, and a real OpenSSH server on loopback."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import pytest
from faults.reporting import pytest_sessionfinish, pytest_terminal_summary  # noqa: F401
from hypothesis import settings
from support.sshd import SshdFactory, SshServer, need, running

# The same examples each time, and a blob to replay a failure; a shared machine's pauses are no failure.
settings.register_profile("ci", derandomize=True, print_blob=True, deadline=None)
if os.environ.get("CI"):
    settings.load_profile("ci")
if "MUTANT_UNDER_TEST" in os.environ:  # make mutation
    from support.mutation import fresh_caches, pytest_collection_modifyitems  # noqa: F401


@pytest.fixture
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshdFactory]:
    """Start OpenSSH servers; they end with the test."""
    program = need("sshd")
    with contextlib.ExitStack() as stack:

        def start(*extra: str, host_key_type: str = "ed25519") -> SshServer:
            folder = tmp_path_factory.mktemp("sshd")
            return stack.enter_context(running(program, folder, extra, host_key_type))

        yield start
