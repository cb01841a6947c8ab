"""One backend: where a route's connections go. Parsed from what users type, no I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from nginxws import validate
from nginxws.errors import InvalidInput
from nginxws.validate import shown

_SCHEMES: Final = {"http": False, "ws": False, "https": True, "wss": True}
_EXAMPLE: Final = "write it like 10.0.0.5:8080, [fd00::5]:8080, app.internal:8080 or unix:/run/app.sock"


@dataclass(frozen=True, slots=True)
class Backend:
    """An address and its share of the load.

    Either ``host`` (IPv6 without brackets) and ``port``, or ``unix`` (absolute path on the node).
    ``fail_timeout`` is in seconds; None leaves a parameter to NGINX's default. Build it with
    ``parse``: the constructor itself checks nothing.
    """

    host: str | None = None
    port: int | None = None
    unix: str | None = None
    tls: bool = False
    weight: int | None = None
    backup: bool = False
    down: bool = False
    max_fails: int | None = None
    fail_timeout: int | None = None
    max_conns: int | None = None

    @classmethod
    def parse(cls, text: str) -> Backend:
        """``[SCHEME://]HOST:PORT`` or ``[SCHEME://]unix:/PATH``, then parameters after spaces or commas.

        SCHEME is http, ws (the same), https or wss (the same, with TLS); with a scheme the port may
        be left out (80, 443). Parameters are those of NGINX's ``server``: weight=, max_fails=,
        fail_timeout=, max_conns=, backup, down. Raises InvalidInput.
        """
        if not text.isascii() or not text.isprintable():
            raise InvalidInput(f"backend {shown(text)} isn't printable ASCII", hint=_EXAMPLE)
        address, *parameters = text.replace(",", " ").split() or [""]
        scheme, separator, rest = address.rpartition("://")
        if separator and scheme.lower() not in _SCHEMES:
            raise InvalidInput(
                f"backend {shown(text)} has the unknown scheme {shown(scheme)}",
                hint="use http://, https://, ws:// or wss://, or none",
            )
        tls = _SCHEMES.get(scheme.lower(), False)
        default_port = (443 if tls else 80) if separator else None
        options = _parameters(parameters, text)
        host, port, unix = _address(rest, text, default_port)
        return cls(
            host=host,
            port=port,
            unix=unix,
            tls=tls,
            weight=options.get("weight"),
            backup="backup" in options,
            down="down" in options,
            max_fails=options.get("max_fails"),
            fail_timeout=options.get("fail_timeout"),
            max_conns=options.get("max_conns"),
        )

    @property
    def address(self) -> str:
        """NGINX's spelling, port always written: ``10.0.0.5:8080``, ``[::1]:8080``, ``unix:/run/x.sock``."""
        if self.unix is not None:
            return f"unix:{self.unix}"
        return f"[{self.host}]:{self.port}" if self.is_ipv6 else f"{self.host}:{self.port}"

    @property
    def is_ipv6(self) -> bool:
        """The host is an IPv6 address."""
        return self.host is not None and ":" in self.host

    @property
    def dns_name(self) -> str | None:
        """The host when it is a name and not an address, without a final dot."""
        if self.host is None or self.is_ipv6 or self.host.replace(".", "").isdigit():
            return None
        return self.host.removesuffix(".")

    @property
    def parameters(self) -> tuple[str, ...]:
        """The words after the address in an upstream's ``server`` line."""
        counts = ("weight", "max_fails", "max_conns")
        words = [f"{name}={value}" for name in counts if (value := getattr(self, name)) is not None]
        if self.fail_timeout is not None:
            words.append(f"fail_timeout={validate.format_duration(self.fail_timeout)}")
        words += [name for name in ("backup", "down") if getattr(self, name)]
        return tuple(words)


def _address(rest: str, text: str, default_port: int | None) -> tuple[str | None, int | None, str | None]:
    """Host, port and socket path."""
    what = f"backend {shown(text)}:"
    if rest.startswith("unix:"):
        path = validate.node_file(rest.removeprefix("unix:"), f"{what} socket")
        if len(path) > validate.MAX_UNIX_PATH:
            raise InvalidInput(
                f"{what} a socket path has at most {validate.MAX_UNIX_PATH} bytes", hint="use a shorter path"
            )
        return None, None, path
    if "/" in rest:
        raise InvalidInput(
            f"{what} a backend has no path",
            hint="end it after the port: the request's own path is passed on unchanged",
        )
    name, colon, port = rest.rpartition(":")
    if rest.endswith("]") or not colon:
        name, port = rest, ""
    if ":" in name and not name.startswith("["):
        raise InvalidInput(f"{what} an IPv6 address needs brackets", hint="write it like [fd00::5]:8080")
    if not port and (default_port is None or rest.endswith(":")):
        raise InvalidInput(f"{what} the port is missing", hint=_EXAMPLE)
    host = validate.host(name, f"{what} host").strip("[]")
    return host, validate.port(port, f"{what} port") if port else default_port, None


def _count(least: int) -> Callable[[str, str], int]:
    return lambda value, what: validate.number(value, what, least)


_VALUED: Final[dict[str, Callable[[str, str], int]]] = {
    "weight": _count(1),
    "max_fails": _count(0),
    "max_conns": _count(0),
    "fail_timeout": lambda value, _what: validate.parse_duration(value),
}


def _parameters(words: list[str], text: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for word in words:
        name, equals, value = word.partition("=")
        what = f"backend {shown(text)}: {shown(name)}"
        if name in found:
            raise InvalidInput(f"{what} is given twice", hint="give each parameter once")
        if equals and name in _VALUED:
            found[name] = _VALUED[name](value, what)
        elif not equals and name in ("backup", "down"):
            found[name] = 1
        else:
            raise InvalidInput(
                f"{what} isn't a backend parameter",
                hint="known are weight=N, max_fails=N, fail_timeout=TIME, max_conns=N, backup and down",
            )
    return found
