"""The gate: crossplane's errors that a change would bring in.

crossplane knows NGINX's directives, their contexts and numbers of arguments, but not every one: it also
complains about configurations that NGINX serves well. So only errors that the snapshot didn't have stop a
change; NGINX on the node stays the authority.
"""

from __future__ import annotations

import gc
import re
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

from nginxws.checks.finding import Finding, Severity
from nginxws.printable import one_line

Context = tuple[str, ...]
"""The blocks around a file's top level, outermost first: ``("http", "server")``; ``()`` for the main file."""

_RULE: Final = "crossplane"
_NEW_HINT: Final = "compare the line with the directive's documentation; nothing was sent to the node"
_OLD_HINT: Final = "it was there before this change, and doesn't stop it"
_LONE_CR: Final = re.compile(rb"\r(?!\n)")
# Arguments that blocks need before their brace, so that the wrapping is no error itself.
_HEADS: Final = {
    "location": "location /",
    "upstream": "upstream u",
    "if": "if ($a)",
    "limit_except": "limit_except GET",
    "map": "map $a $b",
    "geo": "geo $a",
    "split_clients": "split_clients $a $b",
}


@dataclass(frozen=True, slots=True)
class GateResult:
    """``new`` errors stop a change; ``old`` ones are shown (as warnings) and don't."""

    new: tuple[Finding, ...]
    old: tuple[Finding, ...]


class _Error(NamedTuple):
    message: str
    file: str
    line: int | None
    text: bytes  # the line itself, without indentation


def new_errors(
    before: Mapping[str, bytes],
    after: Mapping[str, bytes],
    main: str,
    contexts: Mapping[str, Collection[Context]] | None = None,
) -> GateResult:
    """What crossplane says about the files that differ between two states of a configuration.

    ``before`` and ``after`` map the paths of all files to their bytes; ``contexts`` says in which contexts
    each file is included (``ConfigFile.contexts``). A file without contexts, unless it is ``main``, is
    checked without regard to where its directives may stand. No file is read: includes aren't followed.
    """
    known: dict[str, Collection[Context]] = {main: ((),), **(contexts or {})}
    new: list[Finding] = []
    old: list[Finding] = []
    for path, data in after.items():
        if before.get(path) == data:
            continue  # nothing new can be in it
        found = _errors(path, data, known.get(path))
        if not found:
            continue
        then = _errors(path, before[path], known.get(path)) if path in before else []
        fresh = set(_without(found, then))
        new += [_finding(error, "error", _NEW_HINT) for error in found if error in fresh]
        old += [_finding(error, "warning", _OLD_HINT) for error in found if error not in fresh]
    return GateResult(tuple(new), tuple(old))


def _without(found: list[_Error], then: list[_Error]) -> list[_Error]:
    """The errors of ``found`` that aren't in ``then``: same message and line text first, then message alone.

    Line numbers don't count, since a change moves them; how often an error occurs does.
    """
    for key in (_by_text, _by_message):
        found, then = _unpaired(found, then, key), _unpaired(then, found, key)
    return found


def _by_text(error: _Error) -> Hashable:
    return error.message, error.text


def _by_message(error: _Error) -> Hashable:
    return error.message


def _unpaired(errors: list[_Error], others: list[_Error], key: Callable[[_Error], Hashable]) -> list[_Error]:
    partners = Counter(map(key, others))
    left = []
    for error in errors:
        if partners[key(error)]:
            partners[key(error)] -= 1
        else:
            left.append(error)
    return left


def _finding(error: _Error, severity: Severity, hint: str) -> Finding:
    return Finding(_RULE, severity, error.message, error.file, error.line, hint)


def _errors(path: str, data: bytes, contexts: Collection[Context] | None) -> list[_Error]:
    """crossplane's errors in one file, in every context it is included in."""
    messages = [
        message for context in (sorted(contexts) if contexts else [None]) for message in _parse(data, context)
    ]
    if not messages:
        return []
    lines = data.split(b"\n")
    errors = []
    for message, line in dict.fromkeys(messages):  # an error that two contexts share is one
        known = line if line is not None and 1 <= line <= len(lines) else None
        errors.append(_Error(message, path, known, lines[known - 1].strip() if known else b""))
    return errors


def _parse(data: bytes, context: Context | None) -> list[tuple[str, int | None]]:
    """Messages and lines. None as context: unknown, so where directives stand isn't checked."""
    import crossplane

    opening = "".join(f"{_HEADS.get(block, block)} {{ " for block in context or ())
    # On the same first line, so that line numbers stay; and crossplane takes a lone CR for a line's end.
    text = opening.encode() + _LONE_CR.sub(b" ", data) + b"\n" + b"}" * len(context or ())
    with TemporaryDirectory(prefix="nginxws-") as folder, _collector_paused():
        file = Path(folder) / "nginx.conf"
        file.write_bytes(text)
        payload: dict[str, Any] = crossplane.parse(
            str(file), onerror=lambda error: error, single=True, check_ctx=context is not None
        )
    return [(_message(error["callback"]), error["line"]) for error in payload["errors"]]


def _message(error: Exception) -> str:
    """The words without file and line, printable; an unfinished directive gives none (crossplane #114)."""
    words = str(getattr(error, "strerror", None) or error) or "unexpected end of file"
    return one_line(words)


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Without the cycle collector: it takes a quarter of the time on large files, and finds nothing."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
