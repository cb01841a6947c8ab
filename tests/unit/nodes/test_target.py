"""What may stand after ``--node``."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nginxws.errors import InvalidInput
from nginxws.nodes.transport import Target


@pytest.mark.parametrize(
    ("text", "user", "host", "port"),
    [
        ("lb1", None, "lb1", None),
        ("lb-1.example.com", None, "lb-1.example.com", None),
        ("me@lb1", "me", "lb1", None),
        ("ssh://lb1", None, "lb1", None),
        ("ssh://lb1/", None, "lb1", None),
        ("ssh://lb1:2022", None, "lb1", 2022),
        ("ssh://me@lb1:1", "me", "lb1", 1),
        ("ssh://12345-67@gate.example.com:3022", "12345-67", "gate.example.com", 3022),
        ("ssh://me@domain@lb1", "me@domain", "lb1", None),
        ("ssh://[::1]:65535", None, "::1", 65535),
        ("ssh://me@[fe80::1%eth0]", "me", "fe80::1%eth0", None),
        ("10.0.0.1", None, "10.0.0.1", None),
    ],
)
def test_good(text: str, user: str | None, host: str, port: int | None) -> None:
    assert Target.parse(text) == Target(text, host, user, port)
    assert not Target.parse(text).is_local


def test_local() -> None:
    assert Target.parse("local").is_local
    assert not Target.parse("ssh://local").is_local


BAD = (
    "-oProxyCommand=x a;b $(x) @lb1 me@ -u@lb1 a/b ü lb1:22 me@lb1:22 ssh://[1.2.3.4:5] ssh://[::1%;] ssh:// "
    "ssh://:22 ssh://lb1: ssh://lb1:0 ssh://lb1:65536 ssh://lb1:x ssh://lb1:² ssh://[::1 ssh://[::1]x "
    "ssh://::1 ssh://a/b http://lb1 docker://web ssh://-x@lb1"
)


@pytest.mark.parametrize("text", ["", " ", "a b", "lb1\n", "a\0b", "::1%a b", *BAD.split()])
def test_bad(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Target.parse(text)
    assert caught.value.hint


@given(st.text(max_size=30))
def test_whatever_is_written_nothing_dangerous_comes_out(text: str) -> None:
    with contextlib.suppress(InvalidInput):
        target = Target.parse(text)
        for word in filter(None, (target.host, target.user)):
            assert not word.startswith("-")
            assert not set(word) & set(" \t\r\n\0;|&`'\"<>()*?!#")
