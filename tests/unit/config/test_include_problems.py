"""What is wrong with an include, told once for each of them, and how far includes are followed."""

from __future__ import annotations

import pytest

from nginxws.config.tree import MAX_INCLUDE_DEPTH, ConfigTree, MappingReader, load
from nginxws.errors import ConfigError


def tree_of(files: dict[str, str]) -> ConfigTree:
    return load("/n", MappingReader({path: text.encode() for path, text in files.items()}), context=())


def problems(files: dict[str, str]) -> list[str]:
    return [f"{problem}\nhint: {problem.hint}" for problem in tree_of(files).problems]


def test_the_words() -> None:
    assert problems({"/n": "http {\n include gone;\ninclude a b;\ninclude n;\n}"}) == [
        "/n:2: the included file /gone is missing or can't be read\n"
        "hint: create the file, or take this include out",
        "/n:3: include takes one file name\nhint: correct this line: nginx refuses it",
        "/n:4: the include of /n never ends: that file is being read already\nhint: take this include out",
    ]


def test_the_main_file_has_to_be_there() -> None:
    with pytest.raises(ConfigError) as caught:
        load("/gone", MappingReader({}))
    assert str(caught.value) == "/gone: there is no such file"
    assert caught.value.hint == "check the path of the configuration file"


def test_every_name_of_a_pattern_that_loops_is_told() -> None:
    loop = "include d/*;"
    found = [problem.partition(" is ")[0] for problem in problems({"/n": loop, "/d/a": loop, "/d/b": loop})]
    never = "the include of /d/{0} never ends: that file"
    assert found == [
        f"/d/a:1: {never.format('a')}",
        f"/d/b:1: {never.format('a')}",
        f"/d/b:1: {never.format('b')}",
    ]


def test_every_name_that_is_missing_is_told() -> None:
    class Reader(MappingReader):
        """Finds names that can't be read, as a folder without permission does."""

        def glob(self, pattern: str) -> list[str]:
            return ["/d/a", "/d/b"]

    tree = load("/n", Reader({"/n": b"include d/*; include d/*;"}), context=())
    assert [problem.message.split()[3] for problem in tree.problems] == ["/d/a", "/d/b"] * 2


def test_a_loop_through_a_block_is_not_followed() -> None:
    tree = tree_of({"/n": "http { include a; }", "/a": "server { include a; }"})
    assert [problem.where for problem in tree.problems] == ["/a:1"]
    assert tree.files["/a"].contexts == {("http",)}


def a_hundred_deep(last: str) -> dict[str, str]:
    """A main file and 99 more, each inside the one before."""
    chain = {f"/{number}": f"include {number + 1};" for number in range(1, MAX_INCLUDE_DEPTH - 1)}
    return {"/n": "include 1;", **chain, f"/{MAX_INCLUDE_DEPTH - 1}": last, "/d/a": "", "/d/b": ""}


def test_a_hundred_files_inside_files_are_followed() -> None:
    assert problems(a_hundred_deep("x;")) == []
    assert problems(a_hundred_deep("\ninclude d/a;")) == [
        "/99:2: includes are nested more than 100 deep\nhint: look for files that include each other"
    ]
    assert len(problems(a_hundred_deep("include d/*;"))) == 2


def test_a_pattern_is_asked_for_once() -> None:
    class Reader(MappingReader):
        asked = 0

        def glob(self, pattern: str) -> list[str]:
            self.asked += 1
            return super().glob(pattern)

    reader = Reader({"/n": b"http { include x; server { include x; } }", "/x": b"include d/*;", "/d/a": b""})
    load("/n", reader)
    assert reader.asked == 1


def test_a_file_that_is_missing_brings_in_nothing() -> None:
    tree = tree_of({"/n": "include gone; include a; c;", "/a": "b;"})
    names = [one.directive.name for one in tree.expand(tree.main_file.document.directives, tree.main_file)]
    assert names == [b"b", b"c"]


def test_a_block_by_the_name_of_include_brings_in_nothing() -> None:
    tree = tree_of({"/n": "include a { b; } c;", "/a": "d;"})
    assert tree.problems == []
    names = [one.directive.name for one in tree.expand(tree.main_file.document.directives, tree.main_file)]
    assert names == [b"c"]
