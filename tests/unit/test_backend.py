"""Backends as users type them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nginxws.backend import Backend
from nginxws.errors import ExitCode, InvalidInput


@pytest.mark.parametrize(
    ("text", "backend", "address"),
    [
        ("10.0.0.5:8080", Backend("10.0.0.5", 8080), "10.0.0.5:8080"),
        ("[::1]:8080", Backend("::1", 8080), "[::1]:8080"),
        ("App.internal:80", Backend("app.internal", 80), "app.internal:80"),
        ("my_app:1", Backend("my_app", 1), "my_app:1"),
        ("http://a", Backend("a", 80), "a:80"),
        ("ws://a", Backend("a", 80), "a:80"),
        ("https://a", Backend("a", 443, tls=True), "a:443"),
        ("WSS://a:8443", Backend("a", 8443, tls=True), "a:8443"),
        ("wss://[::1]", Backend("::1", 443, tls=True), "[::1]:443"),
        ("https://10.0.0.5", Backend("10.0.0.5", 443, tls=True), "10.0.0.5:443"),
        ("unix:/run/app.sock", Backend(unix="/run/app.sock"), "unix:/run/app.sock"),
        ("http://unix:/run/a@1.sock", Backend(unix="/run/a@1.sock"), "unix:/run/a@1.sock"),
        ("https://unix:/run/a", Backend(unix="/run/a", tls=True), "unix:/run/a"),
    ],
)
def test_parse_address(text: str, backend: Backend, address: str) -> None:
    assert Backend.parse(text) == backend
    assert backend.address == address
    assert backend.parameters == ()


@pytest.mark.parametrize(
    ("text", "expected", "words"),
    [
        ("a:1 weight=2", {"weight": 2}, ("weight=2",)),
        ("a:1,backup,weight=2", {"weight": 2, "backup": True}, ("weight=2", "backup")),
        ("a:1 ,  down", {"down": True}, ("down",)),
        (
            "a:1 max_fails=0 fail_timeout=90 max_conns=0",
            {"max_fails": 0, "fail_timeout": 90, "max_conns": 0},
            ("max_fails=0", "max_conns=0", "fail_timeout=90s"),
        ),
    ],
)
def test_parse_parameters(text: str, expected: dict[str, int], words: tuple[str, ...]) -> None:
    backend = Backend.parse(text)
    assert backend == replace(Backend("a", 1), **expected)  # type: ignore[arg-type]  # keys are given as data
    assert backend.parameters == words


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        ",",
        ":",
        "a",
        "a:",
        ":80",
        "10.0.0.5",
        "[::1]",
        "[::1]:",
        "::1:80",
        "http://",
        "http://a:",
        "http://a:0",
        "a:70000",
        "a:0",
        "a:08",
        "ftp://a:1",
        "http://ws://a:1",
        "a:1/",
        "http://a/path",
        "http://user@a:1",
        "http://a:1?x",
        "unix:",
        "unix:run/a",
        "unix:/run/a:",
        "unix:/run/a b",
        "unix:/" + "a" * 107,
        "a:1 weight",
        "a:1 weight=",
        "a:1 weight=0",
        "a:1 weight=x",
        "a:1 weight=1 weight=2",
        "a:1 backup backup",
        "a:1 backup=1",
        "a:1 slow_start=3",
        "a:1 fail_timeout=0",
        "a:1 resolve",
        "a:1 b:2",
        "a:1\tdown",
        "a:1\ndown",
        "a:1;",
        "a:1 {",
        "a:1 }",
        "a:$p",
        "$h:1",
        "a:1 #",
        "é:1",
        "a:1\0",
        '"a":1',
        "a\\:1",
        "unix:/a;b",
        "unix:/a$b",
        "a%0a:1",
    ],
)
def test_parse_refuses(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Backend.parse(text)
    assert caught.value.code is ExitCode.USAGE
    assert caught.value.hint
    assert str(caught.value).replace("…", "").isascii()
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("::1:80", "brackets"),
        ("fd00::5", "brackets"),
        ("10.0.0.5", "port is missing"),
        ("[::1]", "port is missing"),
        ("http://a:", "port is missing"),
        ("http://a/path", "no path"),
        ("tcp://a:1", "unknown scheme"),
        ("a:1 wait=2", "isn't a backend parameter"),
        ("a:1 down down", "given twice"),
    ],
)
def test_refusal_names_the_reason(text: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        Backend.parse(text)


@pytest.mark.parametrize(
    ("text", "name"),
    [("a.b:1", "a.b"), ("a.b.:1", "a.b"), ("10.0.0.1:1", None), ("[::1]:1", None), ("unix:/a", None)],
)
def test_dns_name(text: str, name: str | None) -> None:
    assert Backend.parse(text).dns_name == name


_HOSTS = ["a", "a.b", "10.0.0.1", "[::1]", "unix:", "/", "x", ":", "80", "0", "http://", "wss://"]
_PARAMETERS = [" ", ",", "weight=", "3", "backup", "down", "max_conns=", "fail_timeout=", "s"]
_words = st.sampled_from([*_HOSTS, *_PARAMETERS, ";", "{", "\n", "$"])
_likely = st.builds(
    "{}:{}{}".format, st.sampled_from(["a", "10.0.0.1", "[::1]"]), st.integers(0, 70000), _words
)


@given(st.lists(_words, max_size=8).map("".join) | st.text(max_size=30) | _likely)
def test_what_parses_is_harmless_and_stable(text: str) -> None:
    try:
        backend = Backend.parse(text)
    except InvalidInput:
        return
    words = (backend.address, *backend.parameters)
    assert not set("".join(words)) & set(" \t\r\n;{}$\"'\\#")
    scheme = "https" if backend.tls else "http"
    assert Backend.parse(f"{scheme}://{' '.join(words)}") == backend
