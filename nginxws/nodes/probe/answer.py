"""Reading an HTTP answer that may be anything: bounded in bytes and time, never trusted.

The head may take 64 KiB, of the body 4 KiB are looked at. Nothing here raises for
what a server sends; what isn't HTTP comes back as NotHttp.
"""

from __future__ import annotations

import re
import time
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nginxws.printable import excerpt

if TYPE_CHECKING:
    from nginxws.nodes.probe.types import AnsweredBy
    from nginxws.nodes.transport import ByteStream

HEAD_LIMIT = 64 * 1024  # bytes, interim (1xx) answers included
BODY_LIMIT = 4 * 1024  # bytes of body looked at, before and after decompression
BODY_PATIENCE = 1.0  # seconds for a body to come once the status is known
_CHUNKED_LIMIT = 4 * BODY_LIMIT  # raw bytes of a chunked body, framing included
_RECV = 16 * 1024

_MAGIC = b"HTTP/1."
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2})(?: ([^\r\n]*))?\r?")
_END = re.compile(rb"\r?\n\r?\n")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?\r?\n")
_SWITCHING_PROTOCOLS = 101

# ngx_http_special_response.c: the tail of every page that NGINX makes itself, and the stock 50x.html.
_OWN_TAIL = re.compile(r"<hr><center>[^<\r\n]{1,100}</center>\s*</body>\s*</html>", re.IGNORECASE)
_STOCK_50X = "Faithfully yours, nginx."
# Headers that NGINX passes on and makes up for nobody; add_header could, but who would.
_APPLICATION_HEADERS = ("sec-websocket-version", "sec-websocket-accept", "x-powered-by")
_PROXIES = (
    *("nginx", "openresty", "tengine", "angie", "cloudflare", "akamai", "awselb", "cloudfront"),
    *("varnish", "envoy", "caddy", "haproxy", "traefik", "google frontend", "microsoft-azure"),
)


@dataclass(frozen=True, slots=True)
class Answer:
    """The head of an HTTP answer, and what came behind it.

    ``headers`` has lower-case names and values without outer space, decoded as
    Latin-1. ``head`` is the exact bytes up to and with the empty line.
    """

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    head: bytes
    rest: bytes

    def get(self, name: str) -> str | None:
        """The first value of a header (lower-case name), or None."""
        return next((value for key, value in self.headers if key == name), None)


@dataclass(frozen=True, slots=True)
class NotHttp:
    """What came isn't an HTTP/1 answer; ``data`` is its beginning, ``eof`` that the peer closed."""

    reason: str
    data: bytes
    eof: bool = False


def read_answer(stream: ByteStream, deadline: float) -> Answer | NotHttp:
    """Read one head, interim answers skipped. ``deadline`` is on time.monotonic's clock.

    Raises TimeoutError when the head isn't complete by then, and what the stream raises.
    """
    data = b""
    read = searched = 0
    while True:
        if not data.startswith(_MAGIC[: len(data)]):
            return NotHttp("is not HTTP", data)
        end = _END.search(data, max(0, searched - 3))
        if end is not None:
            answer = parse_head(data[: end.end()], data[end.end() :])
            if isinstance(answer, NotHttp) or not _is_interim(answer):
                return answer
            data, searched = answer.rest, 0
            continue
        searched = len(data)
        if read >= HEAD_LIMIT:
            return NotHttp(f"has more than {HEAD_LIMIT // 1024} KiB of header", data)
        more = stream.recv(min(_RECV, HEAD_LIMIT - read), _remaining(deadline))
        if not more:
            return NotHttp("ends in the middle of its header" if data else "is empty", data, eof=True)
        data += more
        read += len(more)


def _is_interim(answer: Answer) -> bool:
    """RFC 9110 section 15.2: any number of 1xx may come first; 101 is final."""
    return 100 <= answer.status < 200 and answer.status != _SWITCHING_PROTOCOLS


