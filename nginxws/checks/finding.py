"""A finding: what a check has to say about one place of a configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "info"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One result of a check.

    ``rule`` is the check's stable name. ``line`` counts from 1; ``file`` and ``line`` are None when the
    finding is about the whole configuration. ``hint`` is the next step.
    """

    rule: str
    severity: Severity
    message: str
    file: str | None = None
    line: int | None = None
    hint: str | None = None

    @property
    def where(self) -> str:
        """``file:line`` as far as known, or an empty string."""
        if self.file is None:
            return ""
        return self.file if self.line is None else f"{self.file}:{self.line}"

    def __str__(self) -> str:
        text = f"{self.severity}: {self.message}"
        return f"{self.where}: {text}" if self.where else text
