"""What a command prints, byte for byte, on streams of any kind; and what a reader makes of it."""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from unittest import mock

#: What acts on a terminal or makes a line read as something else: C0 and C1 but for tab and line feed, line
#: ends of Unicode's own, bidirectional overrides.
RAW = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_CI = ("GITHUB_ACTIONS", "TF_BUILD", "GITLAB_CI", "TEAMCITY_VERSION", "CI")


class Stream(io.TextIOWrapper):
    """A stream in memory that may say it is a terminal."""

    def __init__(self, encoding: str, terminal: bool, errors: str) -> None:
        super().__init__(io.BytesIO(), encoding=encoding, errors=errors, write_through=True, newline="\n")
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal

    @property
    def written(self) -> bytes:
        self.flush()
        buffer = self.buffer
        assert isinstance(buffer, io.BytesIO)
        return buffer.getvalue()


@dataclass(frozen=True)
class Printed:
    """What came out on the two streams, and what the work itself gave."""

    out: bytes
    err: bytes
    encoding: str
    result: object

    @property
    def texts(self) -> list[str]:
        """Both as text; they must be."""
        return [data.decode(self.encoding) for data in (self.out, self.err)]


def printed(
    work: Callable[[], object],
    *,
    encoding: str = "utf-8",
    terminal: bool = False,
    environ: Mapping[str, str] | None = None,
) -> Printed:
    """Do ``work`` with streams of its own; no colours, and no CI service but what ``environ`` says."""
    out, err = Stream(encoding, terminal, "strict"), Stream(encoding, terminal, "backslashreplace")
    kept = {name: value for name, value in os.environ.items() if name not in _CI}
    kept |= {"NO_COLOR": "1", **(environ or {})}
    with (
        mock.patch.dict(os.environ, kept, clear=True),
        mock.patch.object(sys, "stdout", out),
        mock.patch.object(sys, "stderr", err),
    ):
        result = work()
    return Printed(out.written, err.written, encoding, result)


#: GitHub's runner, as its source has it (actions/runner: ActionCommand.cs, ActionCommandManager.cs).
_REGISTERED = (
    "stop-commands",
    "set-env",
    "set-output",
    "save-state",
    "add-mask",
    "add-path",
    "add-matcher",
    "remove-matcher",
    "debug",
    "warning",
    "error",
    "notice",
    "group",
    "endgroup",
    "echo",
    "internal-set-repo-path",
    "x",
)


def github_commands(output: bytes) -> list[str]:
    """The commands that GitHub's runner would carry out, those that stop and resume included."""
    found, token = [], None
    for line in re.split(r"\r\n|\r|\n", output.decode("utf-8", "replace")):
        name = _command(line, token)
        if name is None:
            continue
        if token is not None:
            if name.lower() == token.lower():
                token = None
            continue
        found.append(name)
        if name.lower() == "stop-commands":
            token = line.rpartition("::")[2]
    assert token is None, "commands stay stopped for the steps to come"
    return found


def _command(line: str, token: str | None) -> str | None:
    line = line.lstrip("\u200b\ufeff\x00\xad").lstrip()
    names = {*_REGISTERED, *([token.lower()] if token else [])}
    if line.startswith("::") and "::" in line[2:]:
        name = line[2:].partition("::")[0].partition(" ")[0]
        if name.lower() in names:
            return name
    _, prefix, rest = line.partition("##[")
    if prefix and "]" in rest:
        name = rest.partition("]")[0].partition(" ")[0]
        if name.lower() in names:
            return name
    return None
