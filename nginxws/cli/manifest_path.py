"""Where the manifest is that a command works with."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

from nginxws.cli.parameters import stands_there
from nginxws.errors import InvalidInput, NginxwsError

#: Name of the file, looked for in the working directory and above it.
NAME = "nginxws.toml"


def path_meant(options: dict[str, Any]) -> Path | None:
    """The path of the manifest, None for none. What stands on the command line wins over the environment.

    Raises InvalidInput for options that exclude each other, NginxwsError for a file that can't be trusted.
    """
    named = options.get("manifest")
    said = {name: stands_there(name) for name in ("manifest", "no_manifest", "file") if options.get(name)}
    if said.get("manifest") and (others := {name for name, there in said.items() if there} - {"manifest"}):
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in sorted(others))
        raise InvalidInput(f"--manifest and {flags} exclude each other", hint="give one of them")
    if not said.get("manifest") and ("no_manifest" in said or _file_meant(options)):
        return None
    return Path(named) if named else _above(Path.cwd())


def _file_meant(options: dict[str, Any]) -> bool:
    from nginxws.cli.running import file_meant

    return "file" in options and file_meant(options) is not None


def _above(start: Path) -> Path | None:
    """The nearest manifest from a folder upward; NginxwsError for one that anybody may have put there."""
    for folder in (start, *start.parents):
        path = folder / NAME
        if not path.is_file():
            continue
        if _anybodys(path):
            raise NginxwsError(
                "every user of this machine may write to this folder, and this file isn't yours",
                file=str(path),
                hint="name it with --manifest if you trust it, or work without it: --no-manifest",
            )
        return path.relative_to(start) if folder == start else path
    return None


def _anybodys(path: Path) -> bool:
    """Whether somebody else could have planted a manifest: it says what is run, and where."""
    if os.name != "posix":
        return False
    open_to_all = path.parent.stat().st_mode & stat.S_IWOTH
    # A link counts as well: it may lead to a manifest of ours that isn't meant here.
    return bool(open_to_all) and not {path.stat().st_uid, path.lstat().st_uid} <= {0, os.geteuid()}