def _remaining(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def parse_head(head: bytes, rest: bytes) -> Answer | NotHttp:
    """Status line and headers; lines without a colon are skipped, as browsers do."""
    first, *lines = head.split(b"\n")
    status_line = _STATUS_LINE.fullmatch(first)
    if status_line is None:
        return NotHttp("has no HTTP/1 status line", head)
    headers = []
    for line in lines:
        name, colon, value = line.partition(b":")
        if colon:
            headers.append((name.decode("latin-1").lower(), value.decode("latin-1").strip(" \t\r")))
    reason = excerpt((status_line[2] or b"").decode("latin-1"), BODY_LIMIT)
    return Answer(int(status_line[1]), reason, tuple(headers), head, rest)


def read_body(stream: ByteStream, answer: Answer, deadline: float) -> bytes:
    """The first 4 KiB of the body, transfer coding undone; less when it is late, cut or none.

    Waits no longer than a second: the status is known already.
    """
    if answer.status in (204, 304):
        return b""
    deadline = min(deadline, time.monotonic() + BODY_PATIENCE)
    raw = answer.rest
    while True:
        body, complete = _decode_transfer(answer, raw)
        if complete or len(body) >= BODY_LIMIT or len(raw) >= _CHUNKED_LIMIT:
            return body[:BODY_LIMIT]
        try:
            more = stream.recv(_RECV, _remaining(deadline))
        except OSError:  # TimeoutError is one: what came so far must do
            return body
        if not more:
            return body
        raw += more


def _decode_transfer(answer: Answer, raw: bytes) -> tuple[bytes, bool]:
    """The body in ``raw`` so far, and whether that is all of it."""
    if (answer.get("transfer-encoding") or "").lower().endswith("chunked"):
        return dechunk(raw)
    length = answer.get("content-length")
    if length is not None and length.isascii() and length.isdigit() and len(length) < 19:
        return raw[: int(length)], len(raw) >= int(length)
    return raw, False


def dechunk(raw: bytes) -> tuple[bytes, bool]:
    """Undo chunked coding (RFC 9112 section 7.1) as far as ``raw`` goes.

    The second value is true when nothing more can come: the last chunk was seen,
    or the coding is broken.
    """
    body = bytearray()
    at = 0
    while True:
        size = _CHUNK_SIZE.match(raw, at)
        if size is None:
            return bytes(body), b"\n" in raw[at:]
        count = int(size[1], 16)
        body += raw[size.end() : size.end() + count]
        if count == 0:
            return bytes(body), True
        at = size.end() + count
        if raw.startswith(b"\r\n", at):
            at += 2
        elif len(raw) >= at + 2:
            return bytes(body), True
        else:
            return bytes(body), False


def body_text(answer: Answer, body: bytes) -> str:
    """A body excerpt for people: decompressed, bounded, without control characters."""
    coding = (answer.get("content-encoding") or "identity").lower()
    if coding in ("gzip", "x-gzip", "deflate"):
        body = _inflate(body)
    elif coding != "identity" and body:
        return f"({len(body)} bytes, {excerpt(coding, 40)})"
    text = body.decode("utf-8", "replace")
    # The excerpt may end inside a character: that one isn't the body's fault.
    strange = sum(not (char.isprintable() or char in "\t\r\n") for char in text) + text.count("\ufffd")
    if strange > max(3, len(text) // 10):
        return f"({len(body)} bytes of binary data)"
    return excerpt(text, BODY_LIMIT)


def _inflate(body: bytes) -> bytes:
    """gzip, zlib or raw deflate, at most BODY_LIMIT bytes out; as it came when it is neither."""
    for window in (zlib.MAX_WBITS | 32, -zlib.MAX_WBITS):
        try:
            return zlib.decompressobj(window).decompress(body, BODY_LIMIT)
        except zlib.error:
            continue
    return body


def who_answered(answer: Answer, body: str) -> AnsweredBy:
    """Who made this answer, as far as it can be told.

    NGINX's own pages have a form of their own (another NGINX behind it makes the same). The
    Server header proves nothing when it names NGINX, which overwrites it, or another proxy.
    """
    if f"<title>{answer.status} " in body and _OWN_TAIL.search(body):
        return "nginx"
    if _STOCK_50X in body and answer.status >= 500:
        return "nginx"
    if any(answer.get(name) is not None for name in _APPLICATION_HEADERS):
        return "application"
    server = (answer.get("server") or "").lower()
    if server and not any(proxy in server for proxy in _PROXIES):
        return "application"
    return "unknown"
