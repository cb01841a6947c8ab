"""NAME=VALUE with values from the environment and from files."""

from __future__ import annotations

from pathlib import Path

import pytest

from nginxws.errors import InvalidInput
from nginxws.nodes.probe.headers import parse_probe_header

ENVIRON = {"TOKEN": " Bearer s3cret\n", "EMPTY": "", "TWO": "a\nX-Evil: b"}


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("Origin=https://a.example", ("Origin", "https://a.example")),
        ("X-Query=a=b=c", ("X-Query", "a=b=c")),
        ("X-Empty=", ("X-Empty", "")),
        ("X-At=@@home", ("X-At", "@home")),
        ("Authorization=@env:TOKEN", ("Authorization", "Bearer s3cret")),
        ("X-Empty=@env:EMPTY", ("X-Empty", "")),
        ("Sec-WebSocket-Protocol=mqtt", ("Sec-WebSocket-Protocol", "mqtt")),
    ],
)
def test_forms(text: str, header: tuple[str, str]) -> None:
    assert parse_probe_header(text, environ=ENVIRON) == header


def test_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "cookie"
    secret.write_text("session=abc\n")
    assert parse_probe_header(f"Cookie=@file:{secret}") == ("Cookie", "session=abc")


def test_the_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROBE_TEST_TOKEN", "abc")
    assert parse_probe_header("Cookie=@env:PROBE_TEST_TOKEN") == ("Cookie", "abc")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Origin", "no '='"),
        ("=x", "not a header name"),
        ("Host=x", "the handshake itself sets"),
        ("X=@env:MISSING", "'MISSING', which isn't set"),
        ("X=@env:", "isn't set"),
        ("X=@env:TWO", "can't stand in a request"),
        ("X=@home", "starts with '@'"),
        ("X=@file:/nonexistent/x", "No such file"),
        ("X=@file:", "wants the file"),
        ("X=@file:a\0b", "wants the file"),
        ("X=a\r\nY: b", "can't stand in a request"),
        ("Authorization=Bearer s3cret", "is a secret"),
        ("cookie=s3cret", "is a secret"),
        ("Proxy-Authorization=s3cret", "is a secret"),
    ],
)
def test_refused_without_repeating_the_value(text: str, words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_probe_header(text, environ=ENVIRON)
    assert words in str(caught.value)
    assert caught.value.hint
    assert "s3cret" not in f"{caught.value} {caught.value.hint}"


def test_a_value_without_equals_sign_is_not_repeated() -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_probe_header("Authorization: Bearer s3cret")
    assert "s3cret" not in str(caught.value)


def test_an_endless_file_is_refused() -> None:
    with pytest.raises(InvalidInput, match="longer than"):
        parse_probe_header("X=@file:/dev/zero")
