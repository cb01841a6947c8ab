"""The query of Terraform's external data source."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nginxws.cli.tf_query import MAX_SIZE, Query, parse
from nginxws.errors import InvalidInput


def test_all_keys() -> None:
    asked = {"manifest": "a", "inventory": "b", "node": "c", "app": "d", "path": "/e/", "live": "true"}
    assert parse(json.dumps(asked).encode()) == Query("a", "b", "c", "d", "/e/", True)
    assert parse(b"{}") == parse(b'{"live": "false", "node": ""}') == parse(b'{"live": ""}') == Query()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "isn't JSON"),
        (b"{", "isn't JSON"),
        (b"\xff", "isn't JSON"),
        (b"[" * 60_000, "isn't JSON"),
        (b"[]", "isn't an object"),
        (b'"x"', "isn't an object"),
        (b'{"live": true}', "live in the query isn't a text"),
        (b'{"node": ["lb1"]}', "node in the query isn't a text"),
        (b'{"node": null}', "node in the query isn't a text"),
        (b'{"live": "yes"}', "live in the query is 'yes'"),
        (b'{"path": "/a\\n"}', "path in the query holds a control character"),
        (b'{"path": "/a", "path": "/b"}', "has a key twice"),
        (b'{"nodes": "lb1"}', "unknown key 'nodes'"),
        (b'{"zzz": "lb1"}', "unknown key 'zzz'"),
        (b" " * (MAX_SIZE + 1), f"longer than {MAX_SIZE} bytes"),
    ],
)
def test_what_is_no_query(data: bytes, words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse(data)
    assert words in caught.value.message
    assert caught.value.hint


def test_the_nearest_key_is_named() -> None:
    with pytest.raises(InvalidInput) as caught:
        parse(b'{"nodes": ""}')
    assert caught.value.hint == "did you mean node?"


@given(st.dictionaries(st.text(max_size=9), st.text(max_size=9), max_size=3))
def test_any_texts(query: dict[str, str]) -> None:
    try:
        parse(json.dumps(query).encode())
    except InvalidInput as error:
        assert "\n" not in error.message  # noqa: PT017 (either is fine)
