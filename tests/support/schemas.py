"""The published JSON Schemas, and documents held to them: also that no field is undocumented."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "reference" / "schemas"


def schema(name: str) -> dict[str, Any]:
    """One of them: ``plan``, ``result``."""
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.schema.json").read_text())
    return found


def hold(document: Any, name: str) -> None:
    """The document is as the schema says, and has no field that the schema doesn't name."""
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    jsonschema.Draft202012Validator(_closed(schema(name)), format_checker=checker).validate(document)


def _closed(part: Any) -> Any:
    if isinstance(part, list):
        return [_closed(one) for one in part]
    if not isinstance(part, dict):
        return part
    closed = {key: _closed(value) for key, value in part.items()}
    if part.get("type") == "object" and isinstance(part.get("properties"), dict):
        closed.setdefault("additionalProperties", False)
    return closed
