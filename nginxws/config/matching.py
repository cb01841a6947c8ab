"""Which location serves a URI: NGINX's own choice, step by step, and the reason in words.

Source of the rules: ngx_http_core_location, ngx_http_core_find_location and ngx_http_parse_complex_uri in
nginx's http/ngx_http_core_module.c and http/ngx_http_parse.c. Everything compares bytes, as nginx does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from nginxws.config.document import Directive
from nginxws.config.names import parsing
from nginxws.config.octets import shown, to_bytes, to_text
from nginxws.config.pcre import compile_pcre
from nginxws.config.uri import normalise

if TYPE_CHECKING:
    from nginxws.config.servers import ServerBlock
    from nginxws.config.tree import Located

_MODIFIERS = frozenset({b"=", b"^~", b"~", b"~*"})
_GLUED = re.compile(rb"(=|\^~|~\*|~|)(.*)", re.DOTALL)

# These make nginx answer `/x` with a redirect to `/x/` where only the location `/x/` has them.
_PASSING = frozenset(
    {b"proxy_pass", b"fastcgi_pass", b"uwsgi_pass", b"scgi_pass", b"grpc_pass", b"memcached_pass"}
)


@dataclass(frozen=True, slots=True)
class LocationKey:
    """What a location matches: ``modifier`` is one of ``'' = ^~ ~ ~* @``, ``path`` a path, regex or name."""

    modifier: str
    path: str

    @property
    def is_regex(self) -> bool:
        """Whether nginx tries it in its order, after the prefixes (``~`` and ``~*``)."""
        return self.modifier in ("~", "~*")

    @property
    def raw(self) -> bytes:
        """The path as bytes."""
        return to_bytes(self.path)

    def matches(self, uri: bytes) -> bool:
        """Whether this regex matches; False for one that `re` can't express."""
        regex = compile_pcre(self.raw, caseless=self.modifier == "~*")
        return regex is not None and regex.search(uri) is not None

    def __str__(self) -> str:
        separator = " " if self.modifier not in ("", "@") else ""
        return f"{self.modifier}{separator}{self.path}"


def location_key(directive: Directive) -> LocationKey:
    """A ``location``'s modifier and path, glued spellings such as ``location =/x`` included."""
    words = directive.args
    if len(words) >= 2 and words[0] in _MODIFIERS:
        modifier, path = words[0], words[1]
    else:
        word = words[0] if words else b""
        glued = _GLUED.fullmatch(word)
        assert glued is not None  # the pattern takes any bytes
        modifier, path = glued[1], glued[2]
        if word.startswith(b"@"):
            modifier, path = b"@", word[1:]
    return LocationKey(to_text(modifier), to_text(path))


def find_same(server: ServerBlock, modifier: str, path: str) -> Located | None:
    """The location that nginx would call a duplicate of this one, or None.

    Plain and ``^~`` prefixes share one name space. A regex is the same when its text and modifier are: nginx
    takes both, and the second never gets a request.
    """
    return Locations.of(server).find_same(modifier, path)


def serve(server: ServerBlock, uri: str) -> Match:
    """The location that answers a URI, as nginx chooses it.

    ``uri`` is as a client sends it (percent-encoded, with or without query). For many URIs of one server keep
    a ``Locations``. Raises InvalidInput for a URI that nginx answers with 400.
    """
    return Locations.of(server).serve(uri)


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A location that matches the URI as well, and why it doesn't get it."""

    location: Located
    reason: str


@dataclass(frozen=True, slots=True)
class Match:
    """NGINX's choice for a URI.

    ``location`` is None when no location matches (the server block's own directives serve the request).
    ``uri`` is what nginx compares: decoded and normalised. ``redirect`` says that nginx itself answers 301,
    to the same URI with a slash. ``uncertain`` are regexes that `re` can't express and nginx tries first: any
    of them may take the URI.
    """

    location: Located | None
    reason: str
    uri: bytes
    redirect: bool = False
    passed_over: tuple[PassedOver, ...] = ()
    uncertain: tuple[Located, ...] = ()


