"""YAML as it is written, read back by PyYAML: every value is itself again."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from nginxws.environment.export.emitting import Note, Unsafe, emit


class Loader(yaml.SafeLoader):
    """PyYAML's safe loader, which also knows Ansible's tag."""


def _unsafe(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> Unsafe:
    return Unsafe(str(loader.construct_scalar(node)))


Loader.add_constructor("!unsafe", _unsafe)

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
LINES = st.lists(st.text(st.sampled_from("ab :#-'\"{}[]|>!&*%@`\\\t ")), max_size=5).map("\n".join)
PLAIN = st.none() | st.booleans() | st.integers() | TEXT | LINES | (TEXT | LINES).map(Unsafe)
VALUES = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(TEXT, VALUES, min_size=1, max_size=3))
def test_reads_back(value: dict[str, Any]) -> None:
    assert yaml.load(emit(value), Loader) == value


@given(st.lists(VALUES, min_size=1, max_size=3))
def test_a_list_reads_back(value: list[Any]) -> None:
    assert yaml.load(emit(value), Loader) == value


def test_scripts_are_readable() -> None:
    text = emit(
        {"cmd [bl]": "set -eu\n\n  echo\n", "yes": Unsafe("{{ a }}\nb"), "list": [{"a": 1, "b": []}, {}]}
    )
    assert text == (
        "cmd [bl]: |\n  set -eu\n\n    echo\n"
        '"yes": !unsafe |-\n  {{ a }}\n  b\n'
        "list:\n  - a: 1\n    b: []\n  - {}\n"
    )


@given(TEXT)
def test_a_note_is_a_comment(text: str) -> None:
    written = emit({"_": Note(text), "a": [Note(text), 1]})
    assert yaml.safe_load(written) == {"a": [1]}


@pytest.mark.parametrize("text", ["", "a\nb", "\u2028\x85\ufeff"])
def test_notes(text: str) -> None:
    assert yaml.safe_load(emit([Note(text), "x"])) == ["x"]
