"""What a probe asks for and what it found: plain data, validated when made."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import IPv6Address
from typing import Literal

from nginxws.errors import InvalidInput

AnsweredBy = Literal["nginx", "application", "unknown"]
Headers = tuple[tuple[str, str], ...]

MAX_PATH = 8192  # bytes; one of NGINX's large_client_header_buffers holds the request line

_PATH = re.compile(r"/[!-\"$-~]*")  # visible ASCII without '#'
_LABEL = r"[A-Za-z0-9_-]{1,63}"  # '_' isn't a host name's, and is in use
_HOST = re.compile(
    rf"(?P<name>\[[0-9A-Fa-f:.]+\]|(?=[^:]{{1,253}}(?::|$)){_LABEL}(?:\.{_LABEL})*\.?)(?::(?P<port>[0-9]{{1,5}}))?"
)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2
_FIELD_VALUE = re.compile(r"(?:[!-~](?:[ \t!-~]*[!-~])?)?")  # RFC 9110 section 5.5, ASCII only

_HANDSHAKE_HEADERS = frozenset({"host", "upgrade", "connection", "transfer-encoding", "content-length"})
_OWN_PREFIX = "sec-websocket-"
SUBPROTOCOL = "sec-websocket-protocol"


@dataclass(frozen=True, slots=True)
class ProbeRequest:
    """One WebSocket handshake to try.

    ``path`` is the request target, query included. ``host`` goes into the Host
    header (``name``, ``name:port``, ``[::1]:port``; the scheme's default port is
    left out). With ``tls`` the stream is wrapped first: ``sni`` is the name asked
    for and checked (default: the host), ``verify_tls`` turns the check off,
    ``ca_file`` replaces the system's authorities. ``proxy_protocol`` sends a PROXY
    protocol line before anything else. ``expect`` is the status that counts as
    success, ``timeout`` bounds one attempt in seconds. ``listener`` is what
    messages call the place that was dialled; ``from_url`` says that the user typed
    a URL, so that hints name the options of ``nginxws probe``.

    Raises InvalidInput for anything that could not stand in an HTTP request.
    """

    path: str
    host: str
    tls: bool = False
    sni: str | None = None
    verify_tls: bool = True
    origin: str | None = None
    headers: Headers = field(default=(), repr=False)  # may hold secrets: never in a log or a traceback
    proxy_protocol: bool = False
    expect: int = 101
    timeout: float = 5.0
    ca_file: str | None = None
    listener: str = "the listener"
    from_url: bool = False

    def __post_init__(self) -> None:
        _check_path(self.path)
        split_host(self.host)
        if self.sni is not None:
            split_host(self.sni)
        if self.origin is not None:
            check_header("Origin", self.origin)
        for name, value in self.headers:
            check_header(name, value)
        if self.expect != 101 and not 200 <= self.expect <= 599:
            raise InvalidInput(
                f"{self.expect} is not a status that ends a handshake",
                hint="expect 101, or a status from 200 to 599 such as 401",
            )

    @property
    def server_name(self) -> str:
        """The name for TLS: ``sni``, else the host; without port and brackets."""
        return split_host(self.sni or self.host)[0]

    @property
    def port(self) -> int:
        """The host's port, or the scheme's default."""
        return split_host(self.host)[1] or (443 if self.tls else 80)

    @property
    def sent_origin(self) -> str | None:
        """The Origin header as it goes out: a header of that name wins over ``origin``."""
        given = [value for name, value in self.headers if name.lower() == "origin"]
        return given[-1] if given else self.origin

    def option(self, name: str) -> str:
        """How the user spells a probe option here: ``--header`` or ``--probe-header``."""
        return f"--{name}" if self.from_url else f"--probe-{name}"


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What one probe found; every text is free of control characters.

    ``status`` is None when no HTTP answer came. ``server`` is the Server header
    (behind NGINX it is NGINX's own, whoever answered). ``accept_ok`` says whether
    Sec-WebSocket-Accept fits our key, None when the answer was no 101. ``elapsed``
    is seconds from the first byte sent to the answer, of the last attempt;
    ``attempts`` counts them. ``detail`` is an excerpt of the body or of what came
    instead of HTTP. ``transient``: trying again may give another answer.
    """

    ok: bool
    status: int | None
    server: str | None
    answered_by: AnsweredBy
    message: str
    hint: str | None
    accept_ok: bool | None = None
    elapsed: float = 0.0
    detail: str = ""
    transient: bool = False
    attempts: int = 1
    subprotocol: str | None = None


def _check_path(path: str) -> None:
    if len(path) > MAX_PATH:
        raise InvalidInput(f"the probe's path is longer than {MAX_PATH} bytes", hint="probe a shorter path")
    if not _PATH.fullmatch(path):
        raise InvalidInput(
            f"{path!r} is not a path to probe",
            hint="start it with '/' and percent-encode spaces, '#' and letters outside ASCII",
        )


def split_host(host: str) -> tuple[str, int | None]:
    """``name[:port]`` or ``[v6][:port]`` into name (no brackets) and port; InvalidInput otherwise."""
    found = _HOST.fullmatch(host)
    port = int(found["port"]) if found and found["port"] else None
    if found is None or port == 0 or (port or 1) > 65535 or not _address_ok(found["name"]):
        raise InvalidInput(
            f"{host!r} is not a host name to send in a request",
            hint="write NAME, NAME:PORT or [IPV6]:PORT, for example chat.example.com",
        )
    return found["name"].strip("[]"), port


def _address_ok(name: str) -> bool:
    if not name.startswith("["):
        return True
    try:
        IPv6Address(name.strip("[]"))
    except ValueError:
        return False
    return True


def check_header(name: str, value: str) -> None:
    """Refuse what isn't a header or would spoil the handshake.

    The value may be a secret, so no message repeats it. Raises InvalidInput.
    """
    if not _TOKEN.fullmatch(name):
        raise InvalidInput(
            f"{name!r} is not a header name",
            hint="use letters, digits and '-', for example Origin",
        )
    lower = name.lower()
    if lower in _HANDSHAKE_HEADERS or (lower.startswith(_OWN_PREFIX) and lower != SUBPROTOCOL):
        hint = "the Host header comes from --host, or from the URL" if lower == "host" else "leave it out"
        raise InvalidInput(f"the handshake itself sets the header {name}", hint=hint)
    if not _FIELD_VALUE.fullmatch(value):
        raise InvalidInput(
            f"the value of the header {name} can't stand in a request",
            hint="use printable ASCII, one line, without spaces at the ends",
        )
