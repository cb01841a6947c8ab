"""What it means when no usable answer came: refused, silent, cut, not HTTP, TLS trouble, a broken 101."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nginxws.errors import NginxwsError
from nginxws.nodes.probe.types import ProbeResult
from nginxws.printable import excerpt

if TYPE_CHECKING:
    import ssl

    from nginxws.nodes.probe.answer import NotHttp
    from nginxws.nodes.probe.types import AnsweredBy, ProbeRequest

_QUOTE = 80  # bytes of something that isn't HTTP that are shown
_TLS_RECORDS = (b"\x15\x03", b"\x16\x03")  # alert, handshake (RFC 8446 section 5.1)
_PLAIN_FOR_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG")


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no answer, and whether trying again may help."""

    message: str
    hint: str
    transient: bool
    detail: str = ""
    answered_by: AnsweredBy = "unknown"

    def result(self, elapsed: float = 0.0) -> ProbeResult:
        """As a failed ProbeResult."""
        return ProbeResult(
            ok=False,
            status=None,
            server=None,
            answered_by=self.answered_by,
            message=self.message,
            hint=self.hint,
            elapsed=elapsed,
            detail=self.detail,
            transient=self.transient,
        )


def timed_out(request: ProbeRequest) -> Failure:
    """The stream was open and no complete answer came."""
    return Failure(
        f"no answer from {request.listener} in {_seconds(request.timeout)} s",
        "the backend hangs, or a firewall drops packets: try it from the node; --probe warn keeps the route"
        if not request.from_url
        else "the server hangs, or something on the way swallows the request; try a longer --timeout",
        transient=True,
    )


def not_connected(exc: OSError, request: ProbeRequest) -> Failure:
    """There is no connection to the listener at all."""
    where = request.listener
    if isinstance(exc.__cause__, NginxwsError):  # a transport has words of its own, and better ones
        hint = exc.__cause__.hint or "check `listen` of the server block, and that NGINX runs"
        return Failure(excerpt(exc.__cause__.message, 400), hint, transient=True)
    if isinstance(exc, ConnectionRefusedError):
        hint = "check `listen` of the server block, and that NGINX runs"
        if request.from_url:
            hint = "check host and port, and that the server runs"
        return Failure(f"nothing listens on {where}", hint, transient=True)
    if isinstance(exc, socket.gaierror):
        return Failure(
            f"the name of {where} can't be resolved: {_words(exc)}", "check the name and DNS", transient=False
        )
    if isinstance(exc, TimeoutError):
        return Failure(
            f"no connection to {where} in {_seconds(request.timeout)} s",
            "a firewall may drop the packets: check host, port and its rules",
            transient=True,
        )
    return Failure(f"can't connect to {where}: {_words(exc)}", "check host and port", transient=True)


def broken_off(exc: Exception, request: ProbeRequest) -> Failure:
    """The connection broke before an answer."""
    return Failure(
        f"{request.listener} broke the connection off before it answered: {_words(exc)}",
        "see the error logs of NGINX and of the application",
        transient=True,
    )


def tls_failed(exc: ssl.SSLError, request: ProbeRequest) -> Failure:
    """The TLS handshake failed."""
    name = request.server_name
    reason = str(getattr(exc, "reason", "") or "")
    verify = getattr(exc, "verify_message", None)
    if verify is not None:
        hint = "an authority of your own: --cacert FILE; to probe without this check: --insecure"
        if not request.from_url:
            hint = "probe with the name on the certificate (--server NAME:PORT), or use --probe warn"
        return Failure(
            f"the certificate isn't valid for {name}: {excerpt(str(verify), 200)}", hint, transient=False
        )
    if reason in _PLAIN_FOR_TLS:
        hint = (
            "probe it as ws://"
            if request.from_url
            else "the server block's `listen` has no ssl: check --server NAME:PORT"
        )
        return Failure(f"{request.listener} doesn't speak TLS", hint, transient=False)
    if "UNRECOGNIZED_NAME" in reason:
        return Failure(
            f"{request.listener} has no server for the name {name} (ssl_reject_handshake)",
            "check server_name of the server block, or probe with a name that it has",
            transient=False,
        )
    words = excerpt(reason.lower().replace("_", " "), 200) or _words(exc)
    return Failure(
        f"no TLS with {request.listener} for {name}: {words}",
        "see NGINX's error log; check the certificate and ssl_protocols of the server block",
        transient=False,
    )


def not_http(found: NotHttp, request: ProbeRequest) -> Failure:
    """Something came, or the end, and it is no HTTP/1 answer."""
    data = found.data
    if found.eof and not data:
        hint = "the listener may want the PROXY protocol, or TLS; `return 444` does this as well"
        return Failure(f"{request.listener} closed the connection without an answer", hint, transient=True)
    message, hint = f"the answer of {request.listener} {found.reason}", "is this the port of a web server?"
    if data.startswith(_TLS_RECORDS):
        message = f"{request.listener} speaks TLS, and the probe came without"
        hint = (
            "probe it as wss://"
            if request.from_url
            else "the probe needs this listener's ssl: check --server NAME:PORT"
        )
    elif len(data) > 9 and data[0] == 0 and data[3:9] == b"\x04\x00\x00\x00\x00\x00":
        # A SETTINGS frame on stream 0 (RFC 9113 section 3.4): `listen ... http2` without ssl before 1.25.1.
        message = f"{request.listener} speaks only HTTP/2, which has no WebSocket upgrade in NGINX"
        hint = "take `http2` from this plain-text `listen`, or give the route a listener of its own"
    elif found.eof:
        hint = "see the error logs of NGINX and of the application"
    shown = excerpt(data.decode("latin-1"), _QUOTE)
    return Failure(message, hint, transient=found.eof, detail=shown)


def bad_upgrade(exc: Exception) -> tuple[str, str]:
    """What is wrong with a 101, from `websockets`' exception (RFC 6455 section 4.1, rules 2 to 6)."""
    name = getattr(exc, "name", None)
    value = getattr(exc, "value", None)
    if name in ("Upgrade", "Connection", "Sec-WebSocket-Accept"):
        state = "is missing" if value is None else f"is wrong: {excerpt(str(value), 100)!r}"
        text = f"answered 101, but its header {name} {state}"
    else:
        text = f"answered 101, but its headers break RFC 6455: {excerpt(str(exc), 200)}"
    return (
        f"the server {text}; clients refuse that",
        "what answers isn't a WebSocket server, or a proxy on the way changes its headers",
    )


def _words(exc: Exception) -> str:
    text = getattr(exc, "strerror", None) or str(exc) or type(exc).__name__
    return excerpt(str(text), 200)


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f}".removesuffix(".0")
