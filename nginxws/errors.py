"""Every error nginxws raises, and the exit code each one ends with.

The tree::

    NginxwsError                     1   something failed, nothing was changed
    ├── InvalidInput                64   an argument or option is malformed
    ├── ConfigError                  1   the node's configuration can't be used as it is
    │   ├── ParseError               1   a file isn't NGINX configuration (file:line)
    │   ├── ServerChoiceError        1   no server block fits, or several could be meant
    │   ├── RouteConflict            1   a hand-written location already serves the path
    │   ├── DriftError               1   our own block was edited by hand
    │   └── SpliceError              1   the edit would have changed foreign bytes (a bug of ours)
    ├── ManifestError                1   nginxws.toml can't be used: all that is wrong in it
    ├── RenderError                  1   a template can't be rendered
    ├── NodeError                    1   the node can't do the job; nothing was changed
    │   ├── NginxMissing             1   there is no NGINX on the node
    │   └── ProtocolError            1   the node's answers make no sense
    ├── ConnectionFailed             6   no connection to the node
    │   ├── AuthenticationFailed     6   the node (or its sudo) doesn't accept us
    │   └── HostKeyError             6   unknown, changed or revoked host key
    ├── LockedError                  7   somebody else holds the node's lock
    ├── StaleError                   7   the node changed since the plan was made
    ├── Restored                     4   failed, and everything is as it was
    ├── RestoreFailed                5   a human is needed
    └── Interrupted                130   stopped by the user, everything is as it was
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """Process exit codes; part of the command-line contract."""

    DONE = 0
    ERROR = 1
    CHANGES = 2
    FINDINGS = 3
    RESTORED = 4
    RESTORE_FAILED = 5
    CONNECTION = 6
    LOCKED_OR_STALE = 7
    USAGE = 64
    INTERRUPTED = 130


class NginxwsError(Exception):
    """Base of all errors: what happened, where, and what to do next.

    ``node`` is the node's name, ``file`` a path on that node (or here, with
    ``--file``), ``line`` counts from 1, ``hint`` is the next step for the user.
    ``detail`` holds other programs' own words (nginx, sudo), several lines.
    """

    code: ClassVar[ExitCode] = ExitCode.ERROR

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        node: str | None = None,
        file: str | None = None,
        line: int | None = None,
        detail: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.node = node
        self.file = file
        self.line = line
        self.detail = detail

    @property
    def where(self) -> str:
        """``node: file:line`` as far as known, or an empty string."""
        place = self.file or ""
        if place and self.line is not None:
            place = f"{place}:{self.line}"
        return ": ".join(part for part in (self.node, place) if part)

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a file that people write. ``key`` is dotted, and may be empty."""

    line: int
    key: str
    message: str
    hint: str | None = None

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}" + (f" ({self.hint})" if self.hint else "")


class InvalidInput(NginxwsError):
    """An argument or option value is malformed."""

    code = ExitCode.USAGE


class ConfigError(NginxwsError):
    """The configuration can't be used as it is."""


class ParseError(ConfigError):
    """A file isn't NGINX configuration; ``file`` and ``line`` say where."""


class ServerChoiceError(ConfigError):
    """No server block fits, or several could be meant."""


class RouteConflict(ConfigError):
    """A hand-written location already serves the path."""


class DriftError(ConfigError):
    """A managed block was edited by hand."""


class SpliceError(ConfigError):
    """An edit failed its own proof: it would have changed foreign bytes."""


class ManifestError(NginxwsError):
    """A manifest can't be used. ``problems`` holds all that is wrong in it, in the order of its lines."""

    def __init__(self, problems: Sequence[Problem], *, file: str) -> None:
        first, more = problems[0], [str(problem) for problem in problems[1:]]
        super().__init__(
            first.message, hint=first.hint, file=file, line=first.line, detail="\n".join(more) or None
        )
        self.problems = tuple(problems)


class RenderError(NginxwsError):
    """A template is missing, broken, or uses an undefined name."""


class NodeError(NginxwsError):
    """The node can't do the job; nothing was changed."""


class NginxMissing(NodeError):
    """There is no NGINX on the node."""


class ProtocolError(NodeError):
    """The node's answers make no sense."""


class ConnectionFailed(NginxwsError):
    """No connection to the node."""

    code = ExitCode.CONNECTION


class AuthenticationFailed(ConnectionFailed):
    """The node, or sudo on it, doesn't accept us."""


class HostKeyError(ConnectionFailed):
    """The host key is unknown, changed or revoked."""


class LockedError(NginxwsError):
    """Somebody else holds the node's lock."""

    code = ExitCode.LOCKED_OR_STALE


class StaleError(NginxwsError):
    """The node changed since the plan was made; nothing was touched. ``again``: planning anew may help."""

    code = ExitCode.LOCKED_OR_STALE
    again = True


class Restored(NginxwsError):
    """The change failed, and the node is as it was. ``cause`` is the node's code word for why."""

    code = ExitCode.RESTORED
    cause = ""


class RestoreFailed(NginxwsError):
    """The change failed, and so did the restore: a human is needed."""

    code = ExitCode.RESTORE_FAILED


class Interrupted(NginxwsError):
    """Stopped by the user; the node is as it was."""

    code = ExitCode.INTERRUPTED
