"""Would a managed block do all that a hand-written location does? The question behind ``--adopt``."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nginxws.config.document import Directive, parse
from nginxws.config.matching import location_key
from nginxws.config.servers import ServerBlock
from nginxws.config.tree import Located
from nginxws.config.upgrade import headers_in_force

#: Usual spellings of the two headers whose values our maps take over.
_UPGRADES = frozenset({b"$http_upgrade", b"websocket", b"$nginxws_upgrade"})
_CONNECTIONS = frozenset({b"upgrade", b"$connection_upgrade", b"$nginxws_connection", b"$http_connection"})
#: What NGINX sends as Host where nothing sets it (`proxy_set_header` of its documentation).
_DEFAULT_HOST = b"$proxy_host"
_TIME = re.compile(rb"(\d{1,9})(s?|[mhd])")
_SECONDS = {b"": 1, b"s": 1, b"m": 60, b"h": 3600, b"d": 86400}


def differences(hand: Located, server: ServerBlock, rendered: str) -> list[str]:
    """What the rendered location would not keep of the hand-written one; empty: equivalent.

    What the rendered one adds is no difference: longer timeouts where none is written, and headers such
    as X-Real-IP and X-Forwarded-For that the backend didn't get before. Another Host is one: applications
    choose a site by it, and compare it with Origin.
    """
    ours = parse(rendered.encode("utf-8", "surrogateescape"), "rendered").directives[0]
    inside = server.inside(hand)
    headers = headers_in_force(server, hand, inside)
    return [
        *_placement(hand.directive, ours, server),
        *_contents(inside, ours),
        *_host(hand, inside, headers, ours),
    ]


def _placement(hand: Directive, ours: Directive, server: ServerBlock) -> Iterator[str]:
    """A plain prefix yields to regular expressions, ``^~`` doesn't."""
    if location_key(hand).modifier == location_key(ours).modifier:
        return
    if any(location_key(other.directive).is_regex for other in server.locations):
        yield "other locations of this server are regular expressions: they win over a plain prefix"


def _contents(hand: list[Located], ours: Directive) -> Iterator[str]:
    settings: dict[bytes, list[tuple[bytes, ...]]] = {}
    for child in ours.children:
        settings.setdefault(child.name, []).append(_value(child))
    for located in hand:
        directive = located.directive
        wanted = settings.get(directive.name, [])
        if _value(directive) in wanted:
            continue
        if directive.name == b"proxy_set_header" and _is_handshake(directive.args):
            continue
        text = b" ".join(directive.words).decode("utf-8", "backslashreplace")
        instead = f" (the route has {_spelled(directive, wanted)})" if len(wanted) == 1 else ""
        yield f"{located.where}: {text}{instead}"


def _host(hand: Located, inside: list[Located], headers: list[Located], ours: Directive) -> Iterator[str]:
    """The Host header where the location itself sets none: its parents', else NGINX's default."""
    if _hosts(inside) or not any(one.directive.name == b"proxy_pass" for one in inside):
        return  # compared with the location's other lines
    now = [one.directive.args[1] for one in _hosts(headers)] or [_DEFAULT_HOST]
    then = [child.args[1] for child in ours.children if _is_host(child)] or [_DEFAULT_HOST]
    if now != then:
        sent, instead = (b" ".join(values).decode("utf-8", "backslashreplace") for values in (now, then))
        yield f"{hand.where}: sends Host {sent} (the route sends {instead}; --host '{sent}' keeps it)"


def _hosts(headers: list[Located]) -> list[Located]:
    return [one for one in headers if _is_host(one.directive)]


def _is_host(directive: Directive) -> bool:
    args = directive.args
    return directive.name == b"proxy_set_header" and len(args) == 2 and args[0].lower() == b"host"


def _value(directive: Directive) -> tuple[bytes, ...]:
    """The arguments in one spelling: header names in lower case, simple times in seconds."""
    words = directive.args
    if directive.name == b"proxy_set_header":
        return (words[0].lower(), *words[1:]) if words else words
    time = _TIME.fullmatch(words[0]) if directive.name.endswith(b"_timeout") and len(words) == 1 else None
    return (b"%d" % (int(time[1]) * _SECONDS[time[2]]),) if time else words


def _is_handshake(words: tuple[bytes, ...]) -> bool:
    if len(words) != 2:
        return False
    name, value = words[0].lower(), words[1].lower()
    return (name == b"upgrade" and value in _UPGRADES) or (name == b"connection" and value in _CONNECTIONS)


def _spelled(directive: Directive, wanted: list[tuple[bytes, ...]]) -> str:
    return b" ".join((directive.name, *wanted[0])).decode("utf-8", "backslashreplace")
