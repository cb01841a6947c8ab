"""Programs of a test's own in the place of the system's, which the node script otherwise takes first."""

from __future__ import annotations

from pathlib import Path

_SYSTEM = b"\nPATH=/usr/local/sbin:"


def standing_first(script: bytes, folder: Path) -> bytes:
    """The node script, looking for programs in ``folder`` before anywhere else."""
    assert script.count(_SYSTEM) == 1
    return script.replace(_SYSTEM, b"\nPATH=" + bytes(folder) + _SYSTEM.replace(b"\nPATH=", b":"))
