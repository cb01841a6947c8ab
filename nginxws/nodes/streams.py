"""Byte streams: a plain socket, and TLS over any other stream.

Both are a `ByteStream` of ``transport.py``, with one promise more: trouble with the
peer is a builtin OSError (ConnectionResetError, ssl.SSLError, ...), so that it can't
be mistaken for a lost connection to the node, which is ConnectionFailed.
"""

from __future__ import annotations

import contextlib
import socket
import time
from typing import TYPE_CHECKING

from nginxws.errors import InvalidInput

if TYPE_CHECKING:
    import ssl

    from nginxws.nodes.transport import ByteStream

_RECORD = 16 * 1024 + 512  # bytes; a TLS record with its overhead (RFC 8446 section 5.2)


class SocketStream:
    """A connected socket as a ByteStream."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def send(self, data: bytes) -> None:
        """Send all of it, within the timeout last set; OSError when the peer is gone."""
        self._sock.sendall(data)

    def recv(self, size: int, timeout: float) -> bytes:
        """Up to ``size`` bytes, b"" at the end; TimeoutError after ``timeout`` seconds, else OSError."""
        self._sock.settimeout(max(timeout, 0.001))  # 0 would mean non-blocking
        return self._sock.recv(size)

    def close(self) -> None:
        """Close; a second call does nothing."""
        self._sock.close()


def dial_tcp(host: str, port: int, timeout: float) -> SocketStream:
    """Connect from here, every address of the name in turn, ``timeout`` seconds each.

    Raises OSError (socket.gaierror, ConnectionRefusedError, TimeoutError, ...).
    """
    sock = socket.create_connection((host, port), timeout)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return SocketStream(sock)


def tls_context(*, verify: bool, ca_file: str | None = None) -> ssl.SSLContext:
    """A client context that offers only HTTP/1.1: a WebSocket handshake has no HTTP/2 form in NGINX.

    ``ca_file`` (PEM) replaces the system's authorities. Raises InvalidInput when it can't be used.
    """
    import ssl

    if not verify:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        try:
            context = ssl.create_default_context(cafile=ca_file)
        except OSError as exc:  # ssl.SSLError is one
            raise InvalidInput(
                f"{ca_file}: can't be used as a file of certificate authorities: {exc.strerror or exc}",
                hint="give a readable file with certificates in PEM form",
            ) from exc
    context.set_alpn_protocols(["http/1.1"])
    return context


class TlsStream:
    """TLS, as a client, over another stream; owns that stream from then on."""

    def __init__(
        self, stream: ByteStream, context: ssl.SSLContext, server_name: str, deadline: float
    ) -> None:
        """Shake hands until ``deadline`` (time.monotonic's clock).

        Raises TimeoutError, ssl.SSLError, and what the stream raises; the stream is left open then.
        """
        import ssl

        self._ssl = ssl
        self._stream = stream
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_name)
        while True:
            try:
                self._tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self._flush()
                self._feed(deadline)
            except ssl.SSLError:
                with contextlib.suppress(OSError):
                    self._flush()  # our alert tells the server's log why
                raise
        self._flush()

    def send(self, data: bytes) -> None:
        """Send all of it; OSError when the peer is gone."""
        if data:
            self._tls.write(data)
            self._flush()

    def recv(self, size: int, timeout: float) -> bytes:
        """Up to ``size`` bytes, b"" at the end, however it came; TimeoutError after ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                return self._tls.read(size)
            except self._ssl.SSLWantReadError:
                self._flush()
                self._feed(deadline)
            except (self._ssl.SSLZeroReturnError, self._ssl.SSLEOFError):
                return b""

    def close(self) -> None:
        """Say goodbye, don't wait for an answer, close the stream; a second call does nothing."""
        with contextlib.suppress(OSError, ValueError):
            self._tls.unwrap()
        try:
            with contextlib.suppress(OSError):
                self._flush()
        finally:
            self._stream.close()

    def _flush(self) -> None:
        if self._outgoing.pending:
            self._stream.send(self._outgoing.read())

    def _feed(self, deadline: float) -> None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        data = self._stream.recv(_RECORD, left)
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()
