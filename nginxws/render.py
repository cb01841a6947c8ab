"""Route to NGINX configuration text, through the Jinja templates.

What a text must hold is worked out here a second time, apart from the templates, and ``templating`` proves
that the rendered text holds exactly that: no path, host, header or name can add a directive.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from nginxws import templating
from nginxws.config.document import unquote
from nginxws.config.octets import to_bytes, to_text
from nginxws.errors import ConfigError
from nginxws.features import CURRENT, Features
from nginxws.route import Balance, Route, Slashless, format_duration
from nginxws.templating import TEMPLATES, Block, Head, Templates, word

__all__ = ["CURRENT", "TEMPLATES", "Features", "RenderContext", "Rendered", "render"]

OUR_HEADERS: Final = (
    ("Upgrade", "$nginxws_upgrade"),
    ("Connection", "$nginxws_connection"),
    ("Host", "$host"),
    ("X-Real-IP", "$remote_addr"),
    ("X-Forwarded-For", "$proxy_add_x_forwarded_for"),
    ("X-Forwarded-Proto", "$scheme"),
)
_HANDSHAKE: Final = frozenset({"upgrade", "connection"})
_BALANCE: Final = {
    Balance.ROUND_ROBIN: None,
    Balance.LEAST_CONN: "least_conn",
    Balance.IP_HASH: "ip_hash",
    Balance.RANDOM: "random two least_conn",
}
# A backslash and what it takes with it, or a line break. One before a break stays itself: it is doubled.
_LINE_BREAK: Final = re.compile(r"(\\?)([\r\n])|\\.")
_BREAKS: Final = {"\r": r"\r", "\n": r"\n"}

# What the rendered blocks must hold.
_PLAIN_BODY: Final = sorted([(b"proxy_pass", 2), (b"proxy_http_version", 2), *[(b"proxy_set_header", 3)] * 2])
_REDIRECT_BODY: Final = [(b"absolute_redirect", 2), (b"return", 3)]
_MAPS: Final[list[Block]] = [((b"map", 3), [(b"default", 2), (b"websocket", 2)])] * 2
_OPTIONAL: Final = {
    "read_timeout": (b"proxy_read_timeout",),
    "send_timeout": (b"proxy_send_timeout",),
    "connect_timeout": (b"proxy_connect_timeout",),
    "socket_keepalive": (b"proxy_socket_keepalive",),
    "tls_name": (b"proxy_ssl_server_name", b"proxy_ssl_name"),
    "tls_ca": (b"proxy_ssl_trusted_certificate", b"proxy_ssl_verify", b"proxy_ssl_verify_depth"),
}


@dataclass(frozen=True, slots=True)
class RenderContext:
    """What a route's text depends on besides the route.

    ``inherited_headers``: name and value of every ``proxy_set_header`` that the new location would cancel,
    as the operator wrote the words, quotes included. ``features``: the node's NGINX.
    """

    inherited_headers: tuple[tuple[str, str], ...] = ()
    features: Features = CURRENT


@dataclass(frozen=True, slots=True)
class Rendered:
    """A route's text, without marker lines and without a final newline.

    ``location`` belongs into the server block; ``upstream`` (name, text) and ``maps`` into http context.
    """

    location: str
    upstream: tuple[str, str] | None = None
    maps: str | None = None


def render(route: Route, context: RenderContext | None = None, templates: Path | None = None) -> Rendered:
    """The text of a route.

    ``templates`` is a user's folder: a file there with the name of one of ``TEMPLATES`` wins over ours.
    Raises ConfigError when the node's NGINX can't do what the route asks for, RenderError when a template
    fails or its text isn't what it has to be, InvalidInput when the folder holds no template.
    """
    context = context or RenderContext()
    _check_features(route, context.features)
    found = templating.load(templates)
    places = _places(route)
    if route.preset == "plain":
        shape = [_location_shape(place, _PLAIN_BODY) for place in places]
        return Rendered(found.fill("plain.conf.j2", {"locations": places, "route": route}, shape))
    variables = _variables(route, context) | {"locations": places}
    body = _body_shape(variables)
    location = found.fill("location.conf.j2", variables, [_location_shape(place, body) for place in places])
    return Rendered(location, _upstream(route, found), _maps(found))


def _check_features(route: Route, features: Features) -> None:
    """Refuse what was asked for and this NGINX hasn't; what is only our default is left out elsewhere."""
    wanted = {
        "upgrade": "proxying WebSockets",
        "map": "" if route.preset == "plain" else "the default block",
        "tls": "TLS to the backend" if route.tls else "",
        "tls_name": "a TLS name" if route.tls_name else "",
        "tls_verify": "verification of the backend's certificate" if route.tls_ca else "",
        "redirect": "slashless redirect" if route.slashless is Slashless.REDIRECT else "",
        "max_conns": "max_conns" if any(backend.max_conns is not None for backend in route.backends) else "",
    }
    if route.upstream_name and route.balance is not Balance.ROUND_ROBIN:
        wanted[route.balance.value] = f"{route.balance} balancing"
    for feature, asked in wanted.items():
        if asked and (why := features.lacks(feature)):
            hint = "use --preset plain" if feature == "map" else "leave the option out, or use another NGINX"
            raise ConfigError(f"this NGINX can't do {asked}: {why}", hint=hint)


