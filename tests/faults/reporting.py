"""The table of what was tried: printed, kept, and a failure where it has a hole.

Called by the hooks of tests/conftest.py, in the process that hears of all workers' tests.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from faults import matrix

#: The marker expression of every run (pyproject.toml).
USUAL = "not soak"


def show(terminalreporter: pytest.TerminalReporter) -> None:
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


def fail_on_holes(session: pytest.Session) -> None:
    """A hole fails the run."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if not isinstance(reporter, pytest.TerminalReporter):
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
    narrowed = option.keyword or option.markexpr not in ("", USUAL) or option.collectonly or option.maxfail
    narrowed = narrowed or any("::" in word for word in config.args)
    return matrix.holes(found.cells) if found.cells and not narrowed else []
