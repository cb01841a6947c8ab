"""The query of Terraform's external data source: a JSON object of texts (registry.terraform.io,
hashicorp/external, "External Program Protocol"). Pure.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from nginxws.errors import InvalidInput
from nginxws.printable import excerpt

#: Bytes of a query.
MAX_SIZE = 64 * 1024
_FORM = 'it is a JSON object of texts, like {"manifest": "nginxws.toml", "live": "true"}'


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked; an empty text asks nothing.

    ``node`` is a node or label, ``app`` an application and ``path`` a route of the manifest: what isn't about
    them is left out. ``live``: the nodes are looked at.
    """

    manifest: str = ""
    inventory: str = ""
    node: str = ""
    app: str = ""
    path: str = ""
    live: bool = False


def parse(data: bytes) -> Query:
    """Read a query. Raises InvalidInput."""
    if len(data) > MAX_SIZE:
        raise InvalidInput(f"the query is longer than {MAX_SIZE} bytes", hint=_FORM)
    try:
        query = json.loads(data, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise InvalidInput("the query on stdin isn't JSON", hint=_FORM) from error
    if not isinstance(query, dict):
        raise InvalidInput("the query on stdin isn't an object", hint=_FORM)
    values = {key: _value(key, value) for key, value in query.items()}
    live = values.pop("live", "")
    if live not in ("", "true", "false"):
        raise InvalidInput(f"live in the query is {_short(live)!r}", hint='it can be "true" or "false"')
    return Query(**values, live=live == "true")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise InvalidInput("the query on stdin has a key twice", hint="leave one of them out")
    return found


def _value(key: str, value: Any) -> str:
    known = list(Query.__dataclass_fields__)
    if key not in known:
        close = get_close_matches(key, known, n=1)
        hint = f"did you mean {close[0]}?" if close else f"there are: {', '.join(known)}"
        raise InvalidInput(f"unknown key {_short(key)!r} in the query", hint=hint)
    if not isinstance(value, str):
        raise InvalidInput(f"{key} in the query isn't a text", hint='write it in quotes, as in live = "true"')
    if any(ord(char) < 32 or ord(char) == 127 for char in value):
        raise InvalidInput(f"{key} in the query holds a control character", hint="write it on one line")
    return value


def _short(text: str) -> str:
    return excerpt(text, 60)
