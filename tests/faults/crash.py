"""Programs that end the node script: the k-th of those that change files takes it down.

They stand before the system's, count themselves, and are the real ones otherwise.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from faults.variants import BEGINNING
from support.nginx import wait_for

#: Whatever the node script changes files with; its own redirections stand beside one of these.
TOOLS = ("cat", "chmod", "cp", "dd", "ln", "mkdir", "mv", "rm", "tail")

_SHIM = """#!/bin/sh
at=
[ -z "$NODE" ] || read -r at <"@FOLDER@/at"
if [ -n "$at" ]; then
  # Two programs of one pipe may come here at once, and the other be writing.
  until read -r count <"@FOLDER@/count" && [ -n "$count" ]; do :; done
  count=$((count + 1))
  echo "$count" >"@FOLDER@/count"
  if [ "$count before" = "$at" ]; then kill -KILL "$NODE"; exit 1; fi
fi
@REAL@ "$@"
code=$?
if [ -n "$at" ] && [ "$count after" = "$at" ]; then kill -KILL "$NODE"; fi
exit "$code"
"""

#: What makes a node script known to its tools.
MARK = (BEGINNING, f"{BEGINNING}NODE=$$; export NODE\n")


class CrashPoints:
    """A folder for PATH, and the point at which the script ends."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "bin"
        self.path.mkdir(parents=True)
        for tool in TOOLS:
            shim = self.path / tool
            shim.write_text(
                _SHIM.replace("@FOLDER@", str(folder)).replace("@REAL@", shutil.which(tool) or tool)
            )
            shim.chmod(0o755)
        self.disarm()

    def arm(self, number: int, when: str) -> None:
        """End the script ``when`` ("before" or "after") tool call ``number`` from here."""
        (self.folder / "count").write_text("0\n")
        (self.folder / "at").write_text(f"{number} {when}\n")

    def disarm(self) -> bool:
        """No ending any more; True when the point was reached."""
        at, count = self.folder / "at", self.folder / "count"
        words = at.read_text().split() if at.exists() else []
        at.write_text("\n")
        if not words:
            return False
        wait_for(lambda: bool(count.read_text().strip()), "a program that is counting")
        return int(count.read_text()) >= int(words[0])
