"""The document that every command prints with ``--format json``: its version, its envelope, its errors."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import click

from nginxws.errors import ExitCode, NginxwsError

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


def error_json(error: NginxwsError | None) -> dict[str, Any] | None:
    """An error with its exit code, place and next step; null for none."""
    if error is None:
        return None
    return {
        "code": int(error.code),
        "kind": type(error).__name__,
        "message": error.message,
        "file": error.file,
        "line": error.line,
        "detail": error.detail,
        "hint": error.hint,
    }


def show_json(document: Mapping[str, Any]) -> None:
    """A document on stdout. All ASCII: a control character in it acts on no terminal."""
    click.echo(json.dumps(document, indent=2, ensure_ascii=True))
