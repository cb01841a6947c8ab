"""What is said when no answer came."""

from __future__ import annotations

import socket
import ssl

import pytest

from nginxws.errors import ConnectionFailed
from nginxws.nodes.probe.answer import NotHttp
from nginxws.nodes.probe.failure import (
    Failure,
    bad_upgrade,
    broken_off,
    not_connected,
    not_http,
    timed_out,
    tls_failed,
)
from nginxws.nodes.probe.types import ProbeRequest

NODE = ProbeRequest(path="/", host="a.example", listener="127.0.0.1:80 of lb2", timeout=2.5)
URL = ProbeRequest(path="/", host="a.example", listener="a.example:80", from_url=True, timeout=10.0)


def refused_by_transport() -> OSError:
    error = ConnectionRefusedError("x")
    error.__cause__ = ConnectionFailed("the SSH server forbids it\x1b")
    return error


def ssl_error(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, f"[SSL: {reason}] words (_ssl.c:1)")
    error.reason = reason
    return error


@pytest.mark.parametrize("request_", [NODE, URL], ids=["node", "url"])
@pytest.mark.parametrize(
    ("error", "words", "transient"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "nothing listens on", True),
        (socket.gaierror(-2, "Name or service not known"), "can't be resolved: Name or service", False),
        (TimeoutError(), "no connection to", True),
        (OSError(113, "No route to host"), "can't connect to", True),
        (refused_by_transport(), "the SSH server forbids it\ufffd", True),
    ],
)
def test_not_connected(request_: ProbeRequest, error: OSError, words: str, transient: bool) -> None:
    found = not_connected(error, request_)
    assert words in found.message
    assert found.transient is transient
    assert found.hint
    if error.__cause__ is None:
        assert request_.listener in found.message


@pytest.mark.parametrize("request_", [NODE, URL], ids=["node", "url"])
@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("WRONG_VERSION_NUMBER", "doesn't speak TLS"),
        ("TLSV1_UNRECOGNIZED_NAME", "has no server for the name a.example"),
        ("SSLV3_ALERT_HANDSHAKE_FAILURE", "sslv3 alert handshake failure"),
        ("", "words"),
    ],
)
def test_tls(request_: ProbeRequest, reason: str, words: str) -> None:
    found = tls_failed(ssl_error(reason), request_)
    assert words in found.message
    assert not found.transient
    assert found.hint


def test_certificates() -> None:
    error = ssl.SSLCertVerificationError(1, "x")
    error.verify_message = "certificate has expired"
    assert "certificate has expired" in tls_failed(error, URL).message
    assert "--cacert" in tls_failed(error, URL).hint
    assert "--cacert" not in tls_failed(error, NODE).hint


@pytest.mark.parametrize("request_", [NODE, URL], ids=["node", "url"])
@pytest.mark.parametrize(
    ("found", "words", "transient"),
    [
        (NotHttp("is empty", b"", eof=True), "closed the connection without an answer", True),
        (NotHttp("ends in the middle of its header", b"HTTP/1.1 ", eof=True), "ends in the middle", True),
        (NotHttp("is not HTTP", b"\x15\x03\x03\x00\x02"), "speaks TLS", False),
        (NotHttp("is not HTTP", b"\x00\x00\x00\x04" + b"\x00" * 6), "only HTTP/2", False),
        (NotHttp("is not HTTP", b"SSH-2.0-\x1b"), "is not HTTP", False),
    ],
)
def test_not_http(request_: ProbeRequest, found: NotHttp, words: str, transient: bool) -> None:
    failure = not_http(found, request_)
    assert words in failure.message
    assert request_.listener in failure.message
    assert failure.transient is transient
    assert failure.hint
    assert "\x1b" not in failure.detail


def test_times_are_readable() -> None:
    assert "in 2.5 s" in timed_out(NODE).message
    assert "in 10 s" in timed_out(URL).message


def test_broken_off_without_words() -> None:
    assert broken_off(ConnectionResetError(), NODE).message.endswith(
        "before it answered: ConnectionResetError"
    )


def test_bad_upgrade_of_an_unknown_kind() -> None:
    assert "break RFC 6455: odd\ufffd" in bad_upgrade(ValueError("odd\x1b"))[0]


def test_a_failure_as_result() -> None:
    result = Failure("what", "next", transient=True, detail="d").result(1.5)
    assert (result.ok, result.status, result.message, result.hint) == (False, None, "what", "next")
    assert (result.elapsed, result.transient, result.detail) == (1.5, True, "d")
