"""Values and their spellings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nginxws.config.document import parse, quote, unquote


@pytest.mark.parametrize(
    ("word", "value"),
    [
        (b"a", b"a"),
        (b'"a b"', b"a b"),
        (b"''", b""),
        (b'"\\""', b'"'),
        (b"'\\''", b"'"),
        (b"\\\"a\\'", b"\"a'"),
        (b"\\\\d", b"\\d"),
        (b"\\d\\.", b"\\d\\."),
        (b"a\\tb\\rc\\nd", b"a\tb\rc\nd"),
        (b"\\\\t", b"\\t"),
        (b'a"b"', b'a"b"'),
    ],
)
def test_unquote(word: bytes, value: bytes) -> None:
    assert unquote(word) == value


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (b"a", b"a"),
        (b"", b'""'),
        (b"a b", b'"a b"'),
        (b'say "hi"', b"'say \"hi\"'"),
        (b"it's", b'"it\'s"'),
        (b"\\.php$", b"\\.php$"),
        (b"^/\\d{4}$", b'"^/\\d{4}$"'),
        (b"a\\", b"a\\\\"),
        (b"a\\tb", b"a\\\\tb"),
        (b"#a", b'"#a"'),
        (b"caf\xe9", b"caf\xe9"),
        (b"a\nb", b'"a\nb"'),
        (b"\"'", b'"\\"\'"'),
    ],
)
def test_quote(value: bytes, word: bytes) -> None:
    assert quote(value) == word


@given(
    st.lists(
        st.sampled_from([b"a", b" ", b'"', b"'", b"\\", b"{", b"}", b"$", b"#", b";", b"t", b"\n", b"\xff"])
    )
)
def test_a_quoted_value_comes_back_as_one_word(parts: list[bytes]) -> None:
    value = b"".join(parts)
    (directive,) = parse(b"x " + quote(value) + b" ;", "n.conf").directives
    assert directive.args == (value,)
