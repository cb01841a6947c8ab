"""Routes from hostile parts, and what their text must hold, worked out apart from the product."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from hypothesis import strategies as st

from nginxws.config.document import Directive
from nginxws.route import Route, format_duration
from support.hostile import Mint

#: A directive: its words as NGINX reads them, and those inside it in any order.
Shape = tuple[tuple[bytes, ...], frozenset[tuple[Any, int]]]

_LOWER, _DIGITS = "abcdefghijklmnopqrstuvwxyz", "0123456789"
_WORD = _LOWER + _LOWER.upper() + _DIGITS
_PATH = f"{_WORD}._~!&()*+,=:@-"
_NAME = f"{_WORD}!%&*+.^_|~-"
_VALUE = "".join(map(chr, range(0x21, 0x7F))).replace("$", "")
_VARIABLES = ("$host", "${http_host}", "$remote_addr", "$http_x_y", "$arg_a", "$cookie_b", "$scheme")
_REGEX = (
    "^",
    "/",
    "a",
    "[a-z]",
    "[^/]+",
    r"\.",
    r"\d{2,3}",
    "{",
    "}",
    "(x|y)",
    ".*",
    r"\$",
    r"\\",
    "%",
    "{1}",
    "(?:b)",
    "[[:alpha:]]",
    "(",
    ")",
    "[",
    "]",
    "\\",
    "(?<n>c)",
    "(?P<n>c)",
    "(?L)",
    "(?au)",
    "(?i)",
    "*",
    "{2}",
    "(?x)",
    r"\N{HYPHEN-MINUS}",
    r"\u0041",
    "|",
    "@",
    "~",
    "=",
    "(?=d)",
    "(?#e)",
    "&",
    '"',
    "'",
    "$",
    "(?i:z)",
    "+",
    "?",
    "\\b",
)


class RouteMint(Mint):
    """Makes up what ``Route.create`` takes: mostly valid, and ``once_in`` so many texts hostile."""

    once_in = 60

    def path(self) -> str:
        parts = [self.chars(_PATH, 1, 9) for _ in range(self.randint(0, 3))]
        return "/".join(["", *parts, self.chars(_PATH, 0, 9)])

    def regex(self) -> str:
        return "".join(self.choices(_REGEX[:17] if self.random() < 0.7 else _REGEX, k=self.randint(1, 7)))

    def header_value(self) -> str:
        kind = self.random()
        if kind < 0.05:
            return "a" * self.randint(4070, 4100)
        if kind < 0.5:
            parts = [*_VARIABLES, " ", "\\", '"', "'", "{", "}", ";", "#", "a", "n"]
            return "".join(self.choices(parts, k=self.randint(0, 8))).strip(" ")
        return self.chars(f"{_VALUE} ", 0, 20).strip(" ")

    def host(self) -> str:
        labels = [self.choice(_LOWER) + self.chars(_LOWER + _DIGITS, 0, 9) for _ in range(self.randint(1, 3))]
        return ".".join(labels) + self.choice(["", "", "."])

    def file(self) -> str:
        return "".join(f"/{self.chars(_WORD + '._@+-', 1, 9)}" for _ in range(self.randint(1, 4)))

    def address(self) -> str:
        port = self.randint(1, 65535)
        kind = self.randrange(4)
        if kind == 0:
            return f"{self.host()}:{port}"
        if kind == 1:
            return f"{IPv4Address(self.getrandbits(32))}:{port}"
        return f"[{IPv6Address(self.getrandbits(128))}]:{port}" if kind == 2 else f"unix:{self.file()}"

    def backends(self) -> list[str]:
        found = []
        for _ in range(self.choice([1, 1, 1, 2, 3])):
            more = [
                "",
                "",
                " weight=2",
                ",max_fails=0",
                " fail_timeout=5m",
                " max_conns=7",
                " backup",
                " slow_start=1",
            ]
            found.append(
                self.spoil(self.address(), self.once_in) + self.choice(more[: 6 + (self.random() < 0.2) * 2])
            )
        return found

    def arguments(self) -> dict[str, Any]:
        match = self.choice([None, "prefix", "exact", "regex"])
        slashless = self.choice([None, "alias", "redirect"]) if match in (None, "prefix") else None
        path = self.regex() if match == "regex" else self.path()
        tls = self.random() < 0.3
        scheme = self.choice(["https://", "wss://"]) if tls else self.choice(["", "http://", "WS://"])
        found: dict[str, Any] = {
            "path": self.spoil(f"{path.rstrip('/')}/" if slashless else path, self.once_in),
            "backends": [f"{scheme}{address}" for address in self.backends()],
            "match": match,
            "slashless": slashless,
            "headers": [
                (
                    self.spoil(self.chars(_NAME, 1, 20), self.once_in),
                    self.spoil(self.header_value(), self.once_in),
                )
                for _ in range(self.randint(0, 3))
            ],
            "balance": self.choice([None, None, "least-conn", "ip-hash", "random"]),
        }
        if self.random() < 0.5:
            found["read_timeout"], found["connect_timeout"] = self.randint(1, 10**6), self.randint(1, 10**6)
        if self.random() < 0.5:
            found["host"] = self.spoil(
                self.choice([self.host(), "$http_host", "a:1", "[::1]:2"]), self.once_in
            )
        if tls:
            found["tls_name"] = self.spoil(self.host(), self.once_in)
            found["tls_ca"] = self.choice([None, self.spoil(self.file(), self.once_in)])
        return found


route_mints = st.integers(0, 2**62).map(RouteMint)


def create(given: Mapping[str, Any]) -> Route:
    """The route; raises InvalidInput."""
    rest = {name: value for name, value in given.items() if name not in ("path", "backends")}
    return Route.create(given["path"], given["backends"], **rest)


def shape(directive: Directive) -> Shape:
    """A directive as NGINX understands it."""
    return (directive.name, *directive.args), tally(map(shape, directive.children))


def tally(shapes: Iterable[Shape]) -> frozenset[tuple[Any, int]]:
    """How often each shape is there, the order aside."""
    return frozenset(Counter(shapes).items())


def leaf(*words: str) -> Shape:
    return tuple(word.encode("utf-8", "surrogateescape") for word in words), frozenset()


def block(words: Sequence[str], inside: Iterable[Shape]) -> Shape:
    return tuple(word.encode("utf-8", "surrogateescape") for word in words), tally(inside)


def expected_headers(route: Route, inherited: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Names and values that ``proxy_set_header`` must set: the route's, else the parents', else ours."""
    ours = {
        "Host": "$host",
        "X-Real-IP": "$remote_addr",
        "X-Forwarded-For": "$proxy_add_x_forwarded_for",
        "X-Forwarded-Proto": "$scheme",
    }
    own = [*route.headers, *([("Host", route.host)] if route.host is not None else [])]
    fixed = [("Upgrade", "$nginxws_upgrade"), ("Connection", "$nginxws_connection")]
    taken = {"upgrade", "connection"}
    found = list(fixed)
    for source in (own, inherited, list(ours.items())):
        found += [(name, value) for name, value in source if name.lower() not in taken]
        taken |= {name.lower() for name, _ in source}
    return found


