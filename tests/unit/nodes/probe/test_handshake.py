"""One handshake over a scripted stream, and polling with a clock of our own."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from nginxws import __version__
from nginxws.errors import ConnectionFailed
from nginxws.nodes.probe.handshake import (
    Clock,
    ProbeRequest,
    ProbeResult,
    handshake,
    open_websocket,
    probe_until,
)

if TYPE_CHECKING:
    from unit.nodes.probe.conftest import Scripted

HOST = "chat.example.com"
REQUEST = ProbeRequest(path="/ws/?a=b", host=HOST)
OWN_PAGE = (
    "<html>\r\n<head><title>{0}</title></head>\r\n<body>\r\n<center><h1>{0}</h1></center>\r\n"
    "<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
)

Upgrade = Callable[[bytes], bytes]


def answers(status: str, body: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


def own(status: str) -> bytes:
    return answers(status, OWN_PAGE.format(status))


def sent_headers(stream: Scripted) -> dict[str, str]:
    head = stream.sent.partition(b"\r\n\r\n")[0].decode()
    return dict(line.split(": ", 1) for line in head.split("\r\n")[1:])


def test_the_request(scripted: type[Scripted], upgraded: Upgrade) -> None:
    stream = scripted([upgraded])
    result = handshake(stream, REQUEST)
    assert result.ok
    assert stream.sent.startswith(b"GET /ws/?a=b HTTP/1.1\r\nHost: chat.example.com\r\n")
    headers = sent_headers(stream)
    assert headers["Upgrade"] == "websocket"
    assert headers["Connection"] == "Upgrade"
    assert headers["Sec-WebSocket-Version"] == "13"
    assert headers["User-Agent"] == f"nginxws/{__version__}"
    assert "Origin" not in headers
    assert "Sec-WebSocket-Extensions" not in headers


@pytest.mark.parametrize(
    ("host", "sent"),
    [
        ("a.example:80", "a.example"),
        ("a.example:443", "a.example:443"),
        ("a.example:8080", "a.example:8080"),
        ("[::1]:8080", "[::1]:8080"),
        ("[::1]", "[::1]"),
        ("10.0.0.1", "10.0.0.1"),
    ],
)
def test_the_host_header(scripted: type[Scripted], host: str, sent: str) -> None:
    stream = scripted()
    handshake(stream, ProbeRequest(path="/", host=host))
    assert sent_headers(stream)["Host"] == sent


def test_own_headers_win_over_ours(scripted: type[Scripted]) -> None:
    stream = scripted()
    mine = (("origin", "https://b"), ("user-agent", "mine"), ("X-Two", "1"))
    handshake(stream, ProbeRequest(path="/?", host=HOST, origin="https://a", headers=mine))
    headers = sent_headers(stream)
    assert stream.sent.startswith(b"GET /? HTTP/1.1\r\n")
    assert headers["origin"] == "https://b"
    assert headers["user-agent"] == "mine"
    assert "Origin" not in headers
    assert "User-Agent" not in headers


def test_subprotocols(scripted: type[Scripted], upgraded: Upgrade) -> None:
    def chosen(name: bytes) -> Upgrade:
        return lambda sent: upgraded(sent)[:-2] + b"Sec-WebSocket-Protocol: " + name + b"\r\n\r\n"

    offer = ProbeRequest(path="/", host=HOST, headers=(("Sec-WebSocket-Protocol", "mqtt, wamp"),))
    stream = scripted([chosen(b"wamp")])
    result = handshake(stream, offer)
    assert (result.ok, result.subprotocol) == (True, "wamp")
    assert sent_headers(stream)["Sec-WebSocket-Protocol"] == "mqtt, wamp"
    for request in (offer, REQUEST):
        result = handshake(scripted([chosen(b"other")]), request)
        assert (result.ok, result.accept_ok) == (False, True)
        assert "subprotocol" in result.message


def test_an_extension_nobody_asked_for(scripted: type[Scripted], upgraded: Upgrade) -> None:
    def more(sent: bytes) -> bytes:
        return upgraded(sent)[:-2] + b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"

    result = handshake(scripted([more]), REQUEST)
    assert not result.ok
    assert "extension" in result.message


def test_the_websocket_is_closed_politely(scripted: type[Scripted], upgraded: Upgrade) -> None:
    stream = scripted([upgraded])
    handshake(stream, REQUEST)
    frame = stream.sent.partition(b"\r\n\r\n")[2]
    assert frame[:2] == b"\x88\x82"  # FIN + Close, masked, two bytes
    mask, masked = frame[2:6], frame[6:8]
    assert bytes(a ^ b for a, b in zip(masked, mask, strict=False)) == (1000).to_bytes(2, "big")
    assert stream.closed == 1


def test_a_greeting_with_the_101(scripted: type[Scripted], upgraded: Upgrade) -> None:
    stream = scripted([lambda sent: upgraded(sent) + b"\x81\x02hi"])
    _, connection = open_websocket(stream, REQUEST)
    assert connection is not None
    assert connection.receive(1).data == b"hi"


@pytest.mark.parametrize(
    "items",
    [[b""], [b"SSH-2.0"], [TimeoutError()], [ConnectionResetError(104, "reset")], [own("404 Not Found")]],
)
def test_every_failure_closes_the_stream(scripted: type[Scripted], items: list[bytes | Exception]) -> None:
    stream = scripted(items)
    result, connection = open_websocket(stream, REQUEST)
    assert connection is None
    assert not result.ok
    assert result.message
    assert result.hint
    assert stream.closed == 1


def test_proxy_protocol_comes_first(scripted: type[Scripted]) -> None:
    stream = scripted()
    handshake(stream, ProbeRequest(path="/", host="a.example:8080", proxy_protocol=True))
    assert stream.sent.startswith(b"PROXY TCP4 127.0.0.1 127.0.0.1 65535 8080\r\nGET / HTTP/1.1\r\n")


def test_tls_comes_next(scripted: type[Scripted]) -> None:
    stream = scripted([b"HTTP/1.1 400 Bad Request\r\n\r\n"])
    request = ProbeRequest(path="/", host=HOST, proxy_protocol=True, tls=True, verify_tls=False)
    result = handshake(stream, request)
    line, _, hello = stream.sent.partition(b"\r\n")
    assert line.startswith(b"PROXY TCP4 ")
    assert hello.startswith(b"\x16\x03")
    assert HOST.encode() in hello
    assert b"http/1.1" in hello
    assert "doesn't speak TLS" in result.message


def test_http2_without_tls(scripted: type[Scripted]) -> None:
    settings = b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + b"\x00" * 18
    assert "only HTTP/2" in handshake(scripted([settings]), REQUEST).message


def test_a_peer_that_is_gone_is_a_result(scripted: type[Scripted]) -> None:
    failures: list[Exception] = [BrokenPipeError(32, "Broken pipe"), ConnectionFailed("the connection broke")]
    failures[1].__cause__ = ConnectionResetError(104, "Connection reset by peer")
    for error in failures:
        stream = scripted(send_error=error)
        result = handshake(stream, REQUEST)
        assert (result.ok, result.status, result.transient) == (False, None, True)
        assert "broke the connection off" in result.message
        assert stream.closed == 1


def test_a_lost_node_is_raised(scripted: type[Scripted]) -> None:
    for stream in (
        scripted(send_error=ConnectionFailed("the connection was cut", node="lb1")),
        scripted([ConnectionFailed("the connection was cut", node="lb1")]),
    ):
        with pytest.raises(ConnectionFailed, match="lb1"):
            handshake(stream, REQUEST)
        assert stream.closed == 1


def test_a_tls_alert(scripted: type[Scripted]) -> None:
    result = handshake(scripted([ssl.SSLError(1, "[SSL: SOMETHING] odd")]), REQUEST)
    assert "no TLS with the listener" in result.message


@dataclass
class FakeClock(Clock):
    """Time passes only by pauses."""

    seconds: float = 0.0
    pauses: list[float] = field(default_factory=list)

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.seconds += seconds


@dataclass
class Dialler:
    """Opens one scripted stream after the other; the last one again and again."""

    scripted: type[Scripted]
    script: list[bytes | Exception | Upgrade]
    dialled: int = 0

    def __call__(self) -> Scripted:
        item = self.script[min(self.dialled, len(self.script) - 1)]
        self.dialled += 1
        if isinstance(item, Exception) and not isinstance(item, TimeoutError):
            raise item
        return self.scripted([item])


def run(dial: Dialler, deadline_s: float = 5.0) -> tuple[ProbeResult, list[float]]:
    clock = FakeClock()
    return probe_until(dial, REQUEST, deadline_s, clock=clock), clock.pauses


@pytest.mark.parametrize(
    "first",
    [
        ConnectionRefusedError(111, "Connection refused"),
        b"",
        own("404 Not Found"),
        own("502 Bad Gateway"),
        own("503 Service Unavailable"),
        own("504 Gateway Time-out"),
        answers("502 Bad Gateway", "a page of the operator's own"),
        TimeoutError(),
    ],
)
def test_what_may_pass_is_tried_again(
    scripted: type[Scripted], upgraded: Upgrade, first: bytes | Exception
) -> None:
    result, pauses = run(Dialler(scripted, [first, first, upgraded]))
    assert result.ok, result
    assert result.attempts == 3
    assert pauses == [0.02, 0.04]


@pytest.mark.parametrize(
    "first",
    [
        answers("404 Not Found", "no such room"),
        answers("401 Unauthorized"),
        own("401 Unauthorized"),
        own("403 Forbidden"),
        own("301 Moved Permanently"),
        own("500 Internal Server Error"),
        b"HTTP/1.1 502 Bad Gateway\r\nX-Powered-By: gateway\r\n\r\n",
        b"SSH-2.0-x\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    ],
)
def test_what_is_final_is_not_tried_again(scripted: type[Scripted], first: bytes) -> None:
    result, pauses = run(Dialler(scripted, [first, AssertionError("dialled again")]))
    assert (result.ok, result.attempts, pauses) == (False, 1, [])


def test_pauses_grow_and_end_before_the_deadline(scripted: type[Scripted]) -> None:
    result, pauses = run(Dialler(scripted, [own("502 Bad Gateway")]), 1.0)
    assert pauses == [0.02, 0.04, 0.08, 0.16, 0.25, 0.25]
    assert result.attempts == 7
    assert result.status == 502


def test_no_time_at_all_is_one_try(scripted: type[Scripted], upgraded: Upgrade) -> None:
    result, _ = run(Dialler(scripted, [upgraded]), 0.0)
    assert (result.ok, result.attempts) == (True, 1)


def test_a_try_cut_short_does_not_hide_the_answer(scripted: type[Scripted]) -> None:
    result, _ = run(Dialler(scripted, [own("502 Bad Gateway"), TimeoutError()]), 0.05)
    assert (result.status, result.attempts) == (502, 2)


def test_refused_connections_in_the_transports_words(scripted: type[Scripted]) -> None:
    error = ConnectionRefusedError("refused")
    error.__cause__ = ConnectionFailed(
        "the SSH server forbids connections to 127.0.0.1:80", hint="AllowTcpForwarding"
    )
    result, _ = run(Dialler(scripted, [error]), 0.1)
    assert result.message == "the SSH server forbids connections to 127.0.0.1:80"
    assert result.hint == "AllowTcpForwarding"


def test_a_lost_node_ends_the_polling(scripted: type[Scripted]) -> None:
    with pytest.raises(ConnectionFailed):
        run(Dialler(scripted, [own("502 Bad Gateway"), ConnectionFailed("lost")]))