class Locations:
    """The locations of one level (a server, or a location with nested ones), ready to be asked."""

    __slots__ = ("_children", "_merge_slashes", "exact", "lengths", "named", "prefix", "regexes", "server")

    def __init__(self, server: ServerBlock, locations: Iterable[Located]) -> None:
        self.server = server
        self._merge_slashes: bool | None = None
        self._children: dict[int, Locations] = {}
        self.exact: dict[bytes, Located] = {}
        self.prefix: dict[bytes, Located] = {}
        self.named: dict[bytes, Located] = {}
        self.regexes: list[tuple[LocationKey, Located]] = []
        for located in locations:
            key = location_key(located.directive)
            if key.is_regex:
                self.regexes.append((key, located))
            else:
                self._names(key.modifier).setdefault(key.raw, located)
        self.lengths = sorted({len(path) for path in self.prefix}, reverse=True)

    @staticmethod
    @lru_cache(maxsize=8)
    def of(server: ServerBlock) -> Locations:
        """The index of a server, built once: a plan asks for every route."""
        return Locations(server, server.locations)

    def _names(self, modifier: str) -> dict[bytes, Located]:
        return self.exact if modifier == "=" else self.named if modifier == "@" else self.prefix

    def find_same(self, modifier: str, path: str) -> Located | None:
        """See the function of this name."""
        wanted = LocationKey(modifier, path)
        if not wanted.is_regex:
            return self._names(modifier).get(wanted.raw)
        return next((located for key, located in self.regexes if key == wanted), None)

    def serve(self, uri: str) -> Match:
        """See the function of this name."""
        if self._merge_slashes is None:
            self._merge_slashes = parsing(self.server).setting(b"merge_slashes") != b"off"
        return _Search(normalise(uri, merge_slashes=self._merge_slashes)).run(self)

    def keepers(self, modifier: str, path: str) -> Iterator[Located]:
        """What would keep exactly ``path`` from a new location with it (no regex) on this level.

        An exact location comes before every prefix, a regex that matches before a plain one.
        """
        uri = LocationKey(modifier, path).raw
        if modifier != "=" and uri in self.exact:
            yield self.exact[uri]
        if modifier == "":
            yield from (located for key, located in self.regexes if key.matches(uri))

    def prefixes(self, uri: bytes) -> Iterator[tuple[bytes, Located]]:
        """The prefix locations that match, longest first."""
        for length in self.lengths:
            if length <= len(uri) and (located := self.prefix.get(uri[:length])) is not None:
                yield uri[:length], located

    def slash_redirect(self, uri: bytes) -> Located | None:
        """The proxying location ``URI/`` because of which nginx answers 301 itself."""
        for names in (self.exact, self.prefix):
            located = names.get(uri + b"/")
            if located is not None and any(
                child.directive.name in _PASSING for child in self.server.inside(located)
            ):
                return self.exact.get(uri + b"/") or located
        return None

    def nested(self, located: Located) -> Locations:
        """The level inside a location."""
        known = self._children.get(id(located))
        if known is None:
            inside = self.server.inside(located)
            known = Locations(self.server, [one for one in inside if one.directive.name == b"location"])
            self._children[id(located)] = known
        return known


class _Search:
    """One run of ngx_http_core_find_location, with its reasons."""

    def __init__(self, uri: bytes) -> None:
        self.uri = uri
        self.location: Located | None = None
        self.reason = "no location matches; the server block's own directives serve it"
        self.redirect = False
        self.final = False
        self.passed: list[PassedOver] = []
        self.uncertain: list[Located] = []

    def run(self, level: Locations) -> Match:
        self.find(level)
        passed = tuple(one for one in self.passed if one.location is not self.location)
        return Match(self.location, self.reason, self.uri, self.redirect, passed, tuple(self.uncertain))

    def find(self, level: Locations) -> None:
        """Choose on one level and inside the choice; sets ``final`` when outer regexes aren't tried."""
        noregex = False
        if self.static(level):
            return
        prefix = next(level.prefixes(self.uri), None)
        if prefix is not None:
            key = self.take_prefix(level, prefix[1])
            noregex = key.modifier == "^~"
            self.find(level.nested(prefix[1]))
            if self.final:
                return
        for key, located in level.regexes:
            self.try_regex(level, key, located, noregex)

    def static(self, level: Locations) -> bool:
        """The answers that end the search at once: an exact location, and nginx's own slash redirect."""
        exact = level.exact.get(self.uri)
        if exact is not None:
            self.choose(exact, "its exact match ends the search at once")
        elif self.uri not in level.prefix and (redirect := level.slash_redirect(self.uri)) is not None:
            self.choose(redirect, "NGINX answers 301 to the same URI with a slash, as only that is proxied")
            self.redirect = True
        else:
            return False
        self.final = True
        self.pass_over(level, "an exact match ends the search" if exact else "the redirect comes first")
        return True

    def take_prefix(self, level: Locations, located: Located) -> LocationKey:
        key = location_key(located.directive)
        why = "its ^~ keeps regexes from being tried" if key.modifier == "^~" else "no regex takes it"
        if self.location is not None:
            self.passed.append(PassedOver(self.location, f"{key}, nested in it, matches too"))
        self.choose(located, f"it is the longest matching prefix, and {why}")
        for shorter, other in level.prefixes(self.uri):
            if other is not located:
                reason = f"{key} is longer than {shown(shorter)}"
                self.passed.append(PassedOver(other, reason))
        return key

    def try_regex(self, level: Locations, key: LocationKey, located: Located, noregex: bool) -> None:
        regex = compile_pcre(key.raw, caseless=key.modifier == "~*")
        if regex is None:
            if not self.final and not noregex:
                self.uncertain.append(located)
        elif regex.search(self.uri) is None:
            return
        elif self.final:
            self.passed.append(PassedOver(located, "a regex before it matches first"))
        elif noregex:
            self.passed.append(PassedOver(located, "the ^~ of the longest prefix keeps regexes out"))
        else:
            if self.location is not None:
                self.passed.append(PassedOver(self.location, f"the regex {key} beats a plain prefix"))
            self.choose(located, "it is the first regex that matches, and no ^~ or = comes before it")
            self.find(level.nested(located))
            self.final = True

    def choose(self, located: Located, reason: str) -> None:
        self.location, self.reason = located, reason

    def pass_over(self, level: Locations, reason: str) -> None:
        """Note what else would have matched on this level."""
        others = [located for _, located in level.prefixes(self.uri)]
        others += [located for key, located in level.regexes if key.matches(self.uri)]
        self.passed.extend(PassedOver(other, reason) for other in others)
