"""The bounds on what is read, at small numbers: the last that is let through, and the words beyond it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from nginxws.config import bounds
from nginxws.config.bounds import Budget, check_expanded
from nginxws.config.readers import MappingReader
from nginxws.config.tree import ConfigTree, load
from nginxws.errors import ConfigError

HINT = "no balancer needs that: look for includes that take in each other, or a folder of other files"


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small enough to be counted by hand."""
    for name in ("MAX_DIRECTIVES", "MAX_STEPS", "MAX_PROBLEMS", "MAX_INCLUDE_DEPTH", "MAX_DEPTH"):
        monkeypatch.setattr(bounds, name, 7)


def refused(work: Callable[[], object]) -> str:
    with pytest.raises(ConfigError) as caught:
        work()
    assert caught.value.hint == HINT
    return str(caught.value).replace("the configuration is too large: ", "")


def tree_of(files: Mapping[str, str]) -> ConfigTree:
    return load("/n", MappingReader({path: text.encode() for path, text in files.items()}))


def test_statements_of_all_files_are_counted_before_they_are_parsed() -> None:
    budget = Budget()
    budget.read(b"a; b { c; } # d", "/n")
    budget.read(b";;;", "/x")
    assert budget.statements == 7
    assert refused(lambda: budget.read(b"}{", "/y")) == "/y: its files hold more than 7 directives"


def test_problems() -> None:
    budget = Budget()
    for line in range(7):
        budget.problem("/n", line)
    assert refused(lambda: budget.problem("/n", 8)) == "/n:8: more than 7 of its includes lead nowhere"


def test_steps() -> None:
    budget = Budget()
    budget.step(3, "/n")
    budget.enter(("http", "server"), "/n", 1)
    budget.step(1, "/n")
    assert budget.steps == 7
    assert refused(lambda: budget.step(1, "/x")) == "/x: following its includes takes more than 7 steps"


def test_the_depth_of_a_context() -> None:
    context = ("a",) * 7
    with pytest.raises(ConfigError, match="takes more than 7 steps"):
        Budget().enter(context, "/n", 2)
    told = refused(lambda: Budget().enter((*context, "b"), "/n", 2))
    assert told == "/n:2: blocks are nested more than 7 deep"


@pytest.mark.parametrize(("size", "fits"), [(1, True), (2, False)])
def test_what_includes_come_to_in_all(size: int, fits: bool) -> None:
    """Two files of two directives and the one that both take in, and the main file's own."""
    inside = {"n": ["a", "b"], "a": ["c"], "b": ["c"], "c": []}
    sizes = {"n": size, "a": 1, "b": 1, "c": 2}
    if fits:
        check_expanded("n", sizes, inside.__getitem__)
    else:
        told = refused(lambda: check_expanded("n", sizes, inside.__getitem__))
        assert told == "n: its includes multiply it to more than 7 directives"


def test_files_inside_files() -> None:
    """The main file and seven more, told for the first that has too many inside."""
    chain = {str(number): [str(number + 1)] for number in range(8)} | {"8": []}
    check_expanded("1", dict.fromkeys(chain, 0), chain.__getitem__)
    told = refused(lambda: check_expanded("0", dict.fromkeys(chain, 0), chain.__getitem__))
    assert told == "0: includes are nested more than 7 deep"
    fork = {**chain, "n": ["8", "1"]}
    assert refused(lambda: check_expanded("n", dict.fromkeys(fork, 0), fork.__getitem__)).startswith("n: ")


def test_a_file_that_takes_in_itself_counts_once() -> None:
    check_expanded("n", {"n": 3, "a": 4}, {"n": ["a", "n"], "a": ["n", "a"]}.__getitem__)
    assert refused(lambda: check_expanded("n", {"n": 4, "a": 4}, {"n": ["a"], "a": ["n"]}.__getitem__))


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"/n": "a;b;c;\nd;e;f;g;h;"}, "/n: its files hold more than 7 directives"),
        ({"/n": "include /x;", "/x": ";;;;;;;"}, "/x: its files hold more than 7 directives"),
        (
            {"/n": "include /x; include /x; include /x;", "/x": "a;b;"},
            "/n: its includes multiply it to more than 7 directives",
        ),
        (
            {"/n": "include /d/*;", **{f"/d/{number}": "" for number in range(4)}},
            "/n: following its includes takes more than 7 steps",
        ),
        (
            {"/n": "a { b { c { include /x; } } }", "/x": "include /y;", "/y": ""},
            "/x: following its includes takes more than 7 steps",
        ),
    ],
)
def test_a_tree(files: dict[str, str], told: str) -> None:
    assert refused(lambda: tree_of(files)) == told


def test_the_line_of_an_include_that_leads_too_deep(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MAX_STEPS", "MAX_DIRECTIVES"):
        monkeypatch.setattr(bounds, name, 100)
    files = {
        "/n": "a { b { c { include /x; } } }",
        "/x": "d { e { f {\ninclude /y; } } }",
        "/y": "g { include /z; }",
    }
    assert len(tree_of({**files, "/z": ""}).files) == 4
    deeper = {**files, "/z": "\nh { include /n; }"}
    assert refused(lambda: tree_of(deeper)) == "/z:2: blocks are nested more than 7 deep"
