"""The document that every command prints with ``--format json``: its version, its envelope, its errors."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import click

from nginxws.errors import ExitCode, ManifestError, NginxwsError
from nginxws.printable import spell
from nginxws.report.ci_log import in_json

#: Version of every document: a reader ignores unknown minors and refuses unknown majors.
FORMAT_VERSION = "1.0"


def envelope(code: ExitCode, *, changed: bool, errors: Sequence[str], **content: Any) -> dict[str, Any]:
    """What drivers such as Ansible look for, the same for every command; then the command's ``content``."""
    return {
        "format_version": FORMAT_VERSION,
        "changed": changed,
        "failed": bool(errors),
        "rc": int(code),
        "msg": "; ".join(errors),
        **content,
    }


def failure(error: NginxwsError) -> dict[str, Any]:
    """The document of a command that ended before it had anything to say of a node."""
    return envelope(error.code, changed=False, errors=[str(error)], error=error_json(error))


def error_json(error: NginxwsError | None) -> dict[str, Any] | None:
    """An error with its exit code, place and next step; null for none."""
    if error is None:
        return None
    problems = error.problems if isinstance(error, ManifestError) else ()
    return {
        "code": int(error.code),
        "kind": type(error).__name__,
        "message": error.message,
        "file": error.file,
        "line": error.line,
        "detail": error.detail,
        "hint": error.hint,
        **({"problems": [dataclasses.asdict(one) for one in problems]} if problems else {}),
    }


def show_json(document: Mapping[str, Any]) -> None:
    """A document on stdout. All ASCII: a control character in it acts on no terminal.

    Bytes that aren't UTF-8 are spelled ``\\xNN``: half a surrogate pair is no text (RFC 7493, section 2.1).
    """
    text = json.dumps(document, indent=2, ensure_ascii=False)
    click.echo(in_json(_NOT_ASCII.sub(_escape, text)))


_NOT_ASCII = re.compile(r"[^\n -~]")


def _escape(match: re.Match[str]) -> str:
    char = match[0]
    return json.dumps(spell(char) if "\ud800" <= char <= "\udfff" else char)[1:-1]
