"""Server blocks: what they listen on, what they are called, and which one is meant.

Source of the rules: nginx's `listen` and `server_name` documentation, ngx_parse_url (core/ngx_inet.c).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from nginxws.config.names import resolve
from nginxws.config.octets import to_text
from nginxws.config.serving import judge
from nginxws.errors import ServerChoiceError

if TYPE_CHECKING:
    from nginxws.config.document import Directive
    from nginxws.config.tree import ConfigFile, ConfigTree, Located

_LISTED = 20
"""How many candidates an error lists."""

_NOWHERE = "add a server block with a location, or give the file that has one"

_NAME_PORT = re.compile(r"(.*):([0-9]{1,5})", re.DOTALL)
_ADDRESS = re.compile(r"(\[[^\]]*\]|[^:]*)(?::(\d+)(?:-(\d+))?)?")


@dataclass(frozen=True, slots=True)
class Listen:
    """One listening socket. ``raw`` is the address as written; ``port`` is None for unix sockets.

    ``host`` is ``*`` for any IPv4 address, else as written: ``127.0.0.1``, ``[::]``, ``unix:/path``.
    """

    raw: str
    host: str = "*"
    port: int | None = 80
    ssl: bool = False
    default_server: bool = False
    proxy_protocol: bool = False
    http2: bool = False
    quic: bool = False

    @property
    def address(self) -> str:
        """``host:port``, or the unix socket."""
        return self.host if self.port is None else f"{self.host}:{self.port}"


def parse_listen(words: tuple[bytes, ...]) -> list[Listen]:
    """The sockets a ``listen`` directive's arguments name: several for a range, none if malformed."""
    if not words:
        return []
    raw, *options = map(to_text, words)
    flags = {
        "ssl": "ssl" in options,
        "default_server": "default_server" in options or "default" in options,
        "proxy_protocol": "proxy_protocol" in options,
        "http2": "http2" in options,
        "quic": "quic" in options,
    }
    if raw.startswith("unix:"):
        return [Listen(raw, raw, None, **flags)]
    if re.fullmatch(r"\d+(-\d+)?", raw):
        return [Listen(raw, "*", port, **flags) for port in _ports(*raw.partition("-")[::2])]
    address = _ADDRESS.fullmatch(raw)
    if address is None:
        return []
    return [Listen(raw, address[1] or "*", port, **flags) for port in _ports(address[2], address[3])]


def _ports(first: str | None, last: str | None) -> range:
    """Port numbers from first to last, the bounds that TCP has kept."""
    start = min(int((first or "80")[:6]), 65535)
    return range(start, min(int((last or "0")[:6]) or start, 65535) + 1)


@dataclass(frozen=True, slots=True, eq=False)
class ServerBlock:
    """A ``server`` of ``http``, with what its includes bring.

    ``listens`` has nginx's implicit ``*:80`` where none is written. ``names`` are as written, in order.
    ``serves`` is False for a block that only redirects or refuses, and ``why_not`` says so in words;
    ``reachable`` is False where no request even gets to a location. ``locations`` are the direct ones, in
    nginx's order.
    """

    tree: ConfigTree = field(repr=False)
    file: ConfigFile
    directive: Directive
    via: tuple[Located, ...] = field(repr=False)
    listens: tuple[Listen, ...]
    names: tuple[str, ...]
    serves: bool
    reachable: bool
    why_not: str
    locations: tuple[Located, ...] = field(repr=False)

    @property
    def line(self) -> int:
        """Line of the ``server`` directive, counting from 1."""
        return self.directive.line

    @property
    def where(self) -> str:
        """``file:line``."""
        return f"{self.file.path}:{self.line}"

    @property
    def ports(self) -> tuple[int, ...]:
        """The TCP ports, in order, each once."""
        return tuple(dict.fromkeys(listen.port for listen in self.listens if listen.port is not None))

    @property
    def label(self) -> str:
        """What messages call it: ``chat.example.com:443 (/etc/nginx/x.conf:12)``."""
        name = self.names[0] if self.names else ""
        port = f":{self.ports[0]}" if self.ports else ""
        return f"{name}{port} ({self.where})" if name or port else f"{self.listens[0].raw} ({self.where})"

    def inside(self, located: Located) -> list[Located]:
        """What a block of this server holds, includes expanded."""
        return list(self.tree.expand(located.directive.children, located.file, located.via))

    def setting(self, name: bytes) -> bytes | None:
        """The first argument of a directive in force here (this server's, else ``http``'s); None: not set."""
        found = inherited(self, name)
        return found[-1].directive.args[0] if found and found[-1].directive.args else None


def read_server(tree: ConfigTree, located: Located) -> ServerBlock:
    """Read a ``server`` directive of a tree."""
    directives = list(tree.expand(located.directive.children, located.file, located.via))
    listens: list[Listen] = []
    names: list[str] = []
    for one in directives:
        if one.directive.name == b"listen":
            listens.extend(parse_listen(one.directive.args))
        elif one.directive.name == b"server_name":
            names.extend(map(to_text, one.directive.args))
    if not listens:
        listens.append(Listen("*:80"))
    # Once for the whole server: `ssl on` (before 1.25.1), `http2 on`.
    ssl, http2 = (any(_is_on(one.directive, name) for one in directives) for name in (b"ssl", b"http2"))
    listens = [replace(one, ssl=one.ssl or ssl, http2=one.http2 or http2) for one in listens]
    tls = [listen.ssl or listen.quic for listen in listens]

    def inside(block: Located) -> list[Located]:
        return list(tree.expand(block.directive.children, block.file, block.via))

    verdict = judge(directives, tls_only=all(tls), plain_only=not any(tls), inside=inside)
    return ServerBlock(
        tree=tree,
        file=located.file,
        directive=located.directive,
        via=located.via,
        listens=tuple(listens),
        names=tuple(names),
        serves=verdict.serves,
        reachable=verdict.reachable,
        why_not=verdict.why_not,
        locations=tuple(one for one in directives if one.directive.name == b"location"),
    )


