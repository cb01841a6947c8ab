"""A route: a path, its backends and their options. Frozen, validated, no I/O."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal, TypeVar

from nginxws import validate
from nginxws.backend import Backend
from nginxws.errors import InvalidInput
from nginxws.validate import format_duration, parse_duration, shown

__all__ = ["Backend", "Balance", "Match", "Route", "Slashless", "format_duration", "parse_duration"]

HOUR: Final = 3600  # seconds
Preset = Literal["default", "plain"]


class Match(StrEnum):
    """How NGINX compares a request with the path."""

    PRIORITY = "priority"  # longest prefix, and no regular expression is tried after it
    PREFIX = "prefix"  # longest prefix, unless a regular expression matches
    EXACT = "exact"
    REGEX = "regex"


class Slashless(StrEnum):
    """What a request for the path without its final slash gets."""

    NONE = "none"  # NGINX's own 301, which no WebSocket client follows
    REDIRECT = "redirect"  # 308, which keeps the method
    ALIAS = "alias"  # the same answer as with the slash


class Balance(StrEnum):
    """How connections are spread over several backends."""

    ROUND_ROBIN = "round-robin"
    LEAST_CONN = "least-conn"
    IP_HASH = "ip-hash"
    RANDOM = "random"


_MODIFIERS: Final = {Match.PRIORITY: "^~", Match.PREFIX: "", Match.EXACT: "=", Match.REGEX: "~"}
_NO_BACKUP: Final = (Balance.IP_HASH, Balance.RANDOM)  # ngx_http_upstream_{ip_hash,random}_module
_Choice = TypeVar("_Choice", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Route:
    """What ``add-route`` puts on a balancer.

    Times are seconds, None leaves them to NGINX. ``tls_ca`` is a path on the node; it turns on
    verification of the backends' certificates. Build it with ``create``: the constructor itself
    checks nothing.
    """

    path: str
    backends: tuple[Backend, ...]
    match: Match = Match.PRIORITY
    slashless: Slashless = Slashless.NONE
    balance: Balance = Balance.ROUND_ROBIN
    read_timeout: int | None = HOUR
    send_timeout: int | None = HOUR
    connect_timeout: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    host: str | None = None
    tls_name: str | None = None
    tls_ca: str | None = None
    preset: Preset = "default"

    @classmethod
    def create(
        cls,
        path: str,
        backends: Sequence[str],
        *,
        match: str | None = None,
        slashless: str | None = None,
        balance: str | None = None,
        read_timeout: int | None = None,
        send_timeout: int | None = None,
        connect_timeout: int | None = None,
        headers: Sequence[tuple[str, str]] = (),
        host: str | None = None,
        tls_name: str | None = None,
        tls_ca: str | None = None,
        preset: str = "default",
    ) -> Route:
        """The route, everything checked; None means not asked for. Raises InvalidInput.

        ``match``, ``slashless`` and ``balance`` take the enums or their values; ``preset`` is
        ``default`` or ``plain``.
        """
        if preset not in ("default", "plain"):
            raise InvalidInput(f"unknown preset {shown(preset)}", hint="use default or plain")
        plain = preset == "plain"
        kind = _choice(Match, match, Match.PREFIX if plain else Match.PRIORITY, "match")
        default_timeout = None if plain else HOUR
        route = cls(
            path=validate.location_regex(path) if kind is Match.REGEX else validate.location_path(path),
            backends=tuple(Backend.parse(text) for text in backends),
            match=kind,
            slashless=_choice(Slashless, slashless, Slashless.NONE, "slashless"),
            balance=_choice(Balance, balance, Balance.ROUND_ROBIN, "balance"),
            read_timeout=_seconds(read_timeout, default_timeout, "read timeout"),
            send_timeout=_seconds(send_timeout, default_timeout, "send timeout"),
            connect_timeout=_seconds(connect_timeout, None, "connect timeout"),
            headers=tuple(
                (validate.header_name(n), validate.header_value(v, f"header {n}")) for n, v in headers
            ),
            host=None if host is None else validate.host_header(host),
            tls_name=None if tls_name is None else validate.dns_name(tls_name, "TLS name"),
            tls_ca=None if tls_ca is None else validate.node_file(tls_ca, "CA file"),
            preset="plain" if plain else "default",
        )
        for check in (_check_backends, _check_slashless, _check_headers, _check_tls, _check_plain):
            check(route)
        return route

    @property
    def modifier(self) -> str:
        """The location's modifier: ``^~``, ``=``, ``~`` or nothing."""
        return _MODIFIERS[self.match]

    @property
    def locations(self) -> tuple[tuple[str, str], ...]:
        """Modifier and path of every location that the rendered block holds."""
        own = (self.modifier, self.path)
        return (own,) if self.slashless is Slashless.NONE else (own, ("=", self.path.removesuffix("/")))

    @property
    def tls(self) -> bool:
        """The backends speak TLS."""
        return self.backends[0].tls

    @property
    def server_name(self) -> str | None:
        """The name sent as SNI and verified: ``tls_name``, else the DNS name that all backends share."""
        if not self.tls or self.tls_name:
            return self.tls_name
        names = {backend.dns_name for backend in self.backends}
        return names.pop() if len(names) == 1 else None

    @property
    def upstream_name(self) -> str | None:
        """The upstream block's name, or None when ``proxy_pass`` names the one backend itself.

        The name ends in a hash of the block's content: equal names are equal blocks, so routes and
        servers can share one, and changed backends never rename a block under another route.
        """
        if len(self.backends) == 1 and not self.backends[0].parameters:
            return None
        import hashlib  # OpenSSL behind it takes 15 ms to load

        content = "\n".join([self.balance, *(" ".join([b.address, *b.parameters]) for b in self.backends)])
        slug = re.sub(r"[^a-z0-9]+", "_", self.path.lower()).strip("_")[:32].strip("_") or "root"
        return f"nginxws_{slug}_{hashlib.sha256(content.encode()).hexdigest()[:8]}"

    @property
    def target(self) -> str:
        """What ``proxy_pass`` names, without a URI: ``http://10.0.0.5:8080``."""
        return f"{'https' if self.tls else 'http'}://{self.upstream_name or self.backends[0].address}"


