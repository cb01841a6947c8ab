"""What the answer to a handshake means behind NGINX, and what to do next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nginxws.nodes.probe.redirects import redirect_meaning
from nginxws.nodes.probe.refusals import UPGRADE_LOST, known_refusal
from nginxws.printable import excerpt

if TYPE_CHECKING:
    from nginxws.nodes.probe.types import AnsweredBy, ProbeRequest

_PLAIN_OR_GATEWAY = frozenset({200, 204, 502, 503, 504})

Meaning = tuple[str, str | None]


@dataclass(frozen=True, slots=True)
class _Case:
    """What a meaning depends on. ``body`` is the printable excerpt, ``location`` the redirect's target."""

    status: int
    who: AnsweredBy
    request: ProbeRequest
    body: str
    location: str

    @property
    def by_nginx(self) -> bool:
        return self.who == "nginx"

    def option(self, name: str) -> str:
        return self.request.option(name)

    @property
    def path_option(self) -> str:
        """Where the user says which path to probe."""
        return "the URL's path" if self.request.from_url else self.option("path")

    @property
    def tolerate(self) -> str:
        """How to go on although the probe can't succeed yet."""
        return "probe again" if self.request.from_url else "use --probe warn to keep the route meanwhile"


def who_text(who: AnsweredBy, status: int) -> str:
    """Who answered, for a sentence that goes on with "answered".

    Refusals and redirects that aren't on NGINX's own page are the application's, unless the
    configuration makes them up (``return 403 text``, ``error_page``).
    """
    if who == "nginx":
        return "NGINX itself"
    if who == "application":
        return "the application"
    return "NGINX or the application" if status in _PLAIN_OR_GATEWAY else "the application, it seems,"


def meaning(
    status: int, answered_by: AnsweredBy, request: ProbeRequest, *, body: str = "", location: str = ""
) -> Meaning:
    """A sentence that tells what this status means for the route, and the next step.

    ``body`` is the answer's printable excerpt, ``location`` its Location header.
    """
    case = _Case(status, answered_by, request, body, location)
    explain = _EXPLANATIONS.get(status, _other)
    text, hint = explain(case)
    return f"{who_text(answered_by, status)} answered {status}: {text}", hint


def _unexpected_upgrade(case: _Case) -> Meaning:
    return (
        f"the WebSocket opens, although {case.request.expect} was expected",
        f"leave out {case.option('expect')}, or find out why nobody had to log in",
    )


def _plain_page(case: _Case) -> Meaning:
    what = "an empty answer" if case.status == 204 else "a plain page"
    return (
        f"{what} instead of a WebSocket; what serves {_path(case)} doesn't take the upgrade",
        f"another location may win here, or the socket has another path: try {case.option('path')} PATH"
        if not case.request.from_url
        else "probe the path that the page's script connects to",
    )


def _redirect(case: _Case) -> Meaning:
    return redirect_meaning(case.status, case.who, case.request, case.location)


def _bad_request(case: _Case) -> Meaning:
    known = known_refusal(case.body)
    if known is not None:
        return known
    if case.by_nginx:
        return (
            "the request is malformed for it: a Host it can't take, or headers that are too large",
            f"look into the node's error log; check the host and {case.option('header')}",
        )
    return (
        "it refuses the handshake: the Upgrade headers were lost on the way, a part of the query is "
        "missing, or it doesn't know the Host",
        f"check {case.path_option} with its query, and --host on the route",
    )


def _unauthorized(case: _Case) -> Meaning:
    send = f"{case.option('header')} Authorization=@env:NAME (or Cookie=@file:PATH)"
    if case.by_nginx:
        return (
            "it wants a login (auth_basic or auth_request) before anything reaches the application",
            f"log the probe in: {send}",
        )
    return (
        "it wants a login",
        f"log the probe in: {send}; or take this as proof: {case.option('expect')} 401",
    )


def _forbidden(case: _Case) -> Meaning:
    wanted = f"{'https' if case.request.tls else 'http'}://{case.request.host}"
    origin = f"try {case.option('header')} Origin={wanted}"
    if case.request.sent_origin == wanted:
        origin = f"see whether {wanted} is among the origins that are allowed"
    if case.by_nginx:
        return (
            "the configuration forbids it: allow/deny, a check of Origin, or a file that isn't to be served",
            f"if Origin is checked, {origin}; the node's error log says which rule it was",
        )
    return (
        "it compares Origin with the Host it sees, or has no WebSocket at this path (ASGI servers answer so)",
        f"{origin}; check {case.path_option}, and --host on the route",
    )


