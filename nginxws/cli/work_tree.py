"""What git says of the folder that the manifest stands in: a revision's message, where none was given."""

from __future__ import annotations

import os
import subprocess  # nosec B404
from pathlib import Path

from nginxws.printable import one_line

#: Characters of a commit's subject that are kept.
_LONGEST = 200
#: Seconds that git may take.
_PATIENCE = 5.0
#: git runs these when a repository's configuration asks it to, and nothing here needs them.
_QUIET = ("-c", "core.fsmonitor=false", "-c", "log.showSignature=false", "-c", "core.quotePath=true")


def describe(manifest: Path) -> str:
    """Commit and subject of the work tree, and ``+dirty`` if the manifest or anything else in it differs.

    Empty where there is no git, no work tree or no commit.
    """
    folder = manifest.resolve().parent
    commit = _git(folder, "log", "-1", "--no-color", "--format=%h %s")
    if not commit:
        return ""
    tracked = _git(folder, "ls-files", "--", manifest.resolve().name)
    clean = tracked and _git(folder, "status", "--porcelain", "--untracked-files=no") == ""
    text = one_line(commit)[:_LONGEST].strip()
    return text if clean else f"{text} +dirty"


def _git(folder: Path, *words: str) -> str | None:
    """What git prints, without its line end; None if it fails."""
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(  # nosec B603 B607
            ["git", *_QUIET, *words],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "replace").strip() if done.returncode == 0 else None
