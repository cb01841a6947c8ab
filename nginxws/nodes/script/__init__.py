"""The node script: POSIX sh in parts, joined here and sent as one over the node's shell.

The parts stand beside this file in the order in which they are joined: ``PARTS``.
``setup.sh`` tells the protocol and what is kept on the node.
"""

from __future__ import annotations

from pathlib import Path

from nginxws.nodes import limits

PARTS = (
    "setup", "talking", "tools", "nginx", "lock", "state", "others", "snapshot",
    "files", "transaction", "reload", "restore", "recover", "history", "requests",
)  # fmt: skip


def script() -> bytes:
    """The whole node script, as sent: its limits are those of this side."""
    here = Path(__file__).parent
    setup, *parts = ((here / f"{part}.sh").read_bytes() for part in PARTS)
    bounds = f"MAX_FILES={limits.FILES} MAX_BYTES={limits.CONFIGURATION} MAX_WORDS={limits.WORDS}\n"
    return b"\n".join((setup, bounds.encode(), *parts))
