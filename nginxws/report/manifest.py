"""What became of the manifest that a command changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nginxws.errors import NginxwsError
from nginxws.report.document import error_json
from nginxws.report.text import show_diff, show_error, show_lines, show_warning


@dataclass(frozen=True, slots=True)
class ManifestResult:
    """A manifest's change: its diff, and whether it was written.

    ``pending`` says that it would be (a dry run), ``held_back`` that it isn't because a node failed.
    """

    path: str
    diff: str = ""
    written: bool = False
    pending: bool = False
    held_back: bool = False
    error: NginxwsError | None = None

    @property
    def changed(self) -> bool:
        """Changed; or in a dry run, would be."""
        return self.written or self.pending

    def as_json(self) -> dict[str, Any]:
        """The member ``manifest`` of a result."""
        return {
            "path": self.path,
            "changed": self.changed,
            "diff": self.diff,
            "error": error_json(self.error),
        }

    def show_troubles(self) -> None:
        """Why it isn't written, on stderr."""
        if self.error is not None:
            show_error(self.error)
        if self.held_back:
            show_warning(
                f"{self.path} is not written: not every node has the change",
                "run the same command again when the trouble is over; a node that has it is left as it is",
            )

    def show(self, *, alone: bool = False) -> None:
        """Its diff, or that it is written; ``alone``, without any node, also that there is nothing to do."""
        if self.pending:
            show_diff(self.diff)
        elif self.written:
            show_lines([f"{self.path}: written"])
        elif alone and not self.diff:
            show_lines([f"{self.path}: nothing to do"])
