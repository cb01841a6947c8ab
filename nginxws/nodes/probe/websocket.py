"""An open WebSocket: messages in and out, what an idle one goes through, and a polite end.

The protocol is `websockets`' sans-I/O implementation; only the bytes move here.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from nginxws.errors import ConnectionFailed
from nginxws.printable import excerpt

if TYPE_CHECKING:
    from websockets.client import ClientProtocol
    from websockets.frames import Frame

    from nginxws.nodes.transport import ByteStream

_RECV = 16 * 1024
_GOODBYE = 0.25  # seconds for the other side to answer our Close frame
_MESSAGES = 16  # of those that an echo test quotes
_QUOTE = 200  # characters of a message that are shown
_EMPTY = 256  # bytes that a message without any still takes
_GRACE = 1.0  # seconds for the echo itself once some other message came
_UNREAD = 4 * 1024 * 1024  # bytes of messages that are kept until somebody asks for them; more are dropped
_PONG = 5.0  # seconds for the Pong that proves an idle socket alive


@dataclass(frozen=True, slots=True)
class Received:
    """One message, or the end: ``closed`` has the close code (RFC 6455 section 7.1.5) and reason.

    1006 means that the connection ended without a Close frame.
    """

    kind: Literal["text", "binary", "closed"]
    data: bytes = b""
    code: int | None = None
    reason: str = ""

    def show(self) -> str:
        """For people: bounded, no control characters."""
        if self.kind == "text":
            return excerpt(self.data.decode("utf-8", "replace"), _QUOTE)
        if self.kind == "binary":
            return f"({len(self.data)} bytes of binary data)"
        reason = f" {excerpt(self.reason, _QUOTE)}" if self.reason else ""
        return f"(closed: {self.code}{reason})"


class WebSocketConnection:
    """A WebSocket after its handshake. One thread uses it; closing it closes the stream."""

    def __init__(self, protocol: ClientProtocol, stream: ByteStream) -> None:
        self._protocol = protocol
        self._stream = stream
        self._parts: list[bytes] = []
        self._kind: Literal["text", "binary"] = "text"
        self._ready: list[Received] = []
        self._unread = 0
        self._pong = b""  # payload of the last Pong
        self._closed = False
        self.pings = 0  # that the server sent; each re-arms NGINX's proxy_read_timeout
        self._take()

    def send_text(self, text: str) -> None:
        """Send one text message. OSError when the connection is gone."""
        if not self._is_open():
            raise ConnectionResetError("the WebSocket is closed")
        self._protocol.send_text(text.encode("utf-8", "replace"))
        self._flush()

    def receive(self, timeout: float) -> Received:
        """The next message or the end; pings are answered meanwhile.

        Raises TimeoutError after ``timeout`` seconds without either. After the end it says so again.
        """
        deadline = time.monotonic() + timeout
        while not self._ready:
            self._pump(deadline)
        if self._ready[0].kind == "closed":
            return self._ready[0]
        message = self._ready.pop(0)
        self._unread -= len(message.data) + _EMPTY
        return message

    def ping(self, timeout: float) -> bool:
        """Whether a Ping is answered by its Pong within ``timeout`` seconds; messages are kept."""
        if not self._is_open():
            return False
        payload = b"nginxws"
        deadline = time.monotonic() + timeout
        try:
            self._protocol.send_ping(payload)
            self._flush()
            while self._is_open():
                if self._pong == payload:
                    return True
                self._pump(deadline)
        except OSError:  # TimeoutError is one
            return False
        return self._pong == payload

    def close(self) -> None:
        """Send a Close frame, wait a moment for its answer, close the stream. Never fails.

        What arrives unread is read first: closing a socket over unread bytes resets it, and the
        application would log a broken connection. A second call does nothing.
        """
        if self._closed:
            return
        self._closed = True
        try:
            with contextlib.suppress(OSError, ConnectionFailed):
                if self._is_open():
                    self._protocol.send_close(1000)
                    self._flush()
                deadline = time.monotonic() + _GOODBYE
                while not (self._ready and self._ready[-1].kind == "closed"):
                    self._pump(deadline)
        finally:
            self._stream.close()

    def _is_open(self) -> bool:
        return self._protocol.state.name == "OPEN"

    def _pump(self, deadline: float) -> None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        try:
            data = self._stream.recv(_RECV, left)
        except TimeoutError:
            raise
        except (OSError, ConnectionFailed):  # a reset is an end like any other: code 1006
            data = b""
        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()
        self._take(eof=not data)
        with contextlib.suppress(OSError, ConnectionFailed):
            self._flush()

    def _take(self, *, eof: bool = False) -> None:
        """Turn the protocol's events into messages, the last of them its end."""
        from websockets.http11 import Request, Response

        for event in self._protocol.events_received():
            if not isinstance(event, Response | Request):
                self._take_frame(event)
        ended = self._protocol.close_rcvd
        if self._ready and self._ready[-1].kind == "closed":
            return
        if eof or ended is not None or self._protocol.parser_exc is not None:
            code, reason = (ended.code, ended.reason) if ended else (1006, self._why())
            self._ready.append(Received("closed", b"", code, reason))

    def _why(self) -> str:
        broken = self._protocol.parser_exc
        return "" if broken is None or isinstance(broken, EOFError) else f"bad frame: {broken}"

    def _take_frame(self, frame: Frame) -> None:
        opcode = frame.opcode.name
        if opcode == "PING":
            self.pings += 1
        elif opcode == "PONG":
            self._pong = bytes(frame.data)
        elif opcode in ("TEXT", "BINARY", "CONT"):
            if opcode != "CONT":
                self._kind = "text" if opcode == "TEXT" else "binary"
            if frame.data:
                self._parts.append(bytes(frame.data))
            if frame.fin:
                self._keep(Received(self._kind, b"".join(self._parts)))
                self._parts = []

    def _keep(self, message: Received) -> None:
        """A server that talks on while nobody reads must not fill our memory."""
        size = len(message.data) + _EMPTY
        if self._unread + size <= _UNREAD:
            self._unread += size
            self._ready.append(message)

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:  # b"" asks for a half-close, which TLS has no use for; close() follows anyway
                self._stream.send(data)


