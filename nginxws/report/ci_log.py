"""Text for a log that a CI service reads: nothing that a node says may be taken for a command to the service.

GitHub Actions (and Gitea, Forgejo) take a line for a command when, white space aside, it begins with
``::``, and the old form ``##[name]`` anywhere in a line (actions/runner, Runner.Common/ActionCommand.cs); a
carriage return ends a line there. Azure Pipelines takes ``##vso[`` anywhere, TeamCity ``##teamcity[``. GitLab
folds a log at ``section_start:`` and ``section_end:`` that end in CR and an escape sequence.

Messages are spelled out. A diff has to stay exact, so GitHub is told to stop looking while it passes
(``::stop-commands::``, in its documentation of workflow commands); patch(1) passes over such lines.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

#: Set by each service in its jobs.
_GITHUB, _OTHERS = "GITHUB_ACTIONS", ("TF_BUILD", "GITLAB_CI", "TEAMCITY_VERSION")

# Whatever may stand in front of "::" besides printable ASCII: the runner trims Unicode's white space, and
# .NET's comparison passes over characters without a width.
_LEADING = re.compile(r"((?:^|[\r\n])[^!-~\r\n]*):(?=:)")
_BRACKET = re.compile(r"#(?=#\w*\[)", re.ASCII)
_SECTION = re.compile(r"(section_(?:start|end)):(?=\d+:[^\n]*\r\x1b\[0K)", re.ASCII)


def spelled(text: str, environ: Mapping[str, str]) -> str:
    """A message as a CI log may show it; unchanged outside of CI."""
    if not _in_ci(environ):
        return text
    return _BRACKET.sub(r"\\x23", _LEADING.sub(r"\1\\x3a", text))


def without_brackets(text: str) -> str:
    """Text for the inside of a ``::command::``, without commands of the old form."""
    return _BRACKET.sub(r"\\x23", text)


def in_json(text: str) -> str:
    """A JSON text that says the same, and holds no command: ``##[`` anywhere in a line is one."""
    return _BRACKET.sub(r"\\u0023", text)


@dataclass(frozen=True, slots=True)
class Fenced:
    """A diff for a log: a line to go ``before`` it and one ``after`` it, empty where none is needed.

    ``exact`` tells whether ``diff`` is the diff itself; else commands in it are spelled out.
    """

    diff: str
    before: str = ""
    after: str = ""
    exact: bool = True


def fenced(diff: str, environ: Mapping[str, str]) -> Fenced:
    """A diff as a CI log may show it. Lines end in LF."""
    if environ.get(_GITHUB) == "true":
        if _LEADING.search(diff) or _BRACKET.search(diff):
            token = secrets.token_hex(16)
            return Fenced(diff, f"::stop-commands::{token}\n", f"::{token}::\n")
        return Fenced(diff)
    if not _in_ci(environ):
        return Fenced(diff)
    # No other service can be told to look away.
    text = _SECTION.sub(r"\1\\x3a", _BRACKET.sub(r"\\x23", diff))
    return Fenced(text, exact=text == diff)


def _in_ci(environ: Mapping[str, str]) -> bool:
    return environ.get(_GITHUB) == "true" or any(environ.get(name) for name in _OTHERS)
