"""A real WebSocket handshake (RFC 6455) over any byte stream, and what came of it.

`handshake` is one try, `probe_until` polls, `open_websocket` leaves the WebSocket open.
The request and the check of a 101 are `websockets`' sans-I/O ClientProtocol; every other
answer is read here, bounded, because only its beginning is of interest. What words failures
need is imported when one comes: a route that works doesn't wait for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from nginxws import __version__
from nginxws.errors import ConnectionFailed
from nginxws.nodes.probe.answer import (
    Answer,
    NotHttp,
    body_text,
    read_answer,
    read_body,
    who_answered,
)
from nginxws.nodes.probe.types import SUBPROTOCOL, AnsweredBy, ProbeRequest, ProbeResult, split_host
from nginxws.printable import excerpt

if TYPE_CHECKING:
    from websockets.client import ClientProtocol

    from nginxws.nodes.probe.websocket import WebSocketConnection
    from nginxws.nodes.transport import ByteStream

__all__ = ["ProbeRequest", "ProbeResult", "handshake", "open_websocket", "probe_until", "warm_up"]

FIRST_PAUSE = 0.02  # seconds between the first attempts
LONGEST_PAUSE = 0.25
_UPGRADED = 101
_MAY_PASS = frozenset({502, 503, 504})


class Clock:
    """Time for `probe_until`: monotonic seconds."""

    def now(self) -> float:
        """Seconds on a clock that only goes forward."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Pause between two attempts."""
        time.sleep(seconds)


def warm_up() -> None:
    """Import what a probe needs, some 60 ms: call it in a thread while the node works."""
    from importlib import import_module

    for module in ("websockets.client", "websockets.uri", "nginxws.nodes.probe.websocket"):
        import_module(module)


def handshake(stream: ByteStream, request: ProbeRequest) -> ProbeResult:
    """Try once and close the stream, with a Close frame when the WebSocket opened.

    What the server does is a result, never an exception: its stream may raise OSError, or
    ConnectionFailed caused by a ConnectionError. Any other ConnectionFailed is raised on: the
    node is lost. Raises InvalidInput for an unusable ``ca_file``.
    """
    result, connection = open_websocket(stream, request)
    if connection is not None:
        connection.close()
    return result


def probe_until(
    dial: Callable[[], ByteStream], request: ProbeRequest, deadline_s: float, *, clock: Clock | None = None
) -> ProbeResult:
    """Try, each time over a new connection, until the answer is final or ``deadline_s`` seconds are over.

    Tried again: connections refused, cut or silent; 502, 503 and 504 unless the application
    gave them; NGINX's own 404, which an old worker may give. ``dial`` raises OSError when
    the listener can't be reached, with the transport's own error as its cause if there is one.
    Raises ConnectionFailed when the node itself is lost.
    """
    clock = clock or Clock()
    deadline = clock.now() + deadline_s
    pause = FIRST_PAUSE
    best: ProbeResult | None = None
    attempts = 0
    while True:
        attempts += 1
        timeout = min(request.timeout, max(deadline - clock.now(), FIRST_PAUSE))
        result = _attempt(dial, replace(request, timeout=timeout))
        if result.status is not None or best is None or timeout == request.timeout:
            best = result  # a try cut short by the deadline tells less than the answer before it
        if not result.transient or clock.now() + pause >= deadline:
            return replace(best, attempts=attempts)
        clock.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)


def _attempt(dial: Callable[[], ByteStream], request: ProbeRequest) -> ProbeResult:
    started = time.monotonic()
    try:
        stream = dial()
    except OSError as exc:
        from nginxws.nodes.probe.failure import not_connected

        return not_connected(exc, request).result(time.monotonic() - started)
    return handshake(stream, request)


def open_websocket(
    stream: ByteStream, request: ProbeRequest
) -> tuple[ProbeResult, WebSocketConnection | None]:
    """Shake hands once. The connection is there when the WebSocket opened, whatever was expected.

    Takes the stream over: it is closed unless a connection comes back. Raises as `handshake`.
    """
    started = time.monotonic()
    connection = None
    try:
        result, connection = _negotiate(stream, request, started + request.timeout)
    except OSError as exc:
        result = _trouble(exc, request)
    except ConnectionFailed as exc:
        if not isinstance(exc.__cause__, ConnectionError):
            raise  # the node is lost, not only this connection to its listener
        result = _trouble(exc.__cause__, request)
    finally:
        if connection is None:
            stream.close()
    return replace(result, elapsed=result.elapsed or time.monotonic() - started), connection


def _trouble(exc: OSError, request: ProbeRequest) -> ProbeResult:
    import ssl

    from nginxws.nodes.probe import failure

    if isinstance(exc, TimeoutError):
        return failure.timed_out(request).result()
    if isinstance(exc, ssl.SSLError):
        return failure.tls_failed(exc, request).result()
    return failure.broken_off(exc, request).result()


