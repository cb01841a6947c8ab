"""Servers that misbehave, with and without NGINX in front."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from nginxws.nodes.probe.handshake import ProbeRequest, ProbeResult, handshake
from nginxws.nodes.streams import dial_tcp

if TYPE_CHECKING:
    from integration.probe.conftest import Balancer, RawServer

HOST = "chat.example.com"


def direct(raw: RawServer, word: str, **more: object) -> ProbeResult:
    request = ProbeRequest(path=f"/{word}", host=HOST, **more)  # type: ignore[arg-type]  # test shorthand
    return handshake(dial_tcp("127.0.0.1", raw.port, 5), request)


@pytest.mark.parametrize("through_nginx", [False, True])
def test_a_wrong_accept(nginx: Balancer, raw: RawServer, through_nginx: bool) -> None:
    result = nginx.probe("/raw/accept") if through_nginx else direct(raw, "accept")
    assert (result.ok, result.status, result.accept_ok) == (False, 101, False)
    assert "Sec-WebSocket-Accept is wrong: 'bm90" in result.message
    assert result.answered_by == "unknown"


@pytest.mark.parametrize(
    ("word", "words"),
    [
        ("noaccept", "Sec-WebSocket-Accept is missing"),
        ("noupgrade", "header Upgrade is missing"),
        ("noconnection", "header Connection is missing"),
    ],
)
def test_an_incomplete_101(raw: RawServer, word: str, words: str) -> None:
    result = direct(raw, word)
    assert (result.ok, result.status, result.accept_ok) == (False, 101, False)
    assert words in result.message


@pytest.mark.parametrize(
    ("word", "words", "transient"),
    [
        ("garbage", "is not HTTP", False),
        ("ssh", "is not HTTP", False),
        ("tls", "speaks TLS", False),
        ("eof", "without an answer", True),
        ("cut", "ends in the middle", True),
        ("flood", "more than 64 KiB of header", False),
    ],
)
def test_no_http_answer(raw: RawServer, word: str, words: str, transient: bool) -> None:
    result = direct(raw, word)
    assert (result.ok, result.status, result.transient) == (False, None, transient)
    assert words in result.message
    assert "\x1b" not in result.detail


@pytest.mark.parametrize("word", ["hang", "drip"])
def test_a_slow_server_is_given_up(raw: RawServer, word: str) -> None:
    result = direct(raw, word, timeout=0.5)
    assert (result.ok, result.status) == (False, None)
    assert "no answer from the listener in 0.5 s" in result.message
    assert 0.5 <= result.elapsed < 2


@pytest.mark.parametrize(
    ("word", "detail"),
    [("huge", "forbidden! "), ("stall", "begun"), ("gzip", "no entry"), ("chunked", "log in go")],
)
def test_bodies_are_bounded(raw: RawServer, word: str, detail: str) -> None:
    started = time.monotonic()
    result = direct(raw, word)
    assert result.status == 403
    assert detail in result.detail
    assert len(result.detail) <= 4096
    assert time.monotonic() - started < 3


def test_bodies_are_harmless(raw: RawServer) -> None:
    assert direct(raw, "binary").detail == "(2048 bytes of binary data)"
    result = direct(raw, "escape")
    assert result.detail == "\ufffd[2Jgo\ufffdaway"
    assert result.server == "\ufffd]0;evil\ufffdapp"


def test_interim_answers_are_skipped(raw: RawServer) -> None:
    assert direct(raw, "early", expect=401).ok
