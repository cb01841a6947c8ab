"""The node script: POSIX sh in parts, joined here and sent as one over the node's shell.

The parts stand beside this file in the order in which they are joined: ``PARTS``.
``setup.sh`` tells the protocol and what is kept on the node.
"""

from __future__ import annotations

from pathlib import Path

PARTS = (
    "setup", "talking", "tools", "nginx", "state", "snapshot",
    "transaction", "reload", "restore", "recover", "requests",
)  # fmt: skip


def script() -> bytes:
    """The whole node script, as sent."""
    here = Path(__file__).parent
    return b"\n".join((here / f"{part}.sh").read_bytes() for part in PARTS)
