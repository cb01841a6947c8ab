"""The published JSON Schemas are schemas, and are strict enough to say something."""

from __future__ import annotations

import jsonschema
import pytest
from support.schemas import FOLDER, hold, schema

NAMES = sorted(path.name.removesuffix(".schema.json") for path in FOLDER.glob("*.json"))
NOTHING = dict.fromkeys(("file", "line", "detail", "hint"))
ERROR = {"code": 1, "kind": "NginxwsError", "message": "x", **NOTHING}
FAILURE = {"format_version": "1.0", "changed": False, "failed": True, "rc": 1, "msg": "x", "error": ERROR}


@pytest.mark.parametrize("name", NAMES)
def test_it_is_a_schema(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schema(name))


@pytest.mark.parametrize("name", NAMES)
def test_it_takes_a_failure_and_nothing_odd(name: str) -> None:
    hold(FAILURE, name)
    for odd in (
        {}, FAILURE | {"format_version": "2.0"}, FAILURE | {"more": 1}, FAILURE | {"error": None},
        FAILURE | {"error": ERROR | {"line": 0}}, FAILURE | {"rc": "1"},
    ):  # fmt: skip
        with pytest.raises(jsonschema.ValidationError):
            hold(odd, name)


def test_what_they_share_is_the_same() -> None:
    known = [schema(name)["$defs"] for name in NAMES]
    for what in ("error", "change", "file", "finding", "probe", "workers"):
        first, *others = [definitions[what] for definitions in known if what in definitions]
        assert others
        assert all(other == first for other in others), what