def _is_on(directive: Directive, name: bytes) -> bool:
    return directive.name == name and directive.args == (b"on",)


def inherited(server: ServerBlock, name: bytes) -> list[Located]:
    """The directives of this name that a location of the server inherits (array directives such as
    ``proxy_set_header``): all of the server's, through includes; if it has none, all of ``http``'s.
    """
    return list(_inherited(server, name))


@lru_cache(maxsize=32)
def _inherited(server: ServerBlock, name: bytes) -> tuple[Located, ...]:
    """Looked up once: a plan asks for every route."""
    tree = server.tree
    own = tree.expand(server.directive.children, server.file, server.via)
    found = tuple(located for located in own if located.directive.name == name)
    return found or tuple(located for located in tree.http_level() if located.directive.name == name)


def choose_server(tree: ConfigTree, wanted: str | None) -> ServerBlock:
    """The server block that is meant.

    ``wanted`` is ``NAME[:PORT]``: a ``server_name`` as written (letter case aside), else the server that
    nginx would choose for that name; ``:PORT``, a listen address such as ``10.0.0.1:80``, and ``FILE:LINE``
    of the block do as well. None means the only server that serves traffic. Where several fit, the only one
    that serves wins. Raises ServerChoiceError, which lists the candidates with the argument to give.
    """
    servers = list({id(server.directive): server for server in tree.http_servers()}.values())
    if not servers:
        message = "there is no server block for HTTP in this configuration"
        raise _error(
            tree, [], [], message, "give the main file by --nginx-conf, or the site's file by --file"
        )
    if wanted is None:
        found = [server for server in servers if server.serves]
        message = "no server block serves traffic"
    else:
        found = _named(servers, wanted)
        message = f"no server block fits --server {wanted}"
    if not found:
        hint = "name one of these" if any(one.reachable for one in servers) else _NOWHERE
        raise _error(tree, servers, servers, message, hint)
    best = _best(found)
    if len(best) == 1:
        return best[0]
    if not best:
        reasons = "; ".join(f"{server.label}: {server.why_not}" for server in found[:_LISTED])
        message = f"no request would get to the route there: {reasons}"
        others = [server for server in servers if server.reachable]
        raise _error(tree, servers, others, message, "name another one" if others else _NOWHERE)
    raise _error(tree, servers, best, f"{len(best)} server blocks could be meant", "say which one")


def named(tree: ConfigTree, wanted: str) -> list[ServerBlock]:
    """All servers that ``NAME[:PORT]`` may mean, those that don't serve included.

    Raises ServerChoiceError when it means none.
    """
    return _named(tree.http_servers(), wanted) or [choose_server(tree, wanted)]


def is_called(tree: ConfigTree, wanted: str) -> bool:
    """Whether a server has the name of ``NAME[:PORT]``, and listens there; without a port, anywhere."""
    with_port = _NAME_PORT.fullmatch(wanted)
    name, port = (with_port[1], int(with_port[2])) if with_port else (wanted, None)
    return any(port in (None, *one.ports) for one in _called(tree.http_servers(), name))


def _best(found: Sequence[ServerBlock]) -> list[ServerBlock]:
    """Those that serve; if none does, those that could."""
    return [one for one in found if one.serves] or [one for one in found if one.reachable]


def _named(servers: Sequence[ServerBlock], wanted: str) -> list[ServerBlock]:
    """All servers that a --server argument may mean, the closest reading first."""
    with_port = _NAME_PORT.fullmatch(wanted)
    name, port = (with_port[1], int(with_port[2])) if with_port else (wanted, None)
    readings = [[one for one in servers if one.where == wanted], _called(servers, wanted)]
    if port is not None:
        on_port = [one for one in servers if port in one.ports]
        readings.append(_called(on_port, name) if name else on_port)
    readings.append([one for one in servers if any(wanted == listen.address for listen in one.listens)])
    readings.append(resolve(servers, name, port))
    found = [reading for reading in readings if reading]
    return found[0] if found else []


def _called(servers: Sequence[ServerBlock], name: str) -> list[ServerBlock]:
    same = name.casefold()
    return [server for server in servers if any(one.casefold() == same for one in server.names)]


def spelling(servers: Sequence[ServerBlock], server: ServerBlock) -> str:
    """The shortest --server argument that means this server and no other: NAME:PORT where that does."""
    ports = [f":{port}" for port in server.ports]
    words = [name + port for name in server.names for port in ports]
    words += [*server.names, *ports, *(listen.address for listen in server.listens)]
    for word in words:
        if word and [id(one) for one in _best(_named(servers, word))] == [id(server)]:
            return word
    return server.where


def _error(
    tree: ConfigTree, servers: Sequence[ServerBlock], listed: Sequence[ServerBlock], message: str, hint: str
) -> ServerChoiceError:
    lines = [hint, *(_line(servers, server) for server in listed[:_LISTED])]
    if len(listed) > _LISTED:
        lines.append(f"  and {len(listed) - _LISTED} more")
    return ServerChoiceError(message, hint="\n".join(lines), file=tree.main)


def _line(servers: Sequence[ServerBlock], server: ServerBlock) -> str:
    """A candidate with the argument that chooses it, or with the reason why none does."""
    if not server.reachable:
        return f"  not {server.label}: {server.why_not}"
    word = spelling(servers, server)
    place = server.label if word == server.where else f"({server.where})"
    return f"  --server {shlex.quote(word)}  {place}" + (f": {server.why_not}" if server.why_not else "")
