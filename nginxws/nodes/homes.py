"""Homes: how an NGINX is laid out on a kind of system. Data only.

A home fills in what the user didn't say; what it leaves empty is found out on
the node (``nginx -V``, the running master's command line).
"""

from __future__ import annotations

from dataclasses import dataclass

from nginxws.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Home:
    """One layout: main configuration file, program, and the command that reloads it."""

    name: str
    about: str
    conf: str = ""
    binary: str = ""
    reload: str = ""


HOMES: dict[str, Home] = {
    home.name: home
    for home in (
        Home("debian", "Debian and Ubuntu packages", "/etc/nginx/nginx.conf"),
        Home("rhel", "RHEL, Fedora, Alma, Rocky packages, and nginx.org's", "/etc/nginx/nginx.conf"),
        Home("alpine", "Alpine packages (http.d)", "/etc/nginx/nginx.conf"),
        Home(
            "openresty",
            "OpenResty's own packages",
            "/usr/local/openresty/nginx/conf/nginx.conf",
            "/usr/local/openresty/bin/openresty",
        ),
        Home("freebsd", "FreeBSD packages", "/usr/local/etc/nginx/nginx.conf", "/usr/local/sbin/nginx"),
        Home("jelastic", "Jelastic/Virtuozzo balancer nodes (login user nginx)", "/etc/nginx/nginx.conf"),
        Home("generic", "anything else: say --nginx-conf and --nginx-bin"),
    )
}


def find(name: str) -> Home:
    """The home of that name; an empty name is ``generic``. Raises InvalidInput."""
    if not name:
        return HOMES["generic"]
    try:
        return HOMES[name]
    except KeyError:
        raise InvalidInput(f"unknown home {name!r}", hint=f"one of: {', '.join(HOMES)}") from None
