"""The JSON Schema of manifests says what the models say."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import BaseModel, ValidationError

from nginxws.manifest.environment import AddressEntry, AppEntry, EnvironmentEntry
from nginxws.manifest.jelastic import JelasticEntry, LayerEntry
from nginxws.manifest.model import Manifest, NodeEntry, RouteEntry, RouteOptions
from nginxws.manifest.schema import json_schema, text

VALIDATOR = Draft202012Validator(json_schema())
VALUES = st.recursive(
    st.sampled_from(
        ["", "/a/", "a:1", "lb1", "X=1", "1h", "90", "h1", "priority", "warn", "plain", 0, 1, 101, True]
    ),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["X", "Y"]), inner, max_size=2)
    ),
    max_leaves=3,
)


def test_what_is_shipped_is_current() -> None:
    shipped = files("nginxws.manifest").joinpath("nginxws.schema.json").read_text("utf-8")
    assert json.loads(shipped) == json_schema(), "run `make docs`"
    assert json.loads(text()) == json_schema()


def test_it_is_a_schema_whose_every_key_is_told() -> None:
    Draft202012Validator.check_schema(json_schema())
    assert "$id" not in text()
    told = [json_schema(), *json_schema()["$defs"].values()]
    keys = {key for schema in told for key in schema["properties"]}
    around = (EnvironmentEntry, AppEntry, AddressEntry, JelasticEntry, LayerEntry)
    models = (Manifest, RouteOptions, RouteEntry, NodeEntry, *around)
    assert keys == {"backend", *(key for model in models for key in model.model_fields)}
    for schema in told:
        assert schema["description"]
        assert all(one["description"] for one in schema["properties"].values())
        assert schema["additionalProperties"] is False


def tables(model: type[BaseModel], *more: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.sampled_from([*model.model_fields, *more, "oops"]), VALUES, max_size=3)


@settings(max_examples=300, deadline=None)
@given(
    st.fixed_dictionaries(
        {"format": st.sampled_from([1, 1, 1, 2, "1"])},
        optional={
            "defaults": tables(RouteOptions),
            "nodes": st.dictionaries(st.sampled_from(["lb1", "l b"]), tables(NodeEntry), max_size=1),
            "routes": st.lists(tables(RouteEntry, "backend"), max_size=1),
            "environment": tables(EnvironmentEntry),
            "apps": st.dictionaries(st.sampled_from(["chat", "l b"]), tables(AppEntry), max_size=1),
        },
    )
)
def test_what_the_models_take_the_schema_takes(document: dict[str, Any]) -> None:
    """Not the other way round: a schema doesn't know how a backend is written."""
    said = {"extra_forbidden", "missing", "literal_error", "bool_type", "string_type", "dict_type"}
    wrong = kinds_of_errors(document)
    if not wrong or wrong & said:
        assert VALIDATOR.is_valid(document) == (not wrong)


def kinds_of_errors(document: dict[str, Any]) -> set[str]:
    try:
        Manifest.model_validate(document)
    except ValidationError as error:
        return {one["type"] for one in error.errors()}
    return set()


@pytest.mark.parametrize(
    ("document", "ok"),
    [
        ({"format": 1}, True),
        ({}, False),
        ({"format": 2}, False),
        ({"format": 1, "nodes": {"lb1": {"labels": ["edge"], "sudo": True}}}, True),
        ({"format": 1, "nodes": {"l b": {}}}, False),
        ({"format": 1, "nodes": {"lb1": {"nginx_conf": "n.conf"}}}, False),
        ({"format": 1, "routes": [{"path": "/a/", "backends": ["a:1"], "read_timeout": "1h30m"}]}, True),
        ({"format": 1, "routes": [{"path": "/a/", "backends": ["a:1"], "header": {"X": "1"}}]}, True),
        ({"format": 1, "routes": [{"path": "/a/", "backends": ["a:1"], "header": ["X"]}]}, False),
        ({"format": 1, "routes": [{"path": "/a/", "backends": []}]}, False),
        ({"format": 1, "routes": [{"path": "/a/", "backend": "a:1"}]}, True),
        ({"format": 1, "routes": [{"path": "/a/"}]}, False),
        ({"format": 1, "routes": [{"path": "/a/", "backend": "a:1", "backends": ["a:1"]}]}, False),
        (
            {"format": 1, "environment": {"domain": "a.b", "jelastic": {"hoster": "h.x", "env_name": "e"}}},
            True,
        ),
        ({"format": 1, "environment": {"tls": True}}, False),
        ({"format": 1, "apps": {"chat": {"port": 1, "websocket": [{"file": "x", "pattern": "(a)"}]}}}, True),
        ({"format": 1, "apps": {"chat": {"port": 0}}}, False),
        ({"format": 1, "defaults": {"read_timeout": ""}}, False),
        ({"format": 1, "defaults": {"read_timeout": 0}}, False),
    ],
)
def test_documents(document: dict[str, Any], ok: bool) -> None:
    assert VALIDATOR.is_valid(document) is ok
