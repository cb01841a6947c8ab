"""On which lines keys stand."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from nginxws.manifest.positions import KeyPath, Positions

TEXT = '''# first
format = 1   # here
"odd key" = 'x'
a.b = 1
a . "c" = 2

[nodes.lb1]
labels = [
  "x",  # one
  "y]",
]
text = """
[not.a.table]
""" 
[nodes."l b"]
z = { p = 1, q = [ { r = 2 } ] }

[[routes]]
path = "/a/"
[routes.header]
X = "1"
[[routes]]
path = "/b/"
[[routes.more]]
n = 1
[[routes.more]]
n = 2
'''  # noqa: W291 (a blank after a value is part of the case)
LINES: dict[KeyPath, int] = {
    (): 1,
    ("format",): 2,
    ("odd key",): 3,
    ("a", "b"): 4,
    ("a", "c"): 5,
    ("nodes", "lb1"): 7,
    ("nodes", "lb1", "labels"): 8,
    ("nodes", "lb1", "labels", 0): 9,
    ("nodes", "lb1", "labels", 1): 10,
    ("nodes", "lb1", "text"): 12,
    ("nodes", "l b"): 15,
    ("nodes", "l b", "z", "q", 0, "r"): 16,
    ("routes", 0): 18,
    ("routes", 0, "path"): 19,
    ("routes", 0, "header"): 20,
    ("routes", 0, "header", "X"): 21,
    ("routes", 1): 22,
    ("routes", 1, "path"): 23,
    ("routes", 1, "more", 0, "n"): 25,
    ("routes", 1, "more", 1, "n"): 27,
}


@pytest.mark.parametrize(("path", "line"), LINES.items(), ids=str)
def test_lines(path: KeyPath, line: int) -> None:
    assert Positions.of(TEXT).line(path) == line


@pytest.mark.parametrize("text", [TEXT, TEXT.replace("\n", "\r\n")], ids=["LF", "CRLF"])
def test_stretches_hold_what_they_are_named_for(text: str) -> None:
    positions = Positions.of(text)
    own = {path: text[one.start : one.end] for path, one in positions.keys.items()}
    assert own["format",] == "format = 1"
    assert own["nodes", "lb1", "labels"].endswith('"y]",\r\n]' if "\r" in text else '"y]",\n]')
    assert own["routes", 0].startswith("[[routes]]")
    assert own["routes", 0].endswith('X = "1"')
    assert own["routes", 1].endswith("n = 2")


def test_what_has_no_line_of_its_own_has_that_of_what_is_around_it() -> None:
    assert Positions.of(TEXT).line(("routes", 1, "backends")) == 22
    assert Positions.of(TEXT).line(("nowhere", "at", "all")) == 1
    assert Positions.of("").line(("format",)) == 1


NAMES = st.text(st.sampled_from("ab \"'.=#[]{}é-_1"), min_size=1, max_size=4)
LEAVES = st.one_of(
    st.integers(-5, 5), st.booleans(), st.text(st.sampled_from("ab\"'#[]{},=\\\n\t é"), max_size=6)
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


def paths(value: Any, path: KeyPath = ()) -> dict[KeyPath, Any]:
    """Every path of a document that has a value."""
    found = {path: value} if path else {}
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found |= paths(inner, (*path, key))
    return found


@given(st.dictionaries(NAMES, VALUES, max_size=4))
def test_every_key_of_every_document_is_found_where_it_is(data: dict[str, Any]) -> None:
    text = tomlkit.dumps(data)
    positions = Positions.of(text)
    for path, value in paths(tomllib.loads(text)).items():
        assert path in positions.keys, path
        if isinstance(value, (dict, list)) or isinstance(path[-1], int):
            continue
        stretch = positions.keys[path]
        own = tomllib.loads(text[stretch.start : stretch.end])
        assert next(iter(paths(own).values())) == value or value in paths(own).values()
    assert positions.line(()) == 1
    assert len(positions.line_starts) == len(re.findall("\n", text)) + 1
