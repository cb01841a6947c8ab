"""Whitelists for every piece of user text that can reach NGINX configuration.

Each function takes the text as the user gave it, returns it in NGINX's spelling, or raises
``InvalidInput`` with a message that quotes the input safely and a hint that says what to write.
Nothing here tries to escape: what isn't known to be harmless is refused.
"""

from __future__ import annotations

import re

from nginxws.errors import InvalidInput

MAX_PATH = 1024  # characters; NGINX's own request line buffer ends at 8 KiB
MAX_UNIX_PATH = 107  # bytes; sun_path holds 108 with its final NUL
MAX_VALUE = 4092  # characters; NGINX takes no word of 4096 bytes, quotes included (NGX_CONF_BUFFER)
MAX_SECONDS = 365 * 86400
MAX_COUNT = 1_000_000

_PATH_CHAR = r"A-Za-z0-9._~/!&()*+,=:@-"
_PATH = re.compile(rf"/[{_PATH_CHAR}]*")
_NOT_PATH = re.compile(rf"[^{_PATH_CHAR}]")
_REGEX = re.compile(r"[!$-&(-:<-_a-~]+")  # printable ASCII without space " # ' ; `
_FILE = re.compile(r"/[A-Za-z0-9._/@+-]+")
_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_NUMERIC = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
_IPV6 = re.compile(r"[0-9A-Fa-f:.]{2,45}")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,8}")
_DURATION = re.compile(r"(?:([0-9]{1,8})d)?(?:([0-9]{1,8})h)?(?:([0-9]{1,8})m)?(?:([0-9]{1,8})s?)?")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2
_HEADER_VALUE = re.compile(r"(?:[!-~](?:[ -~]*[!-~])?)?")
_VARIABLE = re.compile(r"\$(?:\{([a-z0-9_]+)\}|([A-Za-z0-9_]+))?")
# Not $uri and $document_uri: decoded, so a %0D%0A in a request would end the header (HTTP splitting).
_VARIABLES = frozenset(
    {
        "args",
        "connection",
        "host",
        "http_host",
        "msec",
        "proxy_add_x_forwarded_for",
        "proxy_host",
        "remote_addr",
        "remote_port",
        "remote_user",
        "request_id",
        "request_uri",
        "scheme",
        "server_addr",
        "server_name",
        "server_port",
        "ssl_client_s_dn",
        "ssl_client_verify",
        "ssl_protocol",
        "time_iso8601",
    }
)
_VARIABLE_FAMILY = re.compile(r"(?:http|cookie|arg)_[a-z0-9_]+")
_UNITS = (("d", 86400), ("h", 3600), ("m", 60))


def shown(text: str) -> str:
    """The text as an error message may quote it: ASCII, no control characters, at most about 80 long."""
    quoted = ascii(text[:80])
    return f"{quoted[:80]}…" if len(text) > 80 or len(quoted) > 80 else quoted


def location_path(text: str) -> str:
    """A literal path. NGINX compares it with the decoded, normalised URI (ngx_http_core_module)."""
    if not text.startswith("/"):
        raise InvalidInput(f"path {shown(text)} doesn't start with '/'", hint="write it like /ws/")
    if len(text) > MAX_PATH:
        raise InvalidInput(
            f"path {shown(text)} is longer than {MAX_PATH} characters", hint="shorten the path"
        )
    if not _PATH.fullmatch(text):
        bad = _NOT_PATH.search(text)
        what = shown(bad[0]) if bad else "a character"
        hint = "a path holds letters, digits and . _ ~ / ! & ( ) * + , = : @ -"
        if "%" in text:
            hint = "NGINX compares the decoded URI: write the character itself, not its %XX form"
        elif "?" in text:
            hint = "a location never sees the query string: leave it out"
        raise InvalidInput(f"path {shown(text)} can't contain {what}", hint=hint)
    if "//" in text or any(part in (".", "..") for part in text.split("/")):
        raise InvalidInput(
            f"path {shown(text)} can never match: NGINX resolves '//', '/./' and '/../' before it looks",
            hint="write the path without them",
        )
    return text


def location_regex(text: str) -> str:
    """A regular expression that both Python and PCRE read, without white space and quotes."""
    if not _REGEX.fullmatch(text) or len(text) > MAX_PATH:
        raise InvalidInput(
            f"regular expression {shown(text)} has to be 1 to {MAX_PATH} printable ASCII characters"
            " without spaces, quotes, backticks, ';' and '#'",
            hint=r"write a space as \s, other characters as \xHH",
        )
    if _compile(text).groupindex:
        raise InvalidInput(
            f"regular expression {shown(text)} has a named group, which would set an NGINX variable",
            hint="use (?:…) instead of (?P<name>…)",
        )
    return text


def _compile(text: str) -> re.Pattern[str]:
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # style advice for Python programs
            return re.compile(text)
    except (re.error, RecursionError, OverflowError) as exc:
        raise InvalidInput(
            f"{shown(text)} isn't a regular expression: {exc}", hint=r"try one like ^/api/v[0-9]+/ws$"
        ) from exc


def node_file(text: str, what: str) -> str:
    """An absolute file path on the node; ``what`` names the option in errors."""
    if not _FILE.fullmatch(text) or len(text) > MAX_PATH:
        raise InvalidInput(
            f"{what} {shown(text)} isn't an absolute path of letters, digits and . _ / @ + -",
            hint="write it like /etc/ssl/certs/ca.pem",
        )
    return text


