"""Which locations pass a WebSocket's upgrade on.

Source of the rules: `proxy_set_header` of the nginx documentation (inherited only by a level that has none;
an empty value sends no such header).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from nginxws.config.servers import ServerBlock, inherited
from nginxws.config.tree import Located

_HEADER = b"proxy_set_header"


def passes_upgrade(server: ServerBlock, location: Located, inside: Sequence[Located] | None = None) -> bool:
    """Whether a location of this server proxies, with the Upgrade header set there or by its parents.

    ``inside`` is what it holds, when known.
    """
    inside = server.inside(location) if inside is None else inside
    if not any(one.directive.name == b"proxy_pass" for one in inside):
        return False
    return _sends_upgrade(headers_in_force(server, location, inside))


def headers_in_force(server: ServerBlock, location: Located, inside: Sequence[Located]) -> list[Located]:
    """The ``proxy_set_header`` directives that a location obeys: those of the nearest level with any."""
    level: Located | None = location
    while level is not None:
        own = [one for one in inside if one.directive.name == _HEADER]
        if own:
            return own
        level = _enclosing(level)
        inside = () if level is None else server.inside(level)
    return inherited(server, _HEADER)


def _enclosing(location: Located) -> Located | None:
    """The location that this one is nested in, through includes."""
    step = location
    while step.directive.parent is None and step.via:
        step = step.via[-1]
    parent = step.directive.parent
    if parent is None or parent.name != b"location":
        return None
    return Located(parent, step.file, step.via)


def _sends_upgrade(headers: Iterable[Located]) -> bool:
    words = (one.directive.args for one in headers)
    return any(len(args) == 2 and args[0].lower() == b"upgrade" and args[1] != b"" for args in words)
