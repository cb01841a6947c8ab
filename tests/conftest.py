"""For every test: hypothesis as CI wants it, and a real OpenSSH server on loopback."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import pytest
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


# With several workers, only hooks that stand here are called in the process that hears of all tests. What
# they need is imported late: nothing of nginxws may be loaded before its coverage is measured.


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The fault matrix as it was tried."""
    if not hasattr(terminalreporter.config, "workerinput"):
        from faults import reporting

        reporting.show(terminalreporter)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """A hole in it fails the run."""
    if not hasattr(session.config, "workerinput"):
        from faults import reporting

        reporting.fail_on_holes(session)
