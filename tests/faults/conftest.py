"""One node for all faults of a module, and the table of what was tried."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults.rig import Rig, live_site
from support.backend import Backend, echo_backend
from support.nginx import NginxNode
from support.sshd import SshServer, need, running


@pytest.fixture(scope="module")
def ssh_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    with running(need("sshd"), tmp_path_factory.mktemp("sshd"), (), "ed25519") as server:
        yield server


@pytest.fixture(scope="module")
def shared_rig(tmp_path_factory: pytest.TempPathFactory, ssh_server: SshServer) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("rig")
    with echo_backend() as backend, contextlib.closing(_make(folder, backend, ssh_server)) as rig:
        yield rig
        rig.node.stop()


def _make(folder: Path, backend: Backend, server: SshServer) -> Rig:
    node = NginxNode(folder / "node", need("nginx"))
    node.site.write_text(live_site(node.port, backend))
    node.start()
    (folder / "work").mkdir()
    return Rig(node, backend, server, folder / "work")


@pytest.fixture
def rig(shared_rig: Rig) -> Rig:
    """The module's node, in its old state before each test."""
    shared_rig.reset()
    return shared_rig


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The matrix, as tried: a row a step, a column a fault."""
    cells: dict[tuple[str, str], str] = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            found = dict(getattr(report, "user_properties", ()))
            if "fault" in found:
                words = found.get("outcome", "?") if report.outcome == "passed" else "FAILED"
                cells[found["step"], found["fault"]] = words
    if not cells:
        return
    lines = _table(cells)
    terminalreporter.section("interruption matrix")
    for line in lines:
        terminalreporter.write_line(line)
    if folder := os.environ.get("NGINXWS_ARTIFACTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        (Path(folder) / "fault-matrix.txt").write_text("\n".join(lines) + "\n")


def _table(cells: dict[tuple[str, str], str]) -> list[str]:
    steps = list(dict.fromkeys(step for step, _fault in cells))
    faults = list(dict.fromkeys(fault for _step, fault in cells))
    width = max(16, *(len(fault) + 1 for fault in faults))
    lines = ["".join(word.ljust(width) for word in ("", *faults)).rstrip()]
    lines += [
        "".join(
            word.ljust(width) for word in (step, *(cells.get((step, fault), "") for fault in faults))
        ).rstrip()
        for step in steps
    ]
    return [
        *lines,
        "",
        "old, new: the configuration that is there and served; +: after the next command's help",
    ]
