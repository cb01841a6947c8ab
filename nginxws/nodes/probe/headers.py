"""``NAME=VALUE`` of a probe's header option; the value may come from the environment or a file."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from nginxws.errors import InvalidInput
from nginxws.nodes.probe.types import check_header

_LIMIT = 16 * 1024  # bytes; more than NGINX's large_client_header_buffers take
_SECRETS = frozenset({"authorization", "cookie", "proxy-authorization"})
_FORMS = "write NAME=VALUE, NAME=@env:VARIABLE or NAME=@file:PATH; a value that starts with '@' as '@@...'"


def _read(path: str) -> bytes:
    with Path(path).open("rb") as file:
        return file.read(_LIMIT + 1)


def parse_probe_header(
    text: str,
    *,
    environ: Mapping[str, str] | None = None,
    read: Callable[[str], bytes] = _read,
) -> tuple[str, str]:
    """Name and value of one header, checked so that it can't spoil the request.

    ``@env:VARIABLE`` and ``@file:PATH`` (outer white space dropped) fetch the value, ``@@`` at its
    start stands for one ``@``. Headers that are always secrets (Authorization, Cookie,
    Proxy-Authorization) must be fetched: a command line is seen by every user of the machine.
    Raises InvalidInput; no message repeats a value.
    """
    name, equals, value = text.partition("=")
    if not equals:
        # What was meant as a value may be in there: it isn't repeated.
        raise InvalidInput("a header has no '=' between its name and its value", hint=_FORMS)
    check_header(name, "")
    if value.startswith("@env:"):
        value = _from_environment(name, value[5:], os.environ if environ is None else environ)
    elif value.startswith("@file:"):
        value = _from_file(name, value[6:], read)
    elif name.lower() in _SECRETS:
        raise InvalidInput(
            f"the header {name} is a secret, and a command line is visible to others",
            hint=f"put it into a variable or a file: {name}=@env:VARIABLE or {name}=@file:PATH",
        )
    elif value.startswith("@"):
        if not value.startswith("@@"):
            raise InvalidInput(f"the value of the header {name} starts with '@'", hint=_FORMS)
        value = value[1:]
    check_header(name, value)
    return name, value


def _from_environment(name: str, variable: str, environ: Mapping[str, str]) -> str:
    value = environ.get(variable)
    if value is None:
        raise InvalidInput(
            f"the header {name} wants the environment variable {variable!r}, which isn't set",
            hint=f"set it in the environment of this command: export {variable or 'VARIABLE'}=...",
        )
    return value.strip()


def _from_file(name: str, path: str, read: Callable[[str], bytes]) -> str:
    try:
        data = read(path)
    except (OSError, ValueError) as exc:  # ValueError: NUL in the path
        why = getattr(exc, "strerror", None) or str(exc)
        raise InvalidInput(
            f"the header {name} wants the file {path!r}: {why}",
            hint="give a file that this user can read",
        ) from exc
    if len(data) > _LIMIT:
        raise InvalidInput(
            f"the file {path!r} for the header {name} is longer than {_LIMIT} bytes",
            hint="the file should hold the header's value and nothing else",
        )
    return data.decode("latin-1").strip()
