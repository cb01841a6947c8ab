"""Ask whether any installed package has a known vulnerability, and say plainly when nobody could be asked.

python tools/audit.py        exit status 1: there is one; 0: there is none, or "NOT AUDITED" and why

pip-audit says "No known vulnerabilities found" of packages that its service has never heard of, as a
mirror's hasn't. So first the service must know a vulnerability that everybody knows, and then every
package counts only if it was looked up. With NGINXWS_AUDIT=required, not audited is a failure.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

#: Released in 2010, with several advisories since.
CANARY = "jinja2==2.4.1"
#: Our own package is on no index under this version.
OURS = "nginxws"
LIMIT = 8.0  # seconds for each of the two questions


def ask(*arguments: str) -> list[dict[str, Any]] | None:
    """What pip-audit says about each package; None when it can't be had."""
    command = [sys.executable, "-m", "pip_audit", "--progress-spinner", "off", "--format", "json", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, timeout=LIMIT, check=False)
        packages: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, ValueError, KeyError, TypeError):
        return None
    return packages


def service_knows(packages: Sequence[dict[str, Any]] | None) -> bool:
    """Whether the answer about the canary is one of a service that knows vulnerabilities."""
    return bool(packages) and all(package.get("vulns") for package in packages or ())


def verdict(packages: Sequence[dict[str, Any]] | None) -> tuple[bool | None, str]:
    """True: all clean; False: a known vulnerability; None: not all were looked up. And the words."""
    others = [package for package in packages or () if package["name"] != OURS]
    bad = [
        f"{package['name']} {package['version']}: {flaw['id']}"
        + (f" (mended in {', '.join(flaw['fix_versions'])})" if flaw.get("fix_versions") else "")
        for package in others
        for flaw in package.get("vulns", ())
    ]
    if bad:
        return False, "known vulnerabilities:\n  " + "\n  ".join(bad)
    unknown = [package["name"] for package in others if "vulns" not in package]
    if unknown or not others:
        return (
            None,
            f"looked up {len(others) - len(unknown)} of {len(others)} packages, not {', '.join(unknown)}",
        )
    return True, f"{len(others)} packages, no known vulnerability"


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "canary").write_text(f"{CANARY}\n")
        known = service_knows(ask("--no-deps", "--disable-pip", "-r", f"{folder}/canary"))
    clean, words = verdict(ask()) if known else (None, "no vulnerability service answers here")
    if clean is not None:
        sys.stdout.write(f"{words}\n")
        return 0 if clean else 1
    sys.stdout.write(f"NOT AUDITED: {words}\n")
    return 1 if os.environ.get("NGINXWS_AUDIT") == "required" else 0


if __name__ == "__main__":
    sys.exit(main())
