"""Every answer means something, and names a next step that exists."""

from __future__ import annotations

import re

import pytest

from nginxws.nodes.probe.meaning import meaning
from nginxws.nodes.probe.types import AnsweredBy, ProbeRequest

STATUSES = (
    200,
    204,
    301,
    302,
    303,
    307,
    308,
    400,
    401,
    403,
    404,
    405,
    418,
    421,
    426,
    429,
    499,
    500,
    502,
    503,
    504,
    520,
)
WHO: tuple[AnsweredBy, ...] = ("nginx", "application", "unknown")
NODE = ProbeRequest(path="/ws/?x=1", host="chat.example.com")
URL = ProbeRequest(path="/ws/?x=1", host="chat.example.com", from_url=True)

# The options of `nginxws probe`, of add-route's proof, and of a route.
URL_OPTIONS = {"--expect", "--header", "--origin", "--timeout", "--cacert", "--insecure", "--echo", "--idle"}
ROUTE_OPTIONS = {"--server", "--host", "--slashless", "--balance", "--read-timeout", "--connect-timeout"}
NODE_OPTIONS = {"--probe", "--probe-path", "--probe-header", "--probe-expect", "--probe-host", "--probe-url"}


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("request_", [NODE, URL], ids=["node", "url"])
def test_every_status(status: int, who: AnsweredBy, request_: ProbeRequest) -> None:
    message, hint = meaning(status, who, request_)
    assert f"answered {status}: " in message
    assert len(message) > len(f"the application answered {status}: not")
    assert hint
    allowed = ROUTE_OPTIONS | (URL_OPTIONS if request_.from_url else NODE_OPTIONS)
    assert set(re.findall(r"--[a-z][a-z-]*", f"{message} {hint}")) <= allowed


LOGIN = "a redirect to /login?next=/ws/"


@pytest.mark.parametrize(
    ("who", "path", "location", "words", "hint"),
    [
        ("nginx", "/ws", "/ws/", "only /ws/ is proxied", "--slashless alias"),
        ("nginx", "/ws?a=b", "http://chat.example.com/ws/?a=b", "only /ws/ is proxied", "--slashless alias"),
        ("unknown", "/ws", "/ws/", "the socket's path is /ws/", "--probe-path /ws/"),
        ("nginx", "/ws/", "/ws", "the socket's path is /ws,", "--probe-path /ws"),
        (
            "nginx",
            "/ws/",
            "https://chat.example.com/ws/",
            "this listener only redirects to HTTPS",
            "NAME:443",
        ),
        ("application", "/ws/", "https://chat.example.com/ws/", "it only redirects to HTTPS", "NAME:443"),
        ("nginx", "/ws/", "http://www.example.com/ws/", "redirected to www.example.com", "--host"),
        ("unknown", "/ws/", "/login?next=/ws/", LOGIN, "--probe-expect 302"),
        ("unknown", "/ws/", "", "without a target", "--probe-expect 302"),
        ("nginx", "/", "https://chat.example.com", "only redirects to HTTPS", "--server NAME:443"),
        ("unknown", "/", "", "without a target", "--probe-expect 302"),
        ("unknown", "/ws/", "http://[", "a redirect to http://[", "--probe-expect 302"),
        ("nginx", "/", "https://chat.example.com/", "only redirects to HTTPS", "--server NAME:443"),
    ],
)
def test_redirects(who: AnsweredBy, path: str, location: str, words: str, hint: str) -> None:
    request = ProbeRequest(path=path, host="chat.example.com")
    message, step = meaning(302, who, request, location=location)
    assert words in message
    assert "don't follow redirects" in message
    assert hint in (step or "")


def test_redirects_to_https_over_tls() -> None:
    request = ProbeRequest(path="/ws/", host="chat.example.com", tls=True)
    message, step = meaning(301, "unknown", request, location="https://Chat.example.com/ws/")
    assert "X-Forwarded-Proto doesn't reach it" in message
    assert "--header X-Forwarded-Proto=https" in (step or "")
    other = meaning(301, "unknown", request, location="https://www.example.com/ws/")[0]
    assert "redirected to www.example.com" in other
    assert (
        "X-Forwarded-Proto" not in meaning(301, "nginx", request, location="https://chat.example.com/ws/")[0]
    )


def test_redirects_of_a_url() -> None:
    request = ProbeRequest(path="/ws", host="chat.example.com", from_url=True)
    assert meaning(301, "unknown", request, location="/ws/")[1] == "probe that: put it into the URL"
    assert meaning(301, "unknown", request, location="https://chat.example.com/ws")[1] == "probe it as wss://"


def test_a_redirect_shows_nothing_dangerous() -> None:
    message, _ = meaning(302, "nginx", NODE, location="/\x1b[2J\u202e")
    assert message.isprintable()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("<center>The plain HTTP request was sent to HTTPS port</center>", "speaks TLS"),
        ("<center>No required SSL certificate was sent</center>", "client certificate"),
        ("<center>Request Header Or Cookie Too Large</center>", "too large"),
        ('{"code":1,"message":"Session ID unknown"}', "different backends"),
        ('{"code":0,"message":"Transport unknown"}', "Socket.IO wants its transport"),
        ('Can "Upgrade" only to "WebSocket".', "Upgrade headers didn't reach"),
        ("missing or invalid Upgrade header", "Upgrade headers didn't reach"),
        ("DisallowedHost at /ws/: Invalid HTTP_HOST header", "doesn't know the Host"),
    ],
)
def test_bad_requests_by_their_body(body: str, words: str) -> None:
    assert words in meaning(400, "unknown", NODE, body=body)[0]


def test_an_origin_that_was_sent_is_not_proposed_again() -> None:
    origin = "http://chat.example.com"
    assert f"Origin={origin}" in (meaning(403, "unknown", NODE)[1] or "")
    request = ProbeRequest(path="/", host="chat.example.com", headers=(("ORIGIN", origin),))
    assert "Origin=" not in (meaning(403, "unknown", request)[1] or "")


def test_who_is_named() -> None:
    assert meaning(403, "nginx", NODE)[0].startswith("NGINX itself answered")
    assert meaning(403, "application", NODE)[0].startswith("the application answered")
    assert meaning(403, "unknown", NODE)[0].startswith("the application, it seems, answered")
    assert meaning(200, "unknown", NODE)[0].startswith("NGINX or the application answered")
