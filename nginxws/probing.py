"""Where a route can be proved from its own node: a listener of its server, and a name to ask for."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nginxws.config.names import answering
from nginxws.config.servers import Listen, ServerBlock
from nginxws.plan import ProbePoint
from nginxws.route import Match, Route

#: A name that no server has (RFC 6761, section 6.4): NGINX answers it with the default server.
_NOBODY = "nginxws.invalid"
#: Stands for what a wildcard leaves open.
_ANY = "nginxws"
#: What can stand in a Host header as it is: labels of at most 63 characters.
_PLAIN_NAME = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?")
_UNSPECIFIED = {"*": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (compared with, not bound to)


def probe_point(route: Route, server: ServerBlock, wanted: str | None) -> ProbePoint:
    """The probe of a route in a server; ``wanted`` is what the user said of the server."""
    path = route.path if route.match is not Match.REGEX else "/"
    listen = _listener(server, wanted)
    if listen is None or listen.port is None:
        no_port = "this server has no TCP port to probe"
        return ProbePoint(route.path, path, _NOBODY, problem=no_port, server=wanted)
    host, problem = _host(server, listen), None
    if host is None:
        names = " ".join(server.names) or '""'
        problem = f"NGINX answers no name that follows from server_name {names} with this server"
    elif listen.port != (443 if listen.ssl else 80):
        host = f"{host}:{listen.port}"
    address = listen.host.strip("[]")
    return ProbePoint(
        route.path,
        path,
        host,
        _UNSPECIFIED.get(address, address),
        listen.port,
        listen.ssl,
        listen.proxy_protocol,
        problem,
        wanted,
    )


def _listener(server: ServerBlock, wanted: str | None) -> Listen | None:
    """The TCP listener whose port the user named, else the first."""
    usable = [one for one in server.listens if one.port is not None and not one.quic]
    port = (wanted or "").rpartition(":")[2]
    return next((one for one in usable if str(one.port) == port), usable[0] if usable else None)


def _host(server: ServerBlock, listen: Listen) -> str | None:
    """A name that NGINX answers with this server on this address; None when none can be made up."""
    assert listen.port is not None
    sharing = [
        one for one in server.tree.http_servers() if any(x.address == listen.address for x in one.listens)
    ]
    for name in _candidates(server):
        if any(one.directive is server.directive for one in answering(sharing, name, listen.port)):
            return name
    return None


def _candidates(server: ServerBlock) -> Iterator[str]:
    """Names that may lead to the server: those it is called by, then one that only a default answers."""
    for name in server.names:
        plain = re.sub(r"\.\*\Z", f".{_ANY}", re.sub(r"\A\*\.", f"{_ANY}.", name)).removeprefix(".")
        if name != "_" and _PLAIN_NAME.fullmatch(plain):
            yield plain
    yield _NOBODY
    if "_" in server.names:
        yield "_"
