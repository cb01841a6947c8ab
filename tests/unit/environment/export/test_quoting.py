"""Words and here-documents, read back by a real shell."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nginxws.environment.export.quoting import DELIMITER, comment, here, word, words
from nginxws.errors import InvalidInput

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@settings(max_examples=30)
@given(st.lists(TEXT, min_size=1, max_size=10))
def test_words_are_themselves(texts: list[str]) -> None:
    script = f"printf '%s\\0' {words(*texts)}"
    done = subprocess.run(["sh", "-c", script], capture_output=True, check=True)
    assert done.stdout.decode() == "".join(f"{text}\0" for text in texts)


@settings(max_examples=30)
@given(st.text(st.sampled_from("a$`\\'\"{}() \t\n!#;é")))
def test_a_here_document_is_itself(text: str) -> None:
    done = subprocess.run(["sh", "-c", f"cat {here(text)}\n"], capture_output=True, check=True)
    assert done.stdout.decode() == text.rstrip("\n") + "\n"


@pytest.mark.parametrize("text", [f"a\n{DELIMITER}\nb", "a\0", "a\rb", "\x1b[1m"])
def test_what_no_here_document_holds(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        here(text)
    assert caught.value.hint


def test_plain_words_stay_plain() -> None:
    assert (word("/srv/chat"), word(""), word("a b")) == ("/srv/chat", "''", "'a b'")


@given(TEXT)
def test_a_comment_is_one_line(text: str) -> None:
    assert "\n" not in comment(text)
    assert "\r" not in comment(text)
