"""What pydantic finds wrong in a manifest, said in our words, with its line and the next step. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError

from nginxws.errors import InvalidInput, Problem
from nginxws.manifest.environment import AddressEntry, AppEntry, EnvironmentEntry
from nginxws.manifest.jelastic import JelasticEntry, LayerEntry
from nginxws.manifest.model import Manifest, NodeEntry, RouteEntry, RouteOptions
from nginxws.manifest.positions import KeyPath, Positions, dotted
from nginxws.printable import one_line

_MODELS: tuple[tuple[tuple[str, ...], type[BaseModel]], ...] = (
    ((), Manifest),
    (("defaults",), RouteOptions),
    (("nodes", "*"), NodeEntry),
    (("routes", "*"), RouteEntry),
    (("environment",), EnvironmentEntry),
    (("environment", "jelastic"), JelasticEntry),
    (("environment", "jelastic", "*"), LayerEntry),
    (("apps", "*"), AppEntry),
    (("apps", "*", "websocket", "*"), AddressEntry),
)

_MISSING = {
    "format": "begin the file with: format = 1",
    "path": 'write it like path = "/ws/"',
    "backends": 'write it like backends = ["10.0.0.5:8080"]',
    "domain": 'write it like domain = "chat.example.com"',
    "port": "write it like port = 8080",
    "file": 'write it like file = "public/chat.js"',
}
_HINTS = {
    "string_type": "write it in quotes",
    "int_type": "write it without quotes",
    "bool_type": "write true or false, without quotes",
    "string_pattern_mismatch": "names hold letters, digits, dot, dash and underscore",
    "tuple_type": "write it in brackets: [ … ]",
}
_SAID = {
    "string_type": "must be text",
    "int_type": "must be a number",
    "bool_type": "must be true or false",
    "tuple_type": "must be a list",
    "string_pattern_mismatch": "isn't a name",
    "model_type": "must be a table",
    "model_attributes_type": "must be a table",
    "dict_type": "must be a table",
}


def from_pydantic(error: Mapping[str, Any], positions: Positions) -> Problem:
    """One of pydantic's errors as a problem of the manifest."""
    path = as_written(tuple(part for part in error["loc"] if part != "[key]"), positions)
    key = dotted(path)
    kind = error["type"]
    if kind == "missing":
        return Problem(positions.line(path[:-1]), key, f"{key} is missing", _MISSING.get(str(path[-1])))
    if kind == "extra_forbidden":
        return Problem(positions.line(path), key, f"unknown key {key}", _nearest_key(path))
    path += tuple(error.get("ctx", {}).get("key", ()))
    key = dotted(path)
    return Problem(positions.line(path), key, f"{key}: {_words(kind, error)}", _hint(error))


def as_written(path: KeyPath, positions: Positions) -> KeyPath:
    """The key of a backend as the text has it: the model knows only the list ``backends``."""
    one = (*path[:2], "backend")
    is_backend = len(path) > 2 and path[0] == "routes" and path[2] == "backends"
    return one if is_backend and one in positions.keys and path[:3] not in positions.keys else path


def in_our_words(error: ValidationError) -> InvalidInput:
    """The first thing that is wrong with a single value that didn't come from a manifest."""
    first = error.errors(include_url=False)[0]
    return InvalidInput(_words(first["type"], first), hint=_hint(first))


def _hint(error: Mapping[str, Any]) -> str | None:
    """What our own check hints at (`fields.checked`, `fields.misfit`), else what the kind of error does."""
    ctx = error.get("ctx", {})
    cause = ctx.get("error")
    ours = cause.__cause__ if isinstance(cause, ValueError) else None
    return ours.hint if isinstance(ours, InvalidInput) else ctx.get("hint", _HINTS.get(error["type"]))


def _words(kind: str, error: Mapping[str, Any]) -> str:
    if kind == "literal_error":
        return f"must be {error['ctx']['expected']}"
    return _SAID.get(kind) or one_line(str(error["msg"]).removeprefix("Value error, "))


def _nearest_key(path: KeyPath) -> str:
    """What could stand there instead."""
    around, key = path[:-1], str(path[-1])
    (model,) = (model for shape, model in _MODELS if _fits(shape, around))
    keys = list(model.model_fields)
    close = get_close_matches(key.replace("-", "_"), keys, n=1)
    return f"did you mean {close[0]}?" if close else f"there are: {', '.join(keys)}"


def _fits(shape: tuple[str, ...], path: KeyPath) -> bool:
    return len(shape) == len(path) and all(
        want in ("*", part) for want, part in zip(shape, path, strict=True)
    )