def _places(route: Route) -> list[dict[str, str | None]]:
    """The locations of the block, as the templates see them."""
    places: list[dict[str, str | None]] = []
    for number, (modifier, path) in enumerate(route.locations):
        place: dict[str, str | None] = {
            "match": f"{modifier} {word(path)}".lstrip(),
            "proxy_pass": route.target,
            "redirect": None,
        }
        if number and route.slashless is Slashless.REDIRECT:
            place["redirect"] = route.path
        elif number:  # an alias: the application sees the path with its slash; a colon ends a socket's path
            socket = route.upstream_name is None and route.backends[0].unix is not None
            place["proxy_pass"] = f"{route.target}{':' if socket else ''}{route.path}"
        places.append(place)
    return places


def _variables(route: Route, context: RenderContext) -> dict[str, Any]:
    known = context.features.lacks
    return {
        "route": route,
        "headers": _headers(route, context.inherited_headers),
        "read_timeout": _time(route.read_timeout),
        "send_timeout": _time(route.send_timeout),
        "connect_timeout": _time(route.connect_timeout),
        "socket_keepalive": not known("socket_keepalive"),
        "tls_name": None if known("tls_name") else route.server_name,
        "tls_ca": route.tls_ca,
    }


def _time(seconds: int | None) -> str | None:
    return None if seconds is None else format_duration(seconds)


def _headers(route: Route, inherited: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Ours, then the parents' (which win over ours), then the route's own (which win over both).

    A name given several times in one of these sources keeps all its lines. Values are words as written.
    """
    own = [(name, word(value)) for name, value in route.headers]
    if route.host is not None:
        own.insert(0, ("Host", word(route.host)))
    merged: dict[str, list[tuple[str, str]]] = {name.lower(): [(name, value)] for name, value in OUR_HEADERS}
    for source in (inherited, own):
        given: dict[str, list[tuple[str, str]]] = {}
        for name, value in source:
            given.setdefault(_plain_name(name), []).append((name, value))
        merged |= {key: lines for key, lines in given.items() if key not in _HANDSHAKE}
    headers: list[tuple[str, str]] = []
    for name, value in (line for lines in merged.values() for line in lines):
        value = _on_one_line(value)
        twin = headers[-1:] == [(name, value)]
        headers.append((name, f" {value}" if twin else value))  # panels drop one of two equal lines
    return headers


def _on_one_line(raw: str) -> str:
    """A word as written, without line breaks, which quotes may hold: one directive, one line."""
    return _LINE_BREAK.sub(lambda match: f"{match[1] * 2}{_BREAKS[match[2]]}" if match[2] else match[0], raw)


def _plain_name(name: str) -> str:
    return to_text(unquote(to_bytes(name))).lower()


def _upstream(route: Route, found: Templates) -> tuple[str, str] | None:
    name = route.upstream_name
    if name is None:
        return None
    servers = [" ".join((backend.address, *backend.parameters)) for backend in route.backends]
    balance = _BALANCE[route.balance]
    body = [(b"server", 1 + len(server.split())) for server in servers]
    if balance:
        words = balance.split()
        body.append((words[0].encode(), len(words)))
    variables = {"name": name, "balance": balance, "servers": servers}
    return name, found.fill("upstream.conf.j2", variables, [((b"upstream", 2), sorted(body))])


@lru_cache(maxsize=8)
def _maps(found: Templates) -> str:
    return found.fill("maps.conf.j2", {}, _MAPS)


def _location_shape(place: Mapping[str, str | None], body: list[Head]) -> Block:
    words = 3 if str(place["match"])[0] in "^=~" else 2
    return (b"location", words), _REDIRECT_BODY if place["redirect"] else body


def _body_shape(variables: Mapping[str, Any]) -> list[Head]:
    body = [(b"proxy_pass", 2), (b"proxy_http_version", 2)]
    body += [(b"proxy_set_header", 3)] * len(variables["headers"])
    for variable, directives in _OPTIONAL.items():
        if variables[variable]:
            body += [(name, 2) for name in directives]
    return sorted(body)
