"""What Terraform's provider ``hashicorp/external`` does with a program, as strictly as it does it.

Its rules: the whole query on stdin as JSON; a result is a JSON object of texts on stdout and exit code 0;
else what the program said on stderr, "ideally a single line", is shown.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from support.command import STUCK


class ProgramFailed(Exception):
    """The program's exit code wasn't 0; the text is its stderr, which had to be one line."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


def external(
    folder: Path, query: Mapping[str, str], *words: str, env: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The ``result`` of ``data.external`` with this query, run in ``folder``. Raises ProgramFailed."""
    return _result(*run(folder, json.dumps(dict(query)).encode(), *words, env=env))


def run(
    folder: Path, stdin: bytes, *words: str, env: Mapping[str, str] | None = None
) -> tuple[int, bytes, str]:
    """Exit code, stdout and stderr of ``nginxws tf-external``."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NGINXWS_")}
    done = subprocess.run(
        [sys.executable, "-m", "nginxws", "tf-external", *words],
        input=stdin,
        cwd=folder,
        env={**kept, "HOME": str(folder), **(env or {})},
        capture_output=True,
        timeout=STUCK,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr.decode()


def _result(code: int, out: bytes, err: str) -> dict[str, str]:
    if code:
        assert err.count("\n") == 1, err
        assert err.endswith("\n")
        assert out == b"", "nothing reads it"
        raise ProgramFailed(code, err)
    assert err == "", "nobody would see it"
    result = json.loads(out, object_pairs_hook=_once)
    assert type(result) is dict
    for key, value in result.items():
        assert type(value) is str, key
    return result


def _once(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    assert len(found) == len(pairs), "a key stands there twice"
    return found
