"""Findings as text."""

from __future__ import annotations

import pytest

from nginxws.checks.finding import Finding


@pytest.mark.parametrize(
    ("finding", "text"),
    [
        (Finding("r", "error", "bad", "/etc/x", 3), "/etc/x:3: error: bad"),
        (Finding("r", "warning", "bad", "/etc/x"), "/etc/x: warning: bad"),
        (Finding("r", "info", "bad"), "info: bad"),
    ],
)
def test_text(finding: Finding, text: str) -> None:
    assert str(finding) == text
