"""Unified diffs of known edits: what diff -u would say, and what patch makes of it."""

from __future__ import annotations

import difflib
import subprocess
import time
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nginxws.config.splice import Edit, apply_edits
from nginxws.diff import edits_between, unified


def show(before: bytes, *edits: Edit) -> str:
    return unified(before, edits, "/etc/nginx/x.conf")


def by_difflib(before: bytes, after: bytes) -> list[str]:
    """Python's own diff, for texts of whole lines."""
    old, new = (data.decode("latin-1").splitlines(keepends=True) for data in (before, after))
    return list(difflib.unified_diff(old, new, "a/etc/nginx/x.conf", "b/etc/nginx/x.conf"))


def test_lines_put_in() -> None:
    before = b"a\nb\nc\nd\ne\n"
    assert show(before, Edit(4, 4, b"x\ny\n")) == (
        "--- a/etc/nginx/x.conf\n+++ b/etc/nginx/x.conf\n@@ -1,5 +1,7 @@\n a\n b\n+x\n+y\n c\n d\n e\n"
    )


def test_lines_taken_out() -> None:
    before = b"a\nb\nc\n"
    assert show(before, Edit(2, 4, b"")).endswith("@@ -1,3 +1,2 @@\n a\n-b\n c\n")


def test_an_edit_that_repeats_many_lines() -> None:
    """What is the same inside an edit joins what is the same around it: no hunk without a change."""
    lines = [f"{number}\n".encode() for number in range(30)]
    before, same = b"".join(lines), b"".join(lines[2:20])
    start = len(b"".join(lines[:2]))
    edit = Edit(start, start + len(same), same + b"new\n")
    assert show(before, edit).splitlines(keepends=True) == by_difflib(before, apply_edits(before, [edit]))


def test_edits_that_touch_in_the_middle_of_a_line() -> None:
    shown = show(b"a\n\na\n", Edit(1, 2, b""), Edit(2, 3, b""))
    assert shown.endswith("@@ -1,3 +1 @@\n-a\n-\n-a\n+aa\n")


def test_nothing() -> None:
    assert show(b"a\n") == ""
    assert show(b"a\nb\n", Edit(2, 4, b"b\n")) == ""


def test_in_the_middle_of_a_line() -> None:
    assert show(b"server { }\n", Edit(9, 9, b"\n# x\n")).endswith(
        "@@ -1 +1,3 @@\n-server { }\n+server { \n+# x\n+}\n"
    )


def test_the_unchanged_lines_of_a_change_stay() -> None:
    before = b"a\nb\nc\n"
    assert show(before, Edit(0, 6, b"a\nB\nc\n")).endswith(" a\n-b\n+B\n c\n")


def test_a_file_without_final_newline() -> None:
    assert show(b"a", Edit(1, 1, b"\nb")).endswith(
        "-a\n\\ No newline at end of file\n+a\n+b\n\\ No newline at end of file\n"
    )


def test_an_empty_file() -> None:
    assert show(b"", Edit(0, 0, b"a\n")).endswith("@@ -0,0 +1 @@\n+a\n")
    assert show(b"a\n", Edit(0, 2, b"")).endswith("@@ -1 +0,0 @@\n-a\n")


def test_changes_far_apart_are_hunks_of_their_own() -> None:
    before = b"".join(b"%d\n" % number for number in range(40))
    diff = show(before, Edit(0, 0, b"x\n"), Edit(len(before), len(before), b"y\n"))
    assert diff.count("@@ -") == 2


def test_bytes_that_are_no_text_and_carriage_returns_survive() -> None:
    diff = show(b"caf\xe9\r\n", Edit(6, 6, b"x\r\n")).encode("utf-8", "surrogateescape")
    assert diff.endswith(b" caf\xe9\r\n+x\r\n")


def test_a_large_change_isnt_searched_for_unchanged_lines() -> None:
    before = b"".join(b"%d\n" % number for number in range(500))
    after = b"".join(b"%d;\n" % number for number in range(500))
    diff = show(before, Edit(0, len(before), after))
    assert diff.count("\n-") == diff.count("\n+") - 1 == 500


def test_many_edits_take_time_in_proportion() -> None:
    before = b"same line\n" * 100_000
    edits = [Edit(at, at, b"another\n") for at in range(0, len(before), 100)]
    began = time.process_time()
    diff = show(before, *edits)
    assert diff.count("\n+another") == 10_000
    assert time.process_time() - began < 10  # difflib's own search takes minutes


@pytest.fixture
def numbers() -> count[int]:
    return count()


@st.composite
def edited(draw: st.DrawFn) -> tuple[bytes, list[Edit]]:
    """A text and edits in it, in order; most at line ends, as ours are."""
    lines = draw(st.lists(st.sampled_from([b"a\n", b"b\n", b"\n", b"caf\xe9\r\n", b"} {\n"]), max_size=14))
    before = b"".join(lines) + draw(st.sampled_from([b"", b"last", b"x\r"]))
    cuts = draw(st.lists(st.integers(0, len(before)), max_size=6).map(sorted))
    starts = [0, *(i + 1 for i, byte in enumerate(before) if byte == 10)]
    if draw(st.booleans()):
        cuts = sorted(draw(st.lists(st.sampled_from(starts), max_size=6)))
    texts = st.sampled_from([b"", b"new\n", b"n1\r\nn2\r\n", b"half", b"\n", b"a\n"])
    pairs = zip(cuts[::2], cuts[1::2], strict=False)
    edits = [Edit(start, end, draw(texts)) for start, end in pairs]
    return before, [edit for edit in edits if edit.end > edit.start or edit.text]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=edited())
