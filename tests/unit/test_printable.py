"""Nothing that a node says may act on a terminal."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nginxws.printable import clean, excerpt, one_line

anything = st.text(st.characters(), max_size=60)
nasty = st.text("\x00\x07\x08\t\n\x0b\r\x1b[]a0m\x7f\x9b\u061c\u200e\u2028\u202e\u2066\udcff", max_size=40)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 日本 tab\tline\n", "plain é 日本 tab\tline\n"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\rb", "a\\x0db"),
        ("\x9b2J", "\\x9b2J"),
        ("\u202egnp", "\\u202egnp"),
        ("caf\udce9", "caf\\xe9"),
        ("\ud800", "\\ud800"),
    ],
)
def test_spelled_out(text: str, shown: str) -> None:
    assert clean(text) == shown


def test_one_line() -> None:
    assert one_line("a\n\n\tb\r\nc\x1b") == "a b c\\x1b"


@given(anything | nasty)
def test_no_control_character_is_left(text: str) -> None:
    shown = clean(text)
    bad = {char for char in shown if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")}
    assert bad <= {"\t", "\n"}
    assert not {"\u202a", "\u202b", "\u202d", "\u202e", "\u2066", "\u2067", "\u2068"} & set(shown)
    assert clean(shown) == shown
    shown.encode()  # what is no text can't reach the stream's encoder
    assert "\n" not in one_line(text)
    assert "\t" not in one_line(text)


def test_an_excerpt_keeps_words_and_lines() -> None:
    assert excerpt(" a\tb\r\nc\rd\x1b[31m\u202e\x9b \n", 99) == "a\tb\nc\nd\ufffd[31m\ufffd\ufffd"
    assert excerpt("abcdef", 3) == "abc"


@given(anything | nasty)
def test_an_excerpt_is_harmless_and_no_longer(text: str) -> None:
    shown = excerpt(text, 30)
    assert len(shown) <= 30
    assert clean(shown) == shown
    assert excerpt(shown, 30) == shown