def dns_name(text: str, what: str, *, underscore: bool = False) -> str:
    """A DNS name (RFC 1123, section 2.1) in lower case.

    ``underscore`` lets ``_`` through: container networks name hosts so. Names that end in a number
    are refused: resolvers take some of them for IPv4 addresses.
    """
    name = text.removesuffix(".")
    labels = name.split(".")
    good = len(name) <= 253 and all(_LABEL.fullmatch(label) for label in labels)
    if not good or _NUMERIC.fullmatch(labels[-1]) or ("_" in name and not underscore):
        raise InvalidInput(f"{what} {shown(text)} isn't a host name", hint="write it like app.example.com")
    return text.lower()


def host(text: str, what: str) -> str:
    """A DNS name, an IPv4 address, or an IPv6 address in brackets; brackets are kept."""
    import ipaddress

    try:
        if text.startswith("["):
            inner = text[1:-1]
            if not text.endswith("]") or not _IPV6.fullmatch(inner):
                raise ValueError(text)
            ipaddress.IPv6Address(inner)
            return text.lower()
        if _NUMERIC.fullmatch(text.rpartition(".")[2]):
            return str(ipaddress.IPv4Address(text))
    except ValueError as exc:
        raise InvalidInput(
            f"{what} {shown(text)} isn't an IP address", hint="write it like 10.0.0.5 or [fd00::5]"
        ) from exc
    return dns_name(text, what, underscore=True)


def port(text: str, what: str) -> int:
    """A TCP port, 1 to 65535."""
    return number(text, what, 1, 65535)


def number(text: str, what: str, least: int = 0, most: int = MAX_COUNT) -> int:
    """A whole number without sign or leading zeros, ``least`` to ``most``."""
    if not _NUMBER.fullmatch(text) or not least <= int(text) <= most:
        raise InvalidInput(
            f"{what} {shown(text)} isn't a number from {least} to {most}",
            hint="leave out signs, spaces and leading zeros",
        )
    return int(text)


def header_name(text: str) -> str:
    """A header field name (RFC 9110, section 5.1); Upgrade and Connection always stay ours.

    ``$`` is a token character, but NGINX would read a variable there; ``#``, ``'`` and `````
    need quoting and no real header has them.
    """
    if not _TOKEN.fullmatch(text) or set(text) & set("$#'`") or len(text) > 128:
        raise InvalidInput(f"header name {shown(text)} isn't valid", hint="write it like X-Request-Id=VALUE")
    if text.lower() in ("upgrade", "connection"):
        raise InvalidInput(
            f"header {text} makes the WebSocket handshake and can't be set",
            hint="leave it out: it is always sent as RFC 6455 wants it",
        )
    return text


def header_value(text: str, what: str) -> str:
    """A header value: printable ASCII, and of NGINX's variables only the harmless ones."""
    # Each of these takes a backslash more in NGINX's configuration.
    written = len(text) + text.count("\\") + min(text.count('"'), text.count("'"))
    if not _HEADER_VALUE.fullmatch(text) or written > MAX_VALUE:
        raise InvalidInput(
            f"{what} {shown(text)} isn't printable ASCII of at most {MAX_VALUE} characters, "
            "no space at its ends",
            hint="write other characters in an encoding the application knows, such as %XX",
        )
    for match in _VARIABLE.finditer(text):
        name = match[1] or match[2] or ""
        if name not in _VARIABLES and not _VARIABLE_FAMILY.fullmatch(name):
            raise InvalidInput(
                f"{what} {shown(text)}: {shown(match[0])} isn't a variable that may be sent",
                hint="use one of: "
                + ", ".join(f"${known}" for known in sorted(_VARIABLES))
                + ", $http_NAME, $cookie_NAME, $arg_NAME; a bare '$' can't be written",
            )
    return text


def host_header(text: str) -> str:
    """A value for the Host header: HOST, HOST:PORT, or made of variables such as ``$http_host``."""
    if "$" in text:
        value = header_value(text, "host")
        if re.fullmatch(r"[A-Za-z0-9_.:${}-]+", value):
            return value
        raise InvalidInput(
            f"host {shown(text)} isn't a host", hint="write it like $http_host or app.example.com"
        )
    name, colon, tail = text.rpartition(":")
    if colon and not tail.endswith("]"):
        return f"{host(name, 'host')}:{port(tail, 'port')}"
    return host(text, "host")


def parse_duration(text: str, least: int = 1) -> int:
    """``90``, ``90s``, ``5m``, ``1h``, ``1d`` or ``1h30m`` in seconds, ``least`` seconds to 365 days."""
    match = _DURATION.fullmatch(text) if text else None
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups()) if match else (0, 0, 0, -1)
    total = days * 86400 + hours * 3600 + minutes * 60 + seconds
    return seconds_in_range(total, f"duration {shown(text)}", least)


def seconds_in_range(seconds: int, what: str, least: int = 1) -> int:
    """``seconds`` itself when NGINX can count with it: 1 second, or ``least``, to 365 days."""
    if not least <= seconds <= MAX_SECONDS:
        raise InvalidInput(
            f"{what} isn't a time from {least}s to 365d", hint="write it like 90s, 5m, 1h or 1d"
        )
    return seconds


def format_duration(seconds: int) -> str:
    """Seconds in the largest whole unit, as NGINX writes times: 3600 is ``1h``, 90 is ``90s``."""
    for unit, size in _UNITS:
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
