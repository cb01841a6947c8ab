"""The chat's page: one file, its address written in, and the headers that fence it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from importlib import resources
from typing import Final

_ADDRESS_LINE: Final = re.compile(r"^( *const wsUri = ).*;$", re.MULTILINE)
_INLINE: Final = re.compile(r"<(script|style)>(.*?)</\1>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Page:
    """The document and the Content-Security-Policy that lets only its own script and style run."""

    html: str
    policy: str


def load(ws_uri: str | None = None) -> Page:
    """The chat's page, speaking to ``ws_uri``; without it, to /ws/ where the page came from."""
    html = resources.files("nginxws.demo").joinpath("page.html").read_text(encoding="utf-8")
    if ws_uri is not None:
        html = with_address(html, ws_uri)
    return Page(html, _policy(html))


def with_address(html: str, ws_uri: str) -> str:
    """``html`` with its one ``const wsUri = …;`` line set to ``ws_uri``.

    Raises:
        ValueError: the line isn't there exactly once.
    """
    # "</script>" inside a script would end it; JSON lets us write "<" another way.
    literal = json.dumps(ws_uri).replace("<", "\\u003c")
    changed, count = _ADDRESS_LINE.subn(lambda line: f"{line[1]}{literal};", html)
    if count != 1:
        raise ValueError(f"the page has {count} lines 'const wsUri = …;', expected one")
    return changed


def _policy(html: str) -> str:
    """Nothing but the page's own inline script and style, by hash (CSP level 2), and WebSockets."""
    hashes = {"script": "", "style": ""}
    for kind, text in _INLINE.findall(html):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        hashes[kind] += f" 'sha256-{digest}'"
    return (
        f"default-src 'none'; script-src{hashes['script']}; style-src{hashes['style']}; img-src data:; "
        "connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
