"""Where a route can be proved from its own node: a listener of its server, and a name to ask for."""

from __future__ import annotations

import re

from nginxws.config.servers import Listen, ServerBlock
from nginxws.plan import ProbePoint
from nginxws.route import Match, Route

#: A name that no server has (RFC 6761, section 6.4): NGINX answers it with the default server.
_NOBODY = "nginxws.invalid"
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_.-]+")


def probe_point(route: Route, server: ServerBlock, wanted: str | None) -> ProbePoint:
    """The probe of a route in a server; ``wanted`` is what the user said of the server."""
    path = route.path if route.match is not Match.REGEX else "/"
    host = _host(server)
    listen = _listener(server, wanted)
    if listen is None or listen.port is None:
        return ProbePoint(route.path, path, host or _NOBODY, problem="this server has no TCP port to probe")
    problem = None
    if host is None:
        problem = f"no host name follows from the server_name {server.names[0]}: give one with --probe-host"
    name = host or _NOBODY
    shown = name if listen.port == (443 if listen.ssl else 80) else f"{name}:{listen.port}"
    return ProbePoint(
        route.path, path, shown, _address(listen), listen.port, listen.ssl, listen.proxy_protocol, problem
    )


def _listener(server: ServerBlock, wanted: str | None) -> Listen | None:
    """The port the user named, else the first TCP listener."""
    usable = [one for one in server.listens if one.port is not None and not one.quic]
    port = (wanted or "").rpartition(":")[2]
    return next((one for one in usable if str(one.port) == port), usable[0] if usable else None)


def _address(listen: Listen) -> str:
    """The listener's address as one can dial it on the node itself."""
    if listen.host in ("*", "0.0.0.0"):  # noqa: S104 (compared with, not bound to)
        return "127.0.0.1"
    bare = listen.host.strip("[]")
    return "::1" if bare == "::" else bare


def _host(server: ServerBlock) -> str | None:
    """A name that NGINX answers with this server; None when none can be made up."""
    for name in server.names:
        if name == "_":
            continue
        candidate = re.sub(r"^\*\.", "nginxws.", name).lstrip(".")
        candidate = re.sub(r"\.\*$", ".example", candidate)
        if not name.startswith("~") and _PLAIN_NAME.fullmatch(candidate):
            return candidate
    if not server.names or "_" in server.names or any(listen.default_server for listen in server.listens):
        return _NOBODY
    return None
