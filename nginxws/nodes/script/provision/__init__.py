"""The provisioning script: what the node of an application does, joined of sh parts like the balancers'.

Parts of the balancers' script that both need come first (``SHARED``), then those beside this file
(``PARTS``). ``record.sh`` tells what is kept of an application on its node.
"""

from __future__ import annotations

from pathlib import Path

from nginxws.nodes import limits

SHARED = ("setup", "talking", "tools", "nginx", "lock", "others", "files")
PARTS = ("record", "restart", "application", "undo", "install", "requests")


def script() -> bytes:
    """The whole provisioning script, as sent: its limits are those of this side."""
    here = Path(__file__).parent
    setup, *shared = ((here.parent / f"{part}.sh").read_bytes() for part in SHARED)
    own = ((here / f"{part}.sh").read_bytes() for part in PARTS)
    bounds = (
        f"MAX_FILES={limits.APP_FILES} MAX_BYTES={limits.CONFIGURATION} MAX_EDIT={limits.EDITED} "
        f"MAX_ARCHIVE={limits.ARCHIVE} MAX_WORDS={limits.WORDS}\n"
    )
    return b"\n".join((setup, bounds.encode(), *shared, *own))