def _negotiate(
    stream: ByteStream, request: ProbeRequest, deadline: float
) -> tuple[ProbeResult, WebSocketConnection | None]:
    if request.proxy_protocol:
        stream.send(_proxy_line(request))
    if request.tls:
        stream = _tls(stream, request, deadline)
    protocol, asked = _client(request)
    started = time.monotonic()
    stream.send(asked)
    answer = read_answer(stream, deadline)
    elapsed = time.monotonic() - started
    if isinstance(answer, NotHttp):
        from nginxws.nodes.probe.failure import not_http

        return not_http(answer, request).result(elapsed), None
    if answer.status != _UPGRADED:
        body = body_text(answer, read_body(stream, answer, deadline))
        return replace(_judge(answer, body, request), elapsed=elapsed), None
    result = replace(_judge_upgrade(protocol, answer, request), elapsed=elapsed)
    if protocol.handshake_exc is not None:
        return result, None
    from nginxws.nodes.probe.websocket import WebSocketConnection

    return result, WebSocketConnection(protocol, stream)


def _proxy_line(request: ProbeRequest) -> bytes:
    """PROXY protocol version 1, from loopback: what an `allow 127.0.0.1` lets through."""
    return f"PROXY TCP4 127.0.0.1 127.0.0.1 65535 {request.port}\r\n".encode("ascii")


def _tls(stream: ByteStream, request: ProbeRequest, deadline: float) -> ByteStream:
    from nginxws.nodes.streams import TlsStream, tls_context

    context = tls_context(verify=request.verify_tls, ca_file=request.ca_file)
    return TlsStream(stream, context, request.server_name, deadline)


def _client(request: ProbeRequest) -> tuple[ClientProtocol, bytes]:
    """The protocol with its key, and the request's bytes (RFC 6455 section 4.1)."""
    from websockets.client import ClientProtocol
    from websockets.typing import Subprotocol
    from websockets.uri import WebSocketURI

    path, mark, query = request.path.partition("?")
    # The URI gives the Host header, default port left out, whatever the stream's real peer is.
    uri = WebSocketURI(request.tls, split_host(request.host)[0], request.port, path, query)
    lists = [value.split(",") for name, value in request.headers if name.lower() == SUBPROTOCOL]
    subprotocols = [Subprotocol(part.strip()) for parts in lists for part in parts if part.strip()]
    protocol = ClientProtocol(uri, subprotocols=subprotocols or None)
    asked = protocol.connect()
    asked.path = f"{path}{mark}{query}"
    for name, value in _more_headers(request):
        asked.headers[name] = value
    protocol.send_request(asked)
    return protocol, b"".join(protocol.data_to_send())


def _more_headers(request: ProbeRequest) -> list[tuple[str, str]]:
    """Ours first, unless the user gave the same name, then the user's."""
    users = [(name, value) for name, value in request.headers if name.lower() != SUBPROTOCOL]
    given = {name.lower() for name, _ in users}
    ours = [("User-Agent", f"nginxws/{__version__}")]
    if request.origin is not None:
        ours.append(("Origin", request.origin))
    return [(name, value) for name, value in ours if name.lower() not in given] + users


def _judge(answer: Answer, body: str, request: ProbeRequest) -> ProbeResult:
    """An answer that is no 101: as expected, or what it means."""
    from nginxws.nodes.probe.meaning import meaning, who_text

    who = who_answered(answer, body)
    ok = answer.status == request.expect and who != "nginx"
    if ok:
        message, hint = f"{who_text(who, answer.status)} answered {answer.status}, as expected", None
    else:
        location = answer.get("location") or ""
        message, hint = meaning(answer.status, who, request, body=body, location=location)
        if answer.status == request.expect:
            message += "; that proves nothing about the application"
    return ProbeResult(
        ok=ok,
        status=answer.status,
        server=_server(answer),
        answered_by=who,
        message=message,
        hint=hint,
        detail=body,
        transient=not ok and _may_pass(answer.status, who),
    )


def _may_pass(status: int, who: AnsweredBy) -> bool:
    """A backend may come up, an old worker go away; what the application says is final."""
    return who != "application" and (status in _MAY_PASS or (status == 404 and who == "nginx"))


def _judge_upgrade(protocol: ClientProtocol, answer: Answer, request: ProbeRequest) -> ProbeResult:
    """A 101: RFC 6455 section 4.1 says what the client must find in it."""
    from websockets.utils import accept_key

    accept_ok = answer.get("sec-websocket-accept") == accept_key(protocol.key)
    protocol.receive_data(answer.head + answer.rest)
    who: AnsweredBy = "application" if accept_ok else "unknown"
    hint: str | None
    if protocol.handshake_exc is not None:
        from nginxws.nodes.probe.failure import bad_upgrade

        message, hint = bad_upgrade(protocol.handshake_exc)
    elif request.expect == _UPGRADED:
        message, hint = "the WebSocket opens (101, Sec-WebSocket-Accept verified)", None
    else:
        from nginxws.nodes.probe.meaning import meaning

        message, hint = meaning(_UPGRADED, who, request)
    return ProbeResult(
        ok=protocol.handshake_exc is None and request.expect == _UPGRADED,
        status=_UPGRADED,
        server=_server(answer),
        answered_by=who,
        message=message,
        hint=hint,
        accept_ok=accept_ok,
        subprotocol=protocol.subprotocol,
    )


def _server(answer: Answer) -> str | None:
    server = answer.get("server")
    return None if server is None else excerpt(server, 100)