def _not_found(case: _Case) -> Meaning:
    if case.by_nginx:
        return (
            f"no location that proxies serves {_path(case)} on {case.request.host}",
            "the request may reach another server block than the route's: check --server NAME:PORT"
            if not case.request.from_url
            else "add the route to the server block of this name and port: --server NAME:PORT",
        )
    option = "" if case.request.from_url else f": {case.option('path')} PATH"
    return (
        f"it has nothing at {_path(case)}; NGINX passes the path on as it is",
        f"probe the path it listens on{option} (Socket.IO: /socket.io/?EIO=4&transport=websocket)",
    )


def _method(case: _Case) -> Meaning:
    return (
        f"what serves {_path(case)} takes no GET, and every WebSocket starts with one",
        f"this path is an API, not the socket: try {case.option('path')} PATH"
        if not case.request.from_url
        else "this path is an API, not the socket: probe another",
    )


def _misdirected(case: _Case) -> Meaning:
    return (
        "the Host isn't one of the server that the TLS name chose",
        "probe with the name of the server block: "
        + ("use it in the URL" if case.request.from_url else "--server NAME:PORT"),
    )


def _upgrade_required(case: _Case) -> Meaning:
    return (
        "the Upgrade headers didn't reach the application, which is there and waits for them",
        UPGRADE_LOST,
    )


def _too_many(case: _Case) -> Meaning:
    return "too many requests from here for now", f"wait and {case.tolerate}"


def _client_gone(case: _Case) -> Meaning:
    return (
        "NGINX writes 499 in its log when a client goes away, and never sends it: something behind it did",
        "look into the application's log",
    )


def _internal(case: _Case) -> Meaning:
    if case.by_nginx:
        return (
            "its configuration fails on this request: an auth_request that gets 400 because it inherits "
            "Upgrade, a loop of rewrites, or a missing file",
            'read the node\'s error log; in an auth_request location set proxy_set_header Upgrade ""',
        )
    return "it fails while it handles the handshake", "read the application's log"


def _bad_gateway(case: _Case) -> Meaning:
    if case.who == "application":
        return "it can't reach what stands behind it", f"read its log; {case.tolerate}"
    return (
        "the backend refuses the connection, closes it, or doesn't speak HTTP",
        "check from the node that the backend listens at this address and port (https:// in front when it "
        f"speaks TLS); if it isn't up yet, {case.tolerate}",
    )


def _unavailable(case: _Case) -> Meaning:
    if case.by_nginx:
        return (
            "a limit (limit_conn, limit_req) or a maintenance rule turns the request away",
            f"look for return 503 and limits in this server block; {case.tolerate}",
        )
    return (
        "the service is down for maintenance or overloaded",
        f"wait for the application and {case.tolerate}",
    )


def _gateway_timeout(case: _Case) -> Meaning:
    if case.who == "application":
        return "what stands behind it doesn't answer", f"read its log; {case.tolerate}"
    return (
        "the backend doesn't answer in time: it hangs, or a firewall drops packets to it",
        f"check from the node that the backend's address and port answer; {case.tolerate}",
    )


def _other(case: _Case) -> Meaning:
    return (
        "not a WebSocket",
        f"if that is what the application should say: {case.option('expect')} {case.status}",
    )


_EXPLANATIONS: Mapping[int, Callable[[_Case], Meaning]] = {
    101: _unexpected_upgrade,
    200: _plain_page,
    204: _plain_page,
    **dict.fromkeys((301, 302, 303, 307, 308), _redirect),
    400: _bad_request,
    401: _unauthorized,
    403: _forbidden,
    404: _not_found,
    405: _method,
    421: _misdirected,
    426: _upgrade_required,
    429: _too_many,
    499: _client_gone,
    500: _internal,
    502: _bad_gateway,
    503: _unavailable,
    504: _gateway_timeout,
}


def _path(case: _Case) -> str:
    return excerpt(case.request.path.partition("?")[0], 200)
