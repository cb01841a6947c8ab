"""Configurations made to exhaust whoever reads them: refused, in little time."""

from __future__ import annotations

import time
from collections.abc import Mapping

import pytest

from nginxws.config import bounds
from nginxws.config.bounds import MAX_DIRECTIVES, MAX_INCLUDE_DEPTH, check_expanded
from nginxws.config.readers import MappingReader
from nginxws.config.tree import ConfigTree, load
from nginxws.errors import ConfigError

SOON = 20.0  # seconds; without its bound each of these takes hours, or all memory


def read(files: Mapping[str, str], main: str = "/0") -> ConfigTree:
    return load(main, MappingReader({path: text.encode() for path, text in files.items()}))


def chain(text: str, count: int) -> dict[str, str]:
    """Each file includes the next; ``@`` in the text is its number."""
    return {f"/{n}": text.replace("@", str(n + 1)) for n in range(count)} | {f"/{count}": "x;"}


CASES = {
    "nothing but semicolons": ({"/0": "a;" * (MAX_DIRECTIVES + 1)}, "hold more than"),
    "nothing but comments": ({"/0": "include /1;", "/1": "#\n" * (MAX_DIRECTIVES + 1)}, "hold more than"),
    "includes that double": (chain("include /@; include /@;", 50), "multiply"),
    "contexts that double": (chain("a { include /@; } b { include /@; }", 50), "more than"),
    "globs of everything": ({f"/{n}": "include /*;" * 50 for n in range(2000)}, "steps|nowhere"),
    "includes of nothing": ({"/0": "".join(f"include /none/{n};" for n in range(20000))}, "nowhere"),
    "a glob of folders for each file": (
        {"/0": "".join(f"include /*/{n};" for n in range(6000))} | {f"/a/x{n}": "x;" for n in range(2000)},
        "steps",
    ),
    "blocks nested through files": (
        chain("a { " * 50 + "include /@;" + " }" * 50, 90),
        "nested more than 200",
    ),
    "a chain read from its end": (
        {"/m": "".join(f"include /{n};" for n in range(300, -1, -90))} | chain("include /@;", 350),
        "nested more than 100",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_too_much_is_refused_soon(name: str) -> None:
    files, words = CASES[name]
    begin = time.monotonic()
    with pytest.raises(ConfigError, match=words) as caught:
        read(files, "/m" if "/m" in files else "/0")
    assert "the configuration is too large" in caught.value.message
    assert time.monotonic() - begin < SOON
    assert caught.value.hint
    assert caught.value.file


def test_files_that_all_include_all_are_walked_once() -> None:
    """Without the cut there are 12! ways through them."""
    everyone = "".join(f"include /{n};" for n in range(12))
    tree = read({f"/{n}": f"x{n};{everyone}" for n in range(12)})
    begin = time.monotonic()
    names = {one.directive.name for one in tree.expand(tree.main_file.document.directives, tree.main_file)}
    assert time.monotonic() - begin < SOON
    assert names == {b"x%d" % n for n in range(12)}
    assert all("never ends" in problem.message for problem in tree.problems)


def test_the_largest_of_real_ones_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    sites = {
        f"/sites/{n}": "server { include /snip/*; location / { include /snip/a; } }" for n in range(3000)
    }
    tree = read({"/0": "http { include /sites/*; }", "/snip/a": "x; y;", "/snip/b": "z;", **sites})
    assert len(tree.files) == 3003
    assert not tree.problems
    monkeypatch.setattr(bounds, "MAX_DIRECTIVES", 3000)
    with pytest.raises(ConfigError, match="hold more than 3000"):
        read({"/0": "x;" * 3001})


def test_a_loop_counts_once() -> None:
    check_expanded("a", {"a": 1, "b": 1}, lambda path: {"a": ["b"], "b": ["a", "b"]}[path])


def test_depth_and_size_at_their_limits() -> None:
    deep = {str(n): [str(n + 1)] for n in range(MAX_INCLUDE_DEPTH)} | {str(MAX_INCLUDE_DEPTH): []}
    check_expanded("0", dict.fromkeys(deep, 1), lambda path: deep[path])
    check_expanded("a", {"a": 0, "b": MAX_DIRECTIVES // 2}, lambda path: {"a": ["b", "b"], "b": []}[path])
    with pytest.raises(ConfigError, match="multiply"):
        check_expanded("a", {"a": 1, "b": MAX_DIRECTIVES // 2}, lambda path: {"a": ["b", "b"], "b": []}[path])
