"""tools/audit.py never calls a pass what wasn't looked up."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

_SPEC = importlib.util.spec_from_file_location("audit", Path(__file__).parents[2] / "tools" / "audit.py")
assert _SPEC is not None
assert _SPEC.loader is not None
audit: Any = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(audit)

FLAW = {"id": "PYSEC-1", "fix_versions": ["2.0"], "aliases": [], "description": ""}
CLEAN = {"name": "click", "version": "8.1", "vulns": []}
BAD = {"name": "click", "version": "8.1", "vulns": [FLAW]}
UNKNOWN = {"name": "rich", "skip_reason": "Dependency not found on PyPI and could not be audited"}
OURS = {"name": "nginxws", "skip_reason": "Dependency not found on PyPI and could not be audited"}


@pytest.mark.parametrize(
    ("packages", "clean", "words"),
    [
        ([CLEAN, OURS], True, "1 packages, no known vulnerability"),
        ([CLEAN, BAD], False, "click 8.1: PYSEC-1 (mended in 2.0)"),
        ([BAD, UNKNOWN], False, "PYSEC-1"),
        ([CLEAN, UNKNOWN], None, "looked up 1 of 2 packages, not rich"),
        ([UNKNOWN], None, "looked up 0 of 1"),
        ([OURS], None, "looked up 0 of 0"),
        ([], None, "looked up 0"),
        (None, None, "looked up 0"),
    ],
)
def test_verdict(packages: list[dict[str, Any]] | None, clean: bool | None, words: str) -> None:
    found, said = audit.verdict(packages)
    assert found is clean
    assert words in said


@pytest.mark.parametrize(
    ("answer", "knows"), [(None, False), ([], False), ([UNKNOWN], False), ([CLEAN], False), ([BAD], True)]
)
def test_a_service_that_knows_no_vulnerability_is_none(answer: Any, knows: bool) -> None:
    assert audit.service_knows(answer) is knows


@pytest.mark.parametrize(
    ("canary", "answer", "setting", "status", "words"),
    [
        ([UNKNOWN], [CLEAN], "", 0, "NOT AUDITED: no vulnerability service"),
        ([UNKNOWN], [CLEAN], "required", 1, "NOT AUDITED"),
        (None, [CLEAN], "", 0, "NOT AUDITED"),
        ([BAD], [UNKNOWN], "", 0, "NOT AUDITED: looked up 0 of 1"),
        ([BAD], [CLEAN], "required", 0, "no known vulnerability"),
        ([BAD], [BAD], "", 1, "known vulnerabilities"),
    ],
)
def test_exit_status(
    canary: Any,
    answer: Any,
    setting: str,
    status: int,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(audit, "ask", lambda *arguments: canary if arguments else answer)
    monkeypatch.setenv("NGINXWS_AUDIT", setting)
    assert audit.main() == status
    assert words in capsys.readouterr().out
