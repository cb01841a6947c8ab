"""Probing from here: a URL instead of a node, over a plain socket, and what `nginxws probe` tests."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from urllib.parse import quote, urlsplit

from nginxws.errors import InvalidInput
from nginxws.nodes.probe import failure
from nginxws.nodes.probe.handshake import open_websocket
from nginxws.nodes.probe.types import Headers, ProbeRequest, ProbeResult
from nginxws.nodes.probe.websocket import EchoResult, IdleResult, echo, idle
from nginxws.nodes.streams import dial_tcp

_TLS_OF_SCHEME = {"ws": False, "http": False, "wss": True, "https": True}
_FORMS = "write ws://HOST[:PORT]/PATH or wss://HOST[:PORT]/PATH; http and https mean the same"
_VISIBLE = "".join(map(chr, range(0x21, 0x7F)))
_LEAST = 0.1  # seconds that the handshake gets after a slow connect


@dataclass(frozen=True, slots=True)
class UrlTarget:
    """A URL taken apart: where to connect, and what to ask there. ``host`` has no brackets."""

    host: str
    port: int
    tls: bool
    path: str
    host_header: str


@dataclass(frozen=True, slots=True)
class UrlReport:
    """What `probe_session` found; ``echo`` and ``idle`` are None unless asked for and reached."""

    handshake: ProbeResult
    echo: EchoResult | None = None
    idle: IdleResult | None = None

    @property
    def ok(self) -> bool:
        """Everything that was asked for came out well."""
        return (
            self.handshake.ok
            and (self.echo is None or self.echo.ok)
            and (self.idle is None or self.idle.lived)
        )


def parse_url(url: str) -> UrlTarget:
    """Take a ws, wss, http or https URL apart.

    Refused: user information (secrets don't belong on a command line) and fragments (RFC 6455
    section 3). Path and query are percent-encoded where they aren't ASCII. Raises InvalidInput.
    """
    if any(char.isspace() or not char.isprintable() for char in url):
        raise InvalidInput("the URL has white space or control characters in it", hint=_FORMS)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # its text may quote a password
        raise InvalidInput(f"{_redacted(url)!r} is not a URL", hint=_FORMS) from None
    tls = _TLS_OF_SCHEME.get(parts.scheme)
    if tls is None or not url.partition(":")[2].startswith("//"):
        raise InvalidInput(f"{_redacted(url)!r} has no scheme that a probe knows", hint=_FORMS)
    if "@" in parts.netloc:
        raise InvalidInput(
            "the URL holds a user name or a password",
            hint="give it as a header: --header Authorization=@env:VARIABLE",
        )
    if parts.fragment or "#" in url:
        raise InvalidInput(
            "a WebSocket URL has no fragment (RFC 6455 section 3)", hint="leave out '#' and what follows"
        )
    if not parts.hostname or port == 0:
        raise InvalidInput(f"{url!r} names no host and port to connect to", hint=_FORMS)
    host = _ascii_host(parts.hostname)
    shown = f"[{host}]" if ":" in host else host
    path = quote(parts.path or "/", safe=_VISIBLE) + (
        f"?{quote(parts.query, safe=_VISIBLE)}" if parts.query else ""
    )
    default = 443 if tls else 80
    host_header = f"{shown}:{port}" if port not in (None, default) else shown
    return UrlTarget(host, port or default, tls, path, host_header)


def _redacted(url: str) -> str:
    """The URL as far as it can hold no password."""
    return url if "@" not in url else "...@" + url.rpartition("@")[2]


def _ascii_host(host: str) -> str:
    if host.isascii():
        return host
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError as exc:
        raise InvalidInput(
            f"{host!r} is not a host name: {exc}", hint="write its ASCII form, xn--..."
        ) from exc


def url_request(
    target: UrlTarget,
    *,
    expect: int = 101,
    timeout: float = 10.0,
    origin: str | None = None,
    headers: Headers = (),
    verify: bool = True,
    ca_file: str | None = None,
) -> ProbeRequest:
    """The request for a URL; the options are those of `ProbeRequest`. Raises InvalidInput."""
    shown = f"[{target.host}]" if ":" in target.host else target.host
    return ProbeRequest(
        path=target.path,
        host=target.host_header,
        tls=target.tls,
        verify_tls=verify,
        origin=origin,
        headers=headers,
        expect=expect,
        timeout=timeout,
        ca_file=ca_file,
        listener=f"{shown}:{target.port}",
        from_url=True,
    )


def probe_session(
    target: UrlTarget, request: ProbeRequest, *, echo_text: str | None = None, idle_s: float | None = None
) -> UrlReport:
    """Shake hands, then test echo and idleness on the same WebSocket where asked.

    ``request.timeout`` bounds connecting with the handshake, and the wait for an echo.
    """
    started = time.monotonic()
    try:
        stream = dial_tcp(target.host, target.port, request.timeout)
    except OSError as exc:
        return UrlReport(failure.not_connected(exc, request).result(time.monotonic() - started))
    left = max(request.timeout - (time.monotonic() - started), _LEAST)
    result, connection = open_websocket(stream, replace(request, timeout=left))
    if connection is None:
        return UrlReport(result)
    try:
        if not result.ok:
            return UrlReport(result)
        echoed = echo(connection, echo_text, request.timeout) if echo_text is not None else None
        idled = idle(connection, idle_s) if idle_s is not None else None
        return UrlReport(result, echoed, idled)
    finally:
        connection.close()