@dataclass(frozen=True, slots=True)
class EchoResult:
    """``ok``: some message came back; ``same``: the very text did. ``elapsed`` is seconds until it came."""

    ok: bool
    same: bool
    received: tuple[str, ...]
    elapsed: float
    message: str


def echo(connection: WebSocketConnection, text: str, timeout: float) -> EchoResult:
    """Send ``text`` and wait up to ``timeout`` seconds for any message back.

    A greeting may come before the echo: after the first message the very text has a second more.
    """
    started = time.monotonic()
    deadline = started + timeout
    received: list[str] = []
    same = False
    elapsed = 0.0
    end = f"no message came back in {timeout:g} s"
    try:
        connection.send_text(text)
        while not same and len(received) < _MESSAGES:
            got = connection.receive(max(deadline - time.monotonic(), 0.0))
            if got.kind == "closed":
                end = f"the WebSocket was closed before a message came back {got.show()}"
                break
            elapsed = time.monotonic() - started
            deadline = min(deadline, time.monotonic() + _GRACE)
            same = got.kind == "text" and got.data == text.encode("utf-8", "replace")
            received.append(got.show())
    except TimeoutError:
        pass
    except OSError as exc:
        end = f"the message could not be sent: {exc.strerror or exc}"
    if received:
        what = "the message came back" if same else f"{received[0]!r} came back"
        end = f"{what} in {elapsed * 1000:.0f} ms"
    return EchoResult(bool(received), same, tuple(received), elapsed, end)


@dataclass(frozen=True, slots=True)
class IdleResult:
    """``lived``: open after ``seconds`` without a byte from us, proved by a Ping at the end.

    ``seconds`` is how long it was open; ``pings`` and ``messages`` count what the server sent.
    """

    lived: bool
    seconds: float
    pings: int
    messages: int
    message: str
    hint: str | None = None


def idle(connection: WebSocketConnection, seconds: float) -> IdleResult:
    """Keep the socket open for ``seconds`` and send nothing but the Pongs that the server's pings ask for."""
    started = time.monotonic()
    pings = connection.pings
    messages = 0
    closed: Received | None = None
    while closed is None and (left := started + seconds - time.monotonic()) > 0:
        try:
            got = connection.receive(left)
        except TimeoutError:
            break
        if got.kind == "closed":
            closed = got
        else:
            messages += 1
    lasted = time.monotonic() - started
    pings = connection.pings - pings
    if closed is not None:
        message = f"closed after {lasted:.1f} s without traffic from here {closed.show()}"
        hint = "raise --read-timeout on the route, or let the application send pings more often than that"
        return IdleResult(False, lasted, pings, messages, message, hint)
    if not connection.ping(_PONG):
        message = f"nothing closed it in {lasted:.1f} s, yet a ping is not answered any more"
        hint = "something on the way drops idle connections silently: let the application send pings"
        return IdleResult(False, lasted, pings, messages, message, hint)
    helped = f"; the server sent {pings} ping(s) and {messages} message(s)" if pings or messages else ""
    return IdleResult(
        True, lasted, pings, messages, f"open after {lasted:.1f} s without traffic from here{helped}"
    )
