"""Include patterns, compared with the C library's glob."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nginxws.config.globbing import glob_regex
from nginxws.config.tree import MappingReader


class GlobResult(ctypes.Structure):
    """``glob_t`` as far as it is read; the rest is room."""

    _fields_ = (
        ("count", ctypes.c_size_t),
        ("paths", ctypes.POINTER(ctypes.c_char_p)),
        ("room", ctypes.c_char * 256),
    )


def libc_glob(pattern: str) -> list[str]:
    """glob(3) with no flags, as nginx calls it."""
    result = GlobResult()
    libc = ctypes.CDLL(None)
    if libc.glob(os.fsencode(pattern), 0, None, ctypes.byref(result)) != 0:
        return []
    found = [os.fsdecode(result.paths[index] or b"") for index in range(result.count)]
    libc.globfree(ctypes.byref(result))
    return found


NAMES = """
a.conf b.conf .hidden.conf B.conf a-b.conf aa.conf ] [ a]b x ~x ab.bak é -.conf 1.conf [a] \\ ^ ! a^ X.conf b
"""
PATTERNS = r"""
*.conf * ?.conf [ab].conf [!a].conf [^a].conf [a-c]* .* ?hidden.conf [.]hidden.conf []] [ a[ a]* [!]]*
\*.conf a\.conf *.* ** a.conf x*y *é* [[] []a]* [] [!] [a-]* *[* [c-a]* [!c-a]* [[:digit:]]* [![:alpha:]]*
[[:alpha:][:digit:]].conf [[:nope:]]* [a-c.]* [-a]* [\]]* [\[] [a\-c]* a[!-.]* [^]a]* \[a\] \\* [?-.]* [--.]*
[xa-c]* [a-a]* [b-ba]* [a-bX]*
"""


@pytest.mark.parametrize("pattern", PATTERNS.split())
def test_globs_are_those_of_the_c_library(pattern: str, tmp_path: Path) -> None:
    for name in NAMES.split():
        (tmp_path / name).touch()
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.conf").touch()
    names = [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()]
    found = MappingReader({f"/d/{name}": b"" for name in names}).glob(f"/d/{pattern}")
    # The C library's own answer: a directory is in it as well, and no file is read from one.
    real = [Path(path).relative_to(tmp_path) for path in libc_glob(f"{tmp_path}/{pattern}")]
    assert found == [f"/d/{path}" for path in real if (tmp_path / path).is_file()]


def test_globs_in_folder_names() -> None:
    reader = MappingReader({"/v/a/x.conf": b"", "/v/.b/x.conf": b"", "/v/c/d/x.conf": b"", "/v/x.conf": b""})
    assert reader.glob("/v/*/x.conf") == ["/v/a/x.conf"]
    assert reader.glob("/v/./*.conf") == ["/v/x.conf"]


def test_globs_sort_by_bytes() -> None:
    reader = MappingReader({"/é": b"", "/z": b"", "/Z": b"", "/\udcff": b"", "/\ue000": b""})
    assert reader.glob("/*") == ["/Z", "/z", "/é", "/\ue000", "/\udcff"]


def test_a_leading_dot_counts_where_a_name_begins() -> None:
    assert glob_regex("*").fullmatch(".a") is None
    assert glob_regex("?a").fullmatch(".a") is None
    assert glob_regex("a*").fullmatch("a.b")
    assert glob_regex("d/*").fullmatch("d/.a") is None
    assert glob_regex("d?*").fullmatch("d..a")


@given(st.text(alphabet="ab*?[]!^-\\/.", max_size=12))
def test_any_pattern_compiles(pattern: str) -> None:
    assert glob_regex(pattern).pattern is not None


def test_many_stars_end_soon() -> None:
    """Each star tried at each place would be some 10^12 tries."""
    assert glob_regex("*a" * 12 + "b").fullmatch("a" * 300) is None
    assert glob_regex("/*/*a*b*.conf").fullmatch("/x/aab.conf")
    assert glob_regex("/*a*/b").fullmatch("/xax/y/b") is None
