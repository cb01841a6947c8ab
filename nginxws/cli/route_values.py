"""From the route options' values to a Route."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nginxws.route import Route


def make_route(path: str, backends: Sequence[str], options: Mapping[str, Any]) -> Route:
    """The route that the values of ``route_options`` describe. Raises InvalidInput."""
    return Route.create(
        path,
        backends,
        match=options["match"],
        slashless=options["slashless"],
        balance=options["balance"],
        read_timeout=options["read_timeout"],
        send_timeout=options["send_timeout"],
        connect_timeout=options["connect_timeout"],
        headers=options["headers"],
        host=options["host"],
        tls_name=options["tls_name"],
        tls_ca=options["tls_ca"],
        preset=options["preset"],
    )
