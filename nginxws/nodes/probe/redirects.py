"""Where a redirect leads tells why there is no WebSocket: WebSocket clients don't follow it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from nginxws.printable import excerpt

if TYPE_CHECKING:
    from nginxws.nodes.probe.types import AnsweredBy, ProbeRequest

_FOLLOW = "WebSocket clients don't follow redirects"


def redirect_meaning(
    status: int, who: AnsweredBy, request: ProbeRequest, location: str
) -> tuple[str, str | None]:
    """The meaning of a 3xx with this Location header, and the next step."""
    target = _split(location)
    path = request.path.partition("?")[0]
    if target.path != path and target.path.rstrip("/") == path.rstrip("/") != "":
        return _slash(who, request, path, excerpt(target.path, 200))
    if target.path == path and target.scheme in ("https", "wss"):
        found = _https(who, request, target)
        if found is not None:
            return found
    if target.path == path and target.netloc:
        return (
            f"{request.host} is redirected to {excerpt(target.netloc, 200)}, and {_FOLLOW}",
            f"use that name: {'in the URL' if request.from_url else '--server NAME, or --host'}",
        )
    where = f"to {excerpt(location, 200)}" if location else "without a target"
    return (
        f"a redirect {where}, and {_FOLLOW}; often it leads to a login page",
        f"send what a logged-in client has: {request.option('header')} Cookie=@env:NAME; "
        f"or take it as it is: {request.option('expect')} {status}",
    )


def _slash(who: AnsweredBy, request: ProbeRequest, path: str, target: str) -> tuple[str, str]:
    if who == "nginx" and target.endswith("/"):
        return (
            f"only {target} is proxied, {path} is redirected there, and {_FOLLOW}",
            f"connect to {target}, or add the route with --slashless alias to serve both",
        )
    step = "put it into the URL" if request.from_url else f"{request.option('path')} {target}"
    return f"the socket's path is {target}, {path} is redirected there, and {_FOLLOW}", f"probe that: {step}"


def _https(who: AnsweredBy, request: ProbeRequest, target: SplitResult) -> tuple[str, str] | None:
    if not request.tls:
        only = "this listener" if who == "nginx" else "it"
        return (
            f"{only} only redirects to HTTPS, and {_FOLLOW}",
            "probe it as wss://"
            if request.from_url
            else "put the route on the TLS server: --server NAME:443",
        )
    if who != "nginx" and target.netloc.lower() == request.host.lower():
        return (
            "it redirects to HTTPS although it was asked over TLS: X-Forwarded-Proto doesn't reach it",
            "send it: --header X-Forwarded-Proto=https on the route",
        )
    return None


def _split(url: str) -> SplitResult:
    """The parts of a target; no path behind a host is ``/``."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return SplitResult("", "", "", "", "")
    return parts._replace(path="/") if parts.netloc and not parts.path else parts
