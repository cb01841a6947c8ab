"""``add-route`` proves its route: what a handshake that fails, or one that needs more, comes to."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from http import HTTPStatus

import pytest
from support.backend import Backend, echo_backend
from support.certificate import self_signed
from support.command import Nginxws
from support.nginx import NginxNode, free_port, site_conf

pytestmark = [pytest.mark.nginx, pytest.mark.sshd]

MakeNode = Callable[..., NginxNode]
OverSsh = Callable[[NginxNode], Nginxws]
HOST = "chat.example.com"


def nobody() -> str:
    """An address that refuses connections."""
    return f"127.0.0.1:{free_port()}"


def test_backend_that_is_down(nginxws: Nginxws, node: NginxNode) -> None:
    with node.untouched(reloads=True):
        done = nginxws("add-route", "/ws/", nobody(), "--probe-timeout", "1", code=4)
    assert "502" in done.error
    assert "restored" in done.error
    assert "--probe warn" in done.hint
    assert done.out == ""


def test_backend_that_may_come_later(nginxws: Nginxws, node: NginxNode) -> None:
    done = nginxws("add-route", "/ws/", nobody(), "--probe-timeout", "1", "--probe", "warn")
    assert "warning: " in done.err
    assert "502" in done.err
    assert "/ws/: added in" in done.out
    assert "NOT proved" in done.out
    assert "# nginxws: begin route /ws/" in node.site.read_text()


def test_no_proof_wanted(nginxws: Nginxws, node: NginxNode, backend: Backend) -> None:
    done = nginxws("add-route", "/ws/", backend.address, "--probe", "off", "--format", "json")
    assert done.err == ""
    (result,) = done.json["nodes"].values()
    assert (result["applied"], result["probes"]) == (True, [])
    assert backend.requests == []


def test_application_that_wants_a_login(nginxws: Nginxws, node: NginxNode) -> None:
    with echo_backend(HTTPStatus.UNAUTHORIZED) as strict:
        with node.untouched(reloads=True):
            done = nginxws("add-route", "/ws/", strict.address, code=4)
        assert "401" in done.error
        assert "application" in done.error
        assert "--probe-expect 401" in done.hint
        assert "the application says 401" in done.err
        nginxws("add-route", "/ws/", strict.address, "--probe-expect", "401")
    with echo_backend() as open_to_all, node.untouched(reloads=True):
        done = nginxws("add-route", "/ws/", open_to_all.address, "--probe-expect", "401", code=4)
        assert "401" in done.err


def test_path_host_and_secret_header_of_the_probe(
    nginxws: Nginxws, node: NginxNode, backend: Backend
) -> None:
    words = ("--probe-path", "/ws/room?token=1", "--probe-host", "other.example")
    secret = ("--probe-header", "Cookie=@env:TEST_COOKIE", "--probe-header", "Origin=https://a.example")
    done = nginxws(
        "add-route", "/ws/", backend.address, *words, *secret, "-v", env={"TEST_COOKIE": "session=s3cret"}
    )
    path, headers = backend.requests[-1]
    assert path == "/ws/room?token=1"
    assert headers["host"] == "other.example"
    assert headers["cookie"] == "session=s3cret"
    assert headers["origin"] == "https://a.example"
    assert "s3cret" not in done.out + done.err + node.site.read_text()


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("--probe-header", "Cookie=plain"), "secret"),
        (("--probe-header", "X-Token=@env:NOT_SET_ANYWHERE"), "NOT_SET_ANYWHERE"),
        (("--probe-url", "gopher://x/"), "gopher"),
        (("--probe-expect", "302x"), "302x"),
        (("--match", "regex"), "no path to probe"),
    ],
)
def test_probe_that_cannot_be_made(
    nginxws: Nginxws, node: NginxNode, backend: Backend, words: tuple[str, ...], error: str
) -> None:
    path = "^/ws" if "regex" in words else "/ws/"
    with node.untouched():
        assert error in nginxws("add-route", path, backend.address, *words, code=64).err


@pytest.mark.parametrize("extra", ["ssl", "proxy_protocol", "ssl proxy_protocol"])
@pytest.mark.parametrize("binary", ["debian", "wheel"], indirect=True)
def test_listener_that_is_not_plain(
    make_node: MakeNode, over_ssh: OverSsh, backend: Backend, extra: str
) -> None:
    node = make_node(start=False)
    certificate, key = self_signed(node.prefix, HOST)
    tls = f"    ssl_certificate {certificate};\n    ssl_certificate_key {key};\n" if "ssl" in extra else ""
    text = site_conf(node.port).replace(f":{node.port};", f":{node.port} {extra};")
    node.site.write_text(text.replace("    server_name", f"{tls}    server_name"))
    node.start()
    done = over_ssh(node)("add-route", "/ws/", backend.address)
    assert "live" in done.out
    _, headers = backend.requests[-1]
    assert headers["x-forwarded-proto"] == ("https" if "ssl" in extra else "http")


def test_from_outside(nginxws: Nginxws, node: NginxNode, backend: Backend) -> None:
    """A URL is where users come in: another way in that leads elsewhere is found out."""
    with node.untouched(reloads=True):
        url = f"ws://{nobody()}/ws/"
        done = nginxws(
            "add-route", "/ws/", backend.address, "--probe-url", url, "--probe-timeout", "1", code=4
        )
        assert "restored" in done.error
        assert done.hint
        assert backend.requests == []
    nginxws("add-route", "/ws/", backend.address, "--probe-url", f"ws://127.0.0.1:{node.port}/ws/out")
    path, headers = backend.requests[-1]
    assert (path, headers["host"]) == ("/ws/out", "127.0.0.1")


def test_tls_is_verified_from_outside(make_node: MakeNode, over_ssh: OverSsh, backend: Backend) -> None:
    node = make_node(start=False)
    certificate, key = self_signed(node.prefix, "localhost")
    text = site_conf(node.port).replace(f":{node.port};", f":{node.port} ssl;")
    files = f"    ssl_certificate {certificate};\n    ssl_certificate_key {key};\n"
    node.site.write_text(text.replace("    server_name", f"{files}    server_name"))
    node.start()
    nginxws = over_ssh(node)
    words = ("add-route", "/ws/", backend.address, "--probe-url", f"wss://localhost:{node.port}/ws/")
    with node.untouched(reloads=True):
        assert "certificate" in nginxws(*words, code=4).error
    nginxws(*words, env={ssl.get_default_verify_paths().openssl_cafile_env: str(certificate)})


def test_backend_over_tls(nginxws: Nginxws, node: NginxNode, make_node: MakeNode, backend: Backend) -> None:
    """wss:// backends: NGINX speaks TLS with SNI, and verifies where it was told by whom."""
    certificate, key = self_signed(node.prefix, HOST)
    other = make_node(prefix=node.prefix / "other", start=False)
    text = site_conf(other.port).replace(f":{other.port};", f":{other.port} ssl;")
    proxy = (
        f"    ssl_certificate {certificate};\n    ssl_certificate_key {key};\n"
        "    proxy_http_version 1.1;\n    proxy_set_header Upgrade $http_upgrade;\n"
        '    proxy_set_header Connection "upgrade";\n    proxy_set_header X-Sni $ssl_server_name;\n'
        f"    location /ws/ {{ proxy_pass http://{backend.address}; }}\n"
    )
    other.site.write_text(text.replace("    server_name", f"{proxy}    server_name"))
    other.start()
    address = f"wss://127.0.0.1:{other.port}"
    name = ("--backend-tls-name", HOST)
    nginxws("add-route", "/ws/", address, *name, "--backend-tls-ca", str(certificate))
    assert HOST in node.site.read_text()
    with node.untouched(reloads=True):
        wrong = ("--backend-tls-name", "wrong.example", "--backend-tls-ca", str(certificate))
        assert "502" in nginxws("add-route", "/ws/", address, *wrong, "--probe-timeout", "1", code=4).error
