"""The JSON Schema of ``nginxws.toml``, made from the models. Pure."""

from __future__ import annotations

import json
from typing import Any

from nginxws.manifest.model import Manifest

#: The dialect that the schema is written in.
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """The schema, with a description for every key; editors complete and check manifests with it."""
    schema = Manifest.model_json_schema(mode="validation")
    return {
        "$schema": DIALECT,
        "title": "nginxws.toml",
        "description": "NGINX balancers and the WebSocket routes that they are to have.",
        **{key: _tidy(value) for key, value in schema.items() if key not in ("title", "description")},
    }


def text() -> str:
    """The schema as it is shipped and printed."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def _tidy(value: Any) -> Any:
    """Without what TOML can't say (null), and without titles that only repeat a key."""
    if isinstance(value, list):
        return [_tidy(one) for one in value if one != {"type": "null"}]
    if not isinstance(value, dict):
        return value
    found = {key: _tidy(one) for key, one in value.items() if not _noise(key, one)}
    if "patternProperties" in found:
        found["additionalProperties"] = False
    if len(found.get("anyOf", ())) == 1:
        found |= {**found.pop("anyOf")[0], **found}
    return found


def _noise(key: str, value: Any) -> bool:
    """A title that pydantic makes up, or a default that only means "left out"."""
    return (key == "title" and isinstance(value, str)) or (key == "default" and value is not False)