def test_patch_makes_the_new_text_of_the_old(
    case: tuple[bytes, list[Edit]], tmp_path: Path, numbers: count[int]
) -> None:
    before, edits = case
    after = apply_edits(before, edits)
    diff = unified(before, edits, "x.conf")
    assert (diff == "") == (before == after)
    if not diff:
        return
    target = tmp_path / str(next(numbers)) / "x.conf"
    target.parent.mkdir()
    target.write_bytes(before)
    subprocess.run(
        ["patch", "--binary", "-p1", "--quiet", "--posix", "-d", str(target.parent)],
        input=diff.encode("utf-8", "surrogateescape"),
        check=True,
    )
    assert (target.read_bytes() if target.exists() else b"") == after


@settings(deadline=None)
@given(
    lines=st.lists(st.integers(0, 99).map(b"%d\n".__mod__), max_size=20, unique=True),
    at=st.integers(0, 20),
    new=st.lists(st.sampled_from([b"x\n", b"y\n"]), min_size=1, max_size=4),
)
def test_an_insertion_is_told_as_difflib_tells_it(lines: list[bytes], at: int, new: list[bytes]) -> None:
    position = len(b"".join(lines[:at]))
    edit = Edit(position, position, b"".join(new))
    before = b"".join(lines)
    assert show(before, edit) == "".join(by_difflib(before, apply_edits(before, [edit])))


@pytest.mark.parametrize(
    ("path", "header"),
    [
        ("/etc/x.conf", b"a/etc/x.conf"),
        ("/etc/my site.conf", b"a/etc/my site.conf\t"),
        ("/etc/x ", b'"a/etc/x "'),
        ('/a\tb\n"\\\x7f', b'"a/a\\011b\\012\\042\\134\\177"'),
        ("/caf\udce9é", b"a/caf\xe9\xc3\xa9"),
    ],
)
def test_names_that_patch_would_cut(path: str, header: bytes) -> None:
    text = unified(b"a\n", [Edit(0, 1, b"b")], path).encode("utf-8", "surrogateescape")
    assert text.startswith(
        b"--- " + header + b"\n+++ " + header.replace(b"a/", b"b/", 1) + b"\n@@ -1 +1 @@\n"
    )


lines_of_any_kind = st.lists(
    st.sampled_from([b"a\n", b"b\r\n", b"\n", b"c\rd\n", b"\xe9\n", b"x"]), max_size=12
)


@given(old=lines_of_any_kind, new=lines_of_any_kind)
def test_edits_found_between_two_texts_make_one_of_the_other(old: list[bytes], new: list[bytes]) -> None:
    before, after = b"".join(old), b"".join(new)
    edits = edits_between(before, after)
    assert apply_edits(before, edits) == after
    assert bool(edits) == (before != after)


def test_edits_found_between_two_texts_are_few() -> None:
    before = b"".join(b"%d\n" % n for n in range(1000))
    after = before.replace(b"\n100\n", b"\nhundred\n").replace(b"\n900\n", b"\n900\nmore\n")
    edits = edits_between(before, after)
    assert [edit.text for edit in edits] == [b"hundred\n", b"more\n"]
    assert unified(before, edits, "/x").count("@@") == 4


@pytest.mark.parametrize("line", [b"s%d\n}\n", b"%d\n", b"}\n# %d\n"])
def test_long_texts_take_time_in_proportion(line: bytes) -> None:
    """Also where much recurs, and where all of it moved."""
    before = b"".join(line % n for n in range(30_000))
    for after in (
        b"".join(line % (n + n % 7) for n in range(30_000)),
        b"".join(b"x" + line % n for n in range(30_000)),
        b"".join(line % n for n in range(30_000, 0, -1)),
        b"}\n" * 30_000,
    ):
        started = time.monotonic()
        assert apply_edits(before, edits_between(before, after)) == after
        assert time.monotonic() - started < 10  # difflib alone takes minutes


def test_what_is_alike_is_no_edit_even_where_no_line_is_there_but_once() -> None:
    before = b"a\nb\n" * 1000
    assert edits_between(before, before) == []
    assert edits_between(before, before + b"a\n") == [Edit(4000, 4000, b"a\n")]


def test_lines_that_moved_are_told_once() -> None:
    before = b"".join(b"%d\n" % n for n in range(9))
    after = before.replace(b"1\n2\n", b"").replace(b"6\n", b"6\n1\n2\n")
    assert [(edit.text, edit.end - edit.start) for edit in edits_between(before, after)] == [
        (b"", 4),
        (b"1\n2\n", 0),
    ]
