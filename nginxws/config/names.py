"""Which server NGINX chooses for a host name.

Source of the rules: "Server names" of the nginx documentation, ngx_http_find_virtual_server.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from nginxws.config.octets import to_bytes
from nginxws.config.pcre import compile_pcre

if TYPE_CHECKING:
    from nginxws.config.servers import ServerBlock


# What a server_name is, from the weakest: `~x`, `x.*`, `*.x` or `.x`, `x`.
_REGEX, _HEAD, _TAIL, _EXACT = range(4)


def resolve(servers: Sequence[ServerBlock], host: str, port: int | None) -> list[ServerBlock]:
    """The servers nginx would choose for a Host header by name, one for each address they listen on.

    Only listeners of ``port`` count, or all for None. A server chosen merely for being the default isn't
    among them.
    """
    found: dict[int, ServerBlock] = {}
    for group in _groups(servers, port):
        chosen = by_name(group, host)
        if chosen is not None:
            found[id(chosen)] = chosen
    return list(found.values())


def answering(servers: Sequence[ServerBlock], host: str, port: int) -> list[ServerBlock]:
    """The servers that answer a Host header on a port, one for each address; nginx's default included."""
    found: dict[int, ServerBlock] = {}
    for group in _groups(servers, port):
        chosen = by_name(group, host) or _default(group, port)
        found[id(chosen)] = chosen
    return list(found.values())


def by_name(group: Sequence[ServerBlock], host: str) -> ServerBlock | None:
    """Nginx's choice on one address: exact name, longest ``*.x``, longest ``x.*``, first regex."""
    wanted = host.lower().removesuffix(".")
    best: tuple[int, ...] | None = None
    chosen: ServerBlock | None = None
    for server in group:
        for name in server.names or ("",):
            rank = _rank(name, wanted)
            if rank is not None and (best is None or rank > best):
                best, chosen = rank, server
    return chosen


def _rank(name: str, host: str) -> tuple[int, ...] | None:
    """How well a ``server_name`` fits: its kind, and for a pattern its length; higher is better; or None."""
    if name.startswith("~"):
        pattern = to_bytes(name[1:])
        # nginx compiles a name with capital letters caseless; the host is lower case already.
        regex = compile_pcre(pattern, caseless=name != name.lower())
        hit = regex is not None and regex.search(to_bytes(host))
        return (_REGEX,) if hit else None
    name = name.lower()
    if name == host or (name.startswith(".") and name[1:] == host):
        return (_EXACT,)
    tail = name.removeprefix("*")
    if tail.startswith(".") and host.endswith(tail):
        return _TAIL, len(tail)
    if name.endswith(".*") and host.startswith(name[:-1]) and len(host) > len(name) - 1:
        return _HEAD, len(name)
    return None


def parsing(server: ServerBlock) -> ServerBlock:
    """The server whose settings nginx reads a request line by: over TLS the one of SNI, else the default.

    The Host header comes after the request line, so ``merge_slashes`` is that server's.
    """
    listen = server.listens[0]
    if listen.ssl or listen.port is None:
        return server
    sharing = [
        one for one in server.tree.http_servers() if any(x.address == listen.address for x in one.listens)
    ]
    return _default(sharing, listen.port)


def _default(group: Sequence[ServerBlock], port: int) -> ServerBlock:
    """The one with ``default_server`` on the port, else the first."""
    marked = (one for one in group if any(x.default_server and x.port == port for x in one.listens))
    return next(marked, group[0])


def _groups(servers: Iterable[ServerBlock], port: int | None) -> Iterator[list[ServerBlock]]:
    """Servers by the address they share, each once, in nginx's order."""
    groups: dict[str, dict[int, ServerBlock]] = {}
    for server in servers:
        for listen in server.listens:
            if port is None or listen.port == port:
                groups.setdefault(listen.address, {})[id(server)] = server
    for group in groups.values():
        yield list(group.values())
