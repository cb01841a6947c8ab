"""Reading HTTP answers that may be anything."""

from __future__ import annotations

import gzip
import time
import zlib
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nginxws.nodes.probe import answer as probe_answer
from nginxws.nodes.probe.answer import (
    BODY_LIMIT,
    HEAD_LIMIT,
    Answer,
    NotHttp,
    body_text,
    dechunk,
    parse_head,
    read_answer,
    read_body,
    who_answered,
)

if TYPE_CHECKING:
    from unit.nodes.probe.conftest import Scripted

HEAD = b"HTTP/1.1 404 Not Found\r\nServer: nginx\r\nX-A:  one \r\n\r\n"
PAGE = (
    "<html>\r\n<head><title>{status} Text</title></head>\r\n<body>\r\n"
    "<center><h1>{status} Text</h1></center>\r\n<hr><center>{name}</center>\r\n</body>\r\n</html>\r\n"
)


def soon() -> float:
    return time.monotonic() + 5


def answer(status: int = 200, **headers: str) -> Answer:
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Answer(status, "", named, b"", b"")


@given(st.lists(st.integers(1, len(HEAD) - 1), unique=True))
def test_a_head_in_any_pieces(scripted: type[Scripted], cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(HEAD)]
    pieces = [HEAD[a:b] for a, b in pairwise(edges)]
    found = read_answer(scripted([*pieces, b"body"]), soon())
    assert isinstance(found, Answer)
    assert (found.status, found.reason, found.head, found.rest) == (404, "Not Found", HEAD, b"")
    assert found.headers == (("server", "nginx"), ("x-a", "one"))


@given(
    st.lists(st.binary(min_size=1, max_size=40), max_size=8), st.sampled_from([b"", b"HTTP/1.1 ", HEAD[:-2]])
)
def test_anything_is_an_answer_or_not_http(
    scripted: type[Scripted], pieces: list[bytes], first: bytes
) -> None:
    stream = scripted([first, *pieces] if first else pieces)
    found = read_answer(stream, soon())
    if isinstance(found, Answer):
        text = body_text(found, read_body(stream, found, soon()))
        assert len(text) <= BODY_LIMIT
        assert all(char.isprintable() or char in "\n\t" for char in text)
    else:
        assert isinstance(found, NotHttp)


def test_interim_answers_are_skipped_but_101_is_final(scripted: type[Scripted]) -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n"
    found = read_answer(scripted([interim + HEAD]), soon())
    assert isinstance(found, Answer)
    assert found.status == 404
    found = read_answer(scripted([b"HTTP/1.1 101 Switching\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"]), soon())
    assert isinstance(found, Answer)
    assert found.status == 101
    assert found.rest == b"HTTP/1.1 200 OK\r\n\r\n"


@pytest.mark.parametrize("piece", [b"X: " + b"y" * 997 + b"\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"])
def test_the_head_is_bounded(scripted: type[Scripted], piece: bytes) -> None:
    first = b"HTTP/1.1 200 OK\r\n" if piece.startswith(b"X") else b""
    stream = scripted([first + piece * 200] + [piece * 1000] * 20)
    found = read_answer(stream, soon())
    assert isinstance(found, NotHttp)
    assert "64 KiB" in found.reason
    assert stream.received <= HEAD_LIMIT


def test_a_byte_that_is_not_http_ends_the_wait(scripted: type[Scripted]) -> None:
    found = read_answer(scripted([b"HTTP/2 200\r\n", AssertionError("read on")]), soon())
    assert isinstance(found, NotHttp)
    assert found.reason == "is not HTTP"


@pytest.mark.parametrize(
    ("line", "status"),
    [(b"HTTP/1.1 204", 204), (b"HTTP/1.0 200 OK", 200), (b"HTTP/1.1 200 ", 200)],
)
def test_status_lines(line: bytes, status: int) -> None:
    for end in (b"\r\n", b"\n"):
        found = parse_head(line + end + end, b"")
        assert isinstance(found, Answer)
        assert found.status == status


@pytest.mark.parametrize(
    "line", [b"HTTP/1.1 20 OK", b"HTTP/1.1 2000 OK", b"HTTP/1.1 abc", b"HTTP/1.9 200 OK", b"HTTP/1.1 099 x"]
)
def test_bad_status_lines(line: bytes) -> None:
    assert isinstance(parse_head(line + b"\r\n\r\n", b""), NotHttp)