def expected_locations(route: Route, inherited: Sequence[tuple[str, str]] = ()) -> list[Shape]:
    """The locations of a route with the default preset, for an NGINX that lacks nothing."""
    modifier = {"priority": "^~", "prefix": "", "exact": "=", "regex": "~"}[route.match]
    words = ["location", *([modifier] if modifier else []), route.path]
    upstream = len(route.backends) > 1 or bool(route.backends[0].parameters)
    place = route.upstream_name if upstream else route.backends[0].address
    target = f"{'https' if route.tls else 'http'}://{place}"
    found = [block(words, _body(route, target, inherited))]
    if route.slashless != "none":
        alias = f"{target}:" if "://unix:" in target else target
        inside = _body(route, alias + route.path, inherited)
        if route.slashless == "redirect":
            inside = [leaf("absolute_redirect", "off"), leaf("return", "308", f"{route.path}$is_args$args")]
        found.append(block(["location", "=", route.path[:-1]], inside))
    return found


def _body(route: Route, target: str, inherited: Sequence[tuple[str, str]]) -> list[Shape]:
    inside = [
        leaf("proxy_pass", target),
        leaf("proxy_http_version", "1.1"),
        leaf("proxy_socket_keepalive", "on"),
    ]
    inside += [leaf("proxy_set_header", *pair) for pair in expected_headers(route, inherited)]
    for name in ("read", "send", "connect"):
        seconds = getattr(route, f"{name}_timeout")
        if seconds is not None:
            inside.append(leaf(f"proxy_{name}_timeout", format_duration(seconds)))
    if route.tls and (server_name := route.server_name):
        inside += [leaf("proxy_ssl_server_name", "on"), leaf("proxy_ssl_name", server_name)]
    if route.tls_ca:
        inside += [leaf("proxy_ssl_trusted_certificate", route.tls_ca), leaf("proxy_ssl_verify", "on")]
        inside.append(leaf("proxy_ssl_verify_depth", "3"))
    return inside


def expected_upstream(route: Route) -> list[Shape]:
    """The upstream block, if the route needs one."""
    if route.upstream_name is None:
        return []
    methods = {"round-robin": [], "random": [leaf("random", "two", "least_conn")]}
    named = {"least-conn": [leaf("least_conn")], "ip-hash": [leaf("ip_hash")]}
    servers = [leaf("server", one.address, *one.parameters) for one in route.backends]
    return [block(["upstream", route.upstream_name], [*(methods | named)[route.balance], *servers])]


#: The two maps in http context.
EXPECTED_MAPS = [
    block(["map", source, variable], [leaf("default", ""), leaf("websocket", sent)])
    for source, variable, sent in (
        ("$http_upgrade", "$nginxws_upgrade", "websocket"),
        ("$nginxws_upgrade", "$nginxws_connection", "upgrade"),
    )
]