def _choice(kind: type[_Choice], value: str | None, default: _Choice, what: str) -> _Choice:
    if value is None:
        return default
    try:
        return kind(value)
    except ValueError as exc:
        raise InvalidInput(f"unknown {what} {shown(value)}", hint=f"use one of: {', '.join(kind)}") from exc


def _seconds(value: int | None, default: int | None, what: str) -> int | None:
    return default if value is None else validate.seconds_in_range(value, f"{what} of {value} s")


def _check_backends(route: Route) -> None:
    backends = route.backends
    if not backends:
        raise InvalidInput("a route needs a backend", hint="name one, like 10.0.0.5:8080")
    addresses = [backend.address for backend in backends]
    for address in addresses:
        if addresses.count(address) > 1:
            raise InvalidInput(
                f"backend {address} is given twice", hint="use weight=N to give it a larger share"
            )
    if len({backend.tls for backend in backends}) > 1:
        raise InvalidInput(
            "some backends speak TLS and some don't: one proxy_pass can't do both",
            hint="use https:// (or wss://) for all of them or for none",
        )
    if all(backend.backup or backend.down for backend in backends):
        raise InvalidInput(
            "every backend is backup or down: nothing would serve the route",
            hint="leave one backend without these parameters",
        )
    if route.balance in _NO_BACKUP and any(backend.backup for backend in backends):
        raise InvalidInput(
            f"NGINX has no backup backends with {route.balance} balancing",
            hint="drop backup, or use least-conn",
        )


def _check_slashless(route: Route) -> None:
    if route.slashless is Slashless.NONE:
        return
    if route.match not in (Match.PRIORITY, Match.PREFIX):
        raise InvalidInput(
            f"slashless {route.slashless} needs priority or prefix matching, not {route.match}",
            hint="use --match priority or --match prefix, or leave --slashless out",
        )
    if len(route.path) < 2 or not route.path.endswith("/"):
        raise InvalidInput(
            f"slashless {route.slashless} needs a prefix path that ends in '/', not {shown(route.path)}",
            hint="write the path like /ws/, or leave the option out",
        )


def _check_headers(route: Route) -> None:
    if route.host is not None and any(name.lower() == "host" for name, _ in route.headers):
        raise InvalidInput("the Host header is given twice", hint="use the host option alone")


def _check_tls(route: Route) -> None:
    if not route.tls and (route.tls_name or route.tls_ca):
        raise InvalidInput(
            "a TLS name or CA file was given, but the backends don't speak TLS",
            hint="write https:// or wss:// before the backends",
        )
    if route.tls_ca and not route.server_name:
        raise InvalidInput(
            "the backends' certificates can't be verified without a name to look for",
            hint="name it with --backend-tls-name, or use one DNS name as backend",
        )


def _check_plain(route: Route) -> None:
    if route.preset != "plain":
        return
    plain = Route(
        route.path, route.backends, route.match, read_timeout=None, send_timeout=None, preset="plain"
    )
    if route != plain or route.upstream_name or route.tls:
        raise InvalidInput(
            "the plain preset is the documented six lines: one http backend, a path and how it matches",
            hint="leave out the other options, or the preset",
        )
