"""What the probe finds behind a real NGINX."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from integration.probe.conftest import Balancer

HOST = "chat.example.com"

pytestmark = pytest.mark.nginx


def test_a_websocket_opens(nginx: Balancer) -> None:
    result = nginx.probe("/ws/chat?room=1")
    assert result.ok, result
    assert (result.status, result.answered_by, result.accept_ok) == (101, "application", True)
    assert 0 < result.elapsed < 5
    assert result.hint is None


def test_over_tls_with_the_certificate_checked(nginx: Balancer) -> None:
    result = nginx.probe("/ws/", "tls", tls=True, ca_file=str(nginx.cert))
    assert result.ok, result


def test_an_untrusted_certificate_is_named(nginx: Balancer) -> None:
    result = nginx.probe("/ws/", "tls", tls=True)
    assert not result.ok
    assert result.status is None
    assert not result.transient
    assert f"certificate isn't valid for {HOST}: self-signed certificate" in result.message


def test_a_certificate_for_another_name(nginx: Balancer) -> None:
    result = nginx.probe("/ws/", "tls", tls=True, sni="other.example.com", ca_file=str(nginx.cert))
    assert "isn't valid for other.example.com" in result.message
    assert "ostname mismatch" in result.message


def test_without_checking_the_certificate(nginx: Balancer) -> None:
    assert nginx.probe("/ws/", "tls", tls=True, verify_tls=False).ok


def test_plain_on_a_tls_port(nginx: Balancer) -> None:
    result = nginx.probe("/ws/", "tls")
    assert (result.status, result.answered_by) == (400, "nginx")
    assert "speaks TLS" in result.message


def test_a_limit_of_nginx(nginx: Balancer) -> None:
    assert nginx.probe("/limited/").ok
    result = nginx.probe("/limited/")
    assert (result.status, result.answered_by) == (503, "nginx")
    assert "limit_req" in result.message


def test_tls_on_a_plain_port(nginx: Balancer) -> None:
    result = nginx.probe("/ws/", "plain", tls=True)
    assert result.status is None
    assert "doesn't speak TLS" in result.message


def test_a_name_that_tls_rejects(nginx: Balancer) -> None:
    result = nginx.probe("/ws/", "reject", tls=True, verify_tls=False)
    assert "no server for the name" in result.message


def test_proxy_protocol(nginx: Balancer) -> None:
    assert nginx.probe("/ws/", "proxied", proxy_protocol=True).ok
    seen = nginx.probe("/headers", "proxied", proxy_protocol=True).detail
    assert "X-Real-IP: 127.0.0.1" in seen


def test_proxy_protocol_left_out(nginx: Balancer) -> None:
    result = nginx.probe("/ws/", "proxied")
    assert result.status is None
    assert "without an answer" in result.message
    assert "PROXY protocol" in (result.hint or "")


def test_a_listener_with_http2_only(nginx: Balancer) -> None:
    """NGINX before 1.25.1 can't speak HTTP/1.1 there; newer ones do, and have no location."""
    result = nginx.probe("/ws/", "h2c")
    assert not result.ok
    assert result.status == 404 or "speaks only HTTP/2" in result.message


NGINX_ANSWERS = [
    ("/down/", 502, "nginx", "refuses the connection", "--probe warn"),
    ("/pretty/", 502, "nginx", "refuses the connection", "--probe warn"),
    ("/raw/hang", 504, "nginx", "in time", "backend's address"),
    ("/raw/eof", 502, "nginx", "closes it", "https://"),
    ("/nothing/here", 404, "nginx", "no location that proxies serves /nothing/here", "--server NAME:PORT"),
    ("/basic/", 401, "nginx", "auth_basic", "--probe-header Authorization=@env:"),
    ("/denied/", 403, "nginx", "forbids it", f"Origin=http://{HOST}"),
    ("/away/", 503, "nginx", "limit", "return 503"),
    ("/slash", 301, "nginx", "only /slash/ is proxied", "--slashless alias"),
    ("/secure/x", 301, "nginx", "redirects to HTTPS", "--server NAME:443"),
    ("/login/x", 302, "nginx", "login page", "--probe-header Cookie=@env:"),
    ("/other/x", 308, "nginx", f"{HOST} is redirected to www.example.com", "--host"),
    ("/page", 200, "unknown", "plain page", "--probe-path"),
    ("/", 200, "unknown", "plain page", "--probe-path"),
]


@pytest.mark.parametrize(("path", "status", "who", "words", "hint"), NGINX_ANSWERS)
def test_answers_of_nginx(nginx: Balancer, path: str, status: int, who: str, words: str, hint: str) -> None:
    result = nginx.probe(path)
    assert (result.ok, result.status, result.answered_by) == (False, status, who)
    assert words in result.message
    assert hint in (result.hint or "")
    assert result.accept_ok is None


@pytest.mark.parametrize("status", [401, 403, 404, 200, 426, 500, 503])
def test_answers_of_the_application(nginx: Balancer, status: int) -> None:
    result = nginx.probe(f"/ws/{status}")
    assert (result.ok, result.status) == (False, status)
    assert result.answered_by == ("application" if status == 426 else "unknown")
    assert result.detail == "refused here"
    assert result.hint


@pytest.mark.parametrize("status", [401, 403, 404, 200, 426])
def test_an_expected_status_is_success(nginx: Balancer, status: int) -> None:
    result = nginx.probe(f"/ws/{status}", expect=status)
    assert result.ok, result
    assert result.message.endswith(f"answered {status}, as expected")


@pytest.mark.parametrize(("path", "status"), [("/basic/", 401), ("/denied/", 403), ("/nothing", 404)])
def test_nginx_can_not_stand_in_for_the_application(nginx: Balancer, path: str, status: int) -> None:
    result = nginx.probe(path, expect=status)
    assert not result.ok
    assert "proves nothing about the application" in result.message


def test_an_open_door_where_a_login_was_expected(nginx: Balancer) -> None:
    result = nginx.probe("/ws/", expect=401)
    assert (result.ok, result.status, result.accept_ok) == (False, 101, True)
    assert "401 was expected" in result.message


def test_socket_io_without_stickiness(nginx: Balancer) -> None:
    result = nginx.probe("/ws/socketio")
    assert "different backends" in result.message
    assert "sticky" in (result.hint or "")


def test_lost_upgrade_headers(nginx: Balancer) -> None:
    result = nginx.probe("/lost/")
    assert (result.ok, result.status) == (False, 426)
    assert result.answered_by != "nginx"
    assert "Upgrade headers didn't reach" in result.message


def test_what_the_backend_is_sent(nginx: Balancer) -> None:
    result = nginx.probe(
        "/ws/headers",
        origin="https://chat.example.com",
        headers=(("Authorization", "Bearer t0k"), ("X-Odd", "a=b c")),
    )
    seen = dict(line.split(": ", 1) for line in result.detail.splitlines())
    assert seen["Host"] == HOST
    assert seen["Origin"] == "https://chat.example.com"
    assert seen["User-Agent"].startswith("nginxws/")
    assert seen["Authorization"] == "Bearer t0k"
    assert seen["X-Odd"] == "a=b c"
    assert "Sec-WebSocket-Extensions" not in seen
