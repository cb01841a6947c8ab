"""What may be asked for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nginxws.errors import InvalidInput
from nginxws.nodes.probe.types import ProbeRequest, check_header, split_host

HOST = "chat.example.com"


@pytest.mark.parametrize(
    ("host", "parts"),
    [
        ("a.example", ("a.example", None)),
        ("a.example:8443", ("a.example", 8443)),
        ("10.0.0.1:80", ("10.0.0.1", 80)),
        ("[::1]", ("::1", None)),
        ("[2001:db8::1]:443", ("2001:db8::1", 443)),
        ("_dev.local", ("_dev.local", None)),
        ("a.example.:80", ("a.example.", 80)),
        ("a" * 63 + ".example", ("a" * 63 + ".example", None)),
    ],
)
def test_hosts(host: str, parts: tuple[str, int | None]) -> None:
    assert split_host(host) == parts


@pytest.mark.parametrize(
    "host",
    [
        "",
        "a b",
        "a\r\nX: y",
        "a:0",
        "a:65536",
        "a:x",
        "::1",
        "[::1",
        "[1.2.3]",
        "*.a.example",
        "a/b",
        "a@b",
        "a" * 64,
        "a." * 127,
        ".a.example",
        "a..b",
        "a\n",
    ],
)
def test_hosts_that_are_none(host: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        split_host(host)
    assert caught.value.hint


@pytest.mark.parametrize("path", ["/", "/ws/", "/ws/?a=b&c=%20", "/a;b={c}|'\"`", "/" + "a" * 8191])
def test_paths(path: str) -> None:
    assert ProbeRequest(path=path, host=HOST).path == path


@pytest.mark.parametrize(
    "path", ["", "ws", "/a b", "/a\r\nX: y", "/a#b", "/ü", "/\x7f", "/\x00", "/" + "a" * 8192]
)
def test_paths_that_are_none(path: str) -> None:
    with pytest.raises(InvalidInput):
        ProbeRequest(path=path, host=HOST)


@given(st.text(max_size=30))
def test_no_path_adds_a_line_or_a_word(path: str) -> None:
    try:
        ProbeRequest(path=path, host=HOST)
    except InvalidInput:
        return
    assert path.isascii()
    assert path.split() == [path]


@pytest.mark.parametrize("expect", [101, 200, 401, 599])
def test_expected_statuses(expect: int) -> None:
    assert ProbeRequest(path="/", host=HOST, expect=expect).expect == expect


@pytest.mark.parametrize("expect", [-1, 0, 100, 102, 199, 600])
def test_statuses_that_never_come(expect: int) -> None:
    with pytest.raises(InvalidInput):
        ProbeRequest(path="/", host=HOST, expect=expect)


@pytest.mark.parametrize(
    "name",
    [
        "Host",
        "UPGRADE",
        "Connection",
        "Sec-WebSocket-Key",
        "sec-websocket-version",
        "Content-Length",
        "Transfer-Encoding",
    ],
)
def test_the_handshakes_own_headers(name: str) -> None:
    with pytest.raises(InvalidInput, match="the handshake itself sets"):
        ProbeRequest(path="/", host=HOST, headers=((name, "x"),))


@pytest.mark.parametrize(
    ("name", "value"), [("", "x"), ("A B", "x"), ("A:", "x"), ("A\r\n", "x"), ("Ä", "x")]
)
def test_header_names_that_are_none(name: str, value: str) -> None:
    with pytest.raises(InvalidInput, match="not a header name"):
        check_header(name, value)


@pytest.mark.parametrize(
    "value", ["s3cret\r\nX: y", "s3cret\n", "s3cret\x00", " s3cret", "s3cret ", "s3crét", "\x1bs3cret"]
)
def test_header_values_that_are_none_and_are_not_repeated(value: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_header("X-Secret", value)
    assert "s3cr" not in f"{caught.value} {caught.value.hint}"


def test_a_tls_name_is_checked() -> None:
    for name in ("", ".a.example", "a b"):
        with pytest.raises(InvalidInput):
            ProbeRequest(path="/", host=HOST, tls=True, sni=name)


def test_header_values() -> None:
    for value in ("", "a", "a b\tc", "Bearer x==", "a=b; c=d"):
        check_header("Cookie", value)
    check_header("Sec-WebSocket-Protocol", "mqtt, graphql-ws")


def test_an_origin_is_checked() -> None:
    with pytest.raises(InvalidInput):
        ProbeRequest(path="/", host=HOST, origin="https://a\r\nX: y")


def test_secrets_are_not_in_the_repr() -> None:
    request = ProbeRequest(path="/", host=HOST, headers=(("Authorization", "Bearer t0ps3cret"),))
    assert "t0ps3cret" not in repr(request)


def test_derived_values() -> None:
    request = ProbeRequest(
        path="/", host="[::1]", tls=True, origin="https://a", headers=(("origin", "https://b"),)
    )
    assert (request.server_name, request.port, request.sent_origin) == ("::1", 443, "https://b")
    request = ProbeRequest(path="/", host="a.example:81", sni="b.example", origin="https://a")
    assert (request.server_name, request.port, request.sent_origin) == ("b.example", 81, "https://a")
