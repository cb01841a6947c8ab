"""One node for all faults of a worker, and the table of what was tried."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults import matrix
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


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The matrix as tried, and what caught the mutants; kept in the artifacts."""
    found = _found(terminalreporter)
    if found.cells:
        terminalreporter.section("interruption matrix")
        for line in matrix.table(found.cells):
            terminalreporter.write_line(line)
    if missing := _missing(terminalreporter.config, found):
        terminalreporter.section("HOLES in the interruption matrix: a failure")
        terminalreporter.write_line(", ".join(missing))
    if (folder := os.environ.get("NGINXWS_ARTIFACTS")) and (found.cells or found.mutants):
        matrix.save(Path(folder), found)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """A hole fails the run. Only the process that hears of all workers' tests can know."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if not isinstance(reporter, pytest.TerminalReporter) or hasattr(session.config, "workerinput"):
        return
    if session.exitstatus == pytest.ExitCode.OK and _missing(session.config, _found(reporter)):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _found(reporter: pytest.TerminalReporter) -> matrix.Found:
    found = matrix.Found()
    for reports in reporter.stats.values():
        for report in reports:
            if getattr(report, "when", "") == "call":
                found.take(dict(report.user_properties), passed=report.outcome == "passed")
    return found


def _missing(config: pytest.Config, found: matrix.Found) -> list[str]:
    """Holes, where the whole matrix was asked for: one that was narrowed down to some cells has no holes."""
    option = config.option
    narrowed = option.keyword or option.markexpr or option.collectonly or option.maxfail
    narrowed = narrowed or any("::" in word for word in config.args)
    return matrix.holes(found.cells) if found.cells and not narrowed else []