def test_a_deadline_in_the_past(scripted: type[Scripted]) -> None:
    with pytest.raises(TimeoutError):
        read_answer(scripted([HEAD]), time.monotonic() - 1)


def test_a_late_body_is_left(scripted: type[Scripted], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe_answer, "BODY_PATIENCE", 0.0)
    assert read_body(scripted([b"more"]), answer(200), soon()) == b""


def test_a_broken_body_is_what_came(scripted: type[Scripted]) -> None:
    stream = scripted([b"some", ConnectionResetError(), b"more"])
    assert read_body(stream, answer(200), soon()) == b"some"


@pytest.mark.parametrize("status", [204, 304])
def test_no_body(scripted: type[Scripted], status: int) -> None:
    assert read_body(scripted([AssertionError("read")]), answer(status), soon()) == b""


def test_content_length_is_kept(scripted: type[Scripted]) -> None:
    stream = scripted([b"12345678", AssertionError("read on")])
    assert read_body(stream, answer(200, content_length="5"), soon()) == b"12345"


@pytest.mark.parametrize("length", ["-1", "1e9", "\u0665", "9" * 30, "", "4, 4"])
def test_a_content_length_that_is_none(scripted: type[Scripted], length: str) -> None:
    assert read_body(scripted([b"12345"]), answer(200, content_length=length), soon()) == b"12345"


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=10), st.integers(0, 600))
def test_dechunk(chunks: list[bytes], cut: int) -> None:
    raw = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    assert dechunk(raw) == (b"".join(chunks), True)
    body, complete = dechunk(raw[:cut])
    assert b"".join(chunks).startswith(body)
    assert complete == (cut >= len(raw) - 2)


@pytest.mark.parametrize("raw", [b"zz\r\nabc\r\n", b"3\r\nabcd\r\n0\r\n\r\n", b"-1\r\n", b"123456789\r\n"])
def test_dechunk_ends_at_broken_coding(raw: bytes) -> None:
    assert dechunk(raw)[1]


@pytest.mark.parametrize("compressor", [gzip.compress, zlib.compress])
def test_compressed_bodies(compressor: object) -> None:
    assert callable(compressor)
    coding = "gzip" if compressor is gzip.compress else "deflate"
    body = compressor(b"no entry " * 10000)
    text = body_text(answer(403, content_encoding=coding), body)
    assert text.startswith("no entry no entry")
    assert len(text) <= BODY_LIMIT


def test_raw_deflate() -> None:
    squeezed = zlib.compress(b"no entry", wbits=-15)
    assert body_text(answer(403, content_encoding="deflate"), squeezed) == "no entry"


def test_a_lie_about_compression() -> None:
    assert body_text(answer(403, content_encoding="gzip"), b"plain words") == "plain words"


def test_an_unknown_compression_is_named() -> None:
    assert body_text(answer(403, content_encoding="br\x1b"), b"\x8b\x01") == "(2 bytes, br\ufffd)"


def test_binary() -> None:
    assert body_text(answer(), bytes(range(256))) == "(256 bytes of binary data)"
    assert body_text(answer(), "grüße\n".encode()) == "grüße"
    assert body_text(answer(), "grüße".encode()[:3]) == "gr\ufffd"


@pytest.mark.parametrize(
    "name", ["nginx", "nginx/1.22.1", "openresty", "nginx/1.25.3 (Ubuntu)", "Angie/1.5.0"]
)
def test_pages_of_nginx(name: str) -> None:
    assert who_answered(answer(404, server="nginx"), PAGE.format(status=404, name=name)) == "nginx"


@pytest.mark.parametrize(
    ("found", "body", "who"),
    [
        (answer(404), PAGE.format(status=502, name="nginx"), "unknown"),
        (answer(404), "<center>nginx</center>", "unknown"),
        (answer(502), "<p><em>Faithfully yours, nginx.</em></p>", "nginx"),
        (answer(404), "<p><em>Faithfully yours, nginx.</em></p>", "unknown"),
        (answer(426, sec_websocket_version="13"), "", "application"),
        (answer(200, x_powered_by="Express"), "", "application"),
        (answer(403, server="nginx"), "no", "unknown"),
        (answer(403, server="cloudflare"), "no", "unknown"),
        (answer(403, server="Python/3.11 websockets/13.0"), "no", "application"),
        (answer(403), "no", "unknown"),
    ],
)
def test_who_answered(found: Answer, body: str, who: str) -> None:
    assert who_answered(found, body) == who
