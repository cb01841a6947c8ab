"""GitLab's code quality report: docs.gitlab.com, "Code Quality", "Implement a custom tool"."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from nginxws.printable import one_line
from nginxws.report.notices import Notice

_SEVERITIES = {"error": "major", "warning": "minor", "notice": "info"}
#: Where nothing is known, GitLab still wants a path.
_SOMEWHERE = "nginxws.toml"


def code_quality(notices: Iterable[Notice]) -> str:
    """The report: one JSON array.

    Fingerprints tell the same issue in two pipelines: they hold no line numbers, and differ within a report.
    """
    issues: list[dict[str, Any]] = []
    seen: dict[str, int] = {}
    for notice in notices:
        words = "\0".join((notice.check, notice.node, notice.file, notice.message))
        seen[words] = seen.get(words, 0) + 1
        digest = hashlib.sha256(f"{words}\0{seen[words]}".encode("utf-8", "surrogateescape"))
        issues.append(
            {
                "description": one_line(notice.message),
                "check_name": f"nginxws-{notice.check}",
                "fingerprint": digest.hexdigest(),
                "severity": _SEVERITIES[notice.level],
                "location": {
                    "path": one_line(notice.file or _SOMEWHERE),
                    "lines": {"begin": notice.line},
                },
            }
        )
    return json.dumps(issues, indent=2, ensure_ascii=True)
