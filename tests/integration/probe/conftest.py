"""Real parts for the probe: NGINX in front of a WebSocket server, and a server that misbehaves."""

from __future__ import annotations

import contextlib
import datetime
import gzip
import http
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.nginx import debian_nginx, free_port
from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve

from nginxws.nodes.probe.handshake import ProbeRequest, ProbeResult, handshake
from nginxws.nodes.streams import SocketStream, dial_tcp

HOST = "chat.example.com"
PORTS = ("plain", "tls", "proxied", "h2c", "reject", "dead")

CONFIG = """
{user}
daemon off;
pid {prefix}/nginx.pid;
error_log stderr notice;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {prefix}/t1; proxy_temp_path {prefix}/t2; fastcgi_temp_path {prefix}/t3;
    uwsgi_temp_path {prefix}/t4; scgi_temp_path {prefix}/t5;
    map $http_upgrade $up {{ default ''; ~*^websocket$ websocket; }}
    map $http_upgrade $conn {{ default close; ~*^websocket$ upgrade; }}
    ssl_certificate {prefix}/cert.pem; ssl_certificate_key {prefix}/key.pem;
    proxy_http_version 1.1;
    proxy_set_header Upgrade $up;
    proxy_set_header Connection $conn;
    proxy_set_header Host $host;
    limit_req_zone $binary_remote_addr zone=one:64k rate=1r/m;
    server {{
        listen 127.0.0.1:{plain} default_server;
        listen 127.0.0.1:{tls} ssl http2 default_server;
        server_name {host};
        root {prefix}/html;
        location ^~ /ws/ {{ proxy_pass http://127.0.0.1:{app}; }}
        location ^~ /short/ {{ proxy_pass http://127.0.0.1:{app}; proxy_read_timeout 1s; }}
        location ^~ /lost/ {{
            proxy_pass http://127.0.0.1:{app};
            proxy_set_header Host $host;
        }}
        location ^~ /down/ {{ proxy_pass http://127.0.0.1:{dead}; }}
        location ^~ /pretty/ {{ proxy_pass http://127.0.0.1:{dead}; error_page 502 /50x.html; }}
        location ^~ /raw/ {{ proxy_pass http://127.0.0.1:{raw}; proxy_read_timeout 1s; }}
        location ^~ /basic/ {{
            auth_basic x; auth_basic_user_file /dev/null;
            proxy_pass http://127.0.0.1:{app};
        }}
        location ^~ /denied/ {{ deny all; }}
        location ^~ /away/ {{ return 503; }}
        location ^~ /limited/ {{ limit_req zone=one; proxy_pass http://127.0.0.1:{app}; }}
        location ^~ /secure/ {{ return 301 https://$host$request_uri; }}
        location ^~ /login/ {{ return 302 /accounts/login?next=x; }}
        location ^~ /other/ {{ return 308 $scheme://www.example.com$request_uri; }}
        location = /drop {{ return 444; }}
        location /slash/ {{ proxy_pass http://127.0.0.1:{app}; }}
        location = /page {{ default_type text/html; return 200 '<p>hello</p>'; }}
    }}
    server {{
        listen 127.0.0.1:{proxied} proxy_protocol;
        location / {{ proxy_pass http://127.0.0.1:{app}; proxy_set_header X-Real-IP $proxy_protocol_addr;
            proxy_set_header Upgrade $up; proxy_set_header Connection $conn; }}
    }}
    server {{
        listen 127.0.0.1:{h2c} http2;
    }}
    server {{
        listen 127.0.0.1:{reject} ssl default_server;
        ssl_reject_handshake on;
    }}
}}
"""


@dataclass(frozen=True)
class Balancer:
    """A running NGINX: its ports by name, and the certificate of its TLS listener."""

    ports: dict[str, int]
    cert: Path

    def dial(self, name: str) -> SocketStream:
        return dial_tcp("127.0.0.1", self.ports[name], 5)

    def probe(self, path: str, listener: str = "plain", **more: object) -> ProbeResult:
        request = ProbeRequest(path=path, host=HOST, **more)  # type: ignore[arg-type]  # test shorthand
        return handshake(self.dial(listener), request)


def make_certificate(folder: Path) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.datetime.now(datetime.UTC)
    cert = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST), x509.DNSName("localhost")]), False)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def refuse(connection: ServerConnection, request: Request) -> Response | None:
    """The last part of the path asks for a status; the headers seen are there to be asked for, too."""
    word = request.path.partition("?")[0].rstrip("/").rpartition("/")[2]
    if word.isdigit():
        response = connection.respond(http.HTTPStatus(int(word)), "refused here\n")
        if word == "426":
            response.headers["Sec-WebSocket-Version"] = "13"
        return response
    if word == "headers":
        seen = "".join(f"{name}: {value}\n" for name, value in request.headers.raw_items())
        return connection.respond(http.HTTPStatus.OK, seen)
    if word == "socketio":
        return connection.respond(http.HTTPStatus.BAD_REQUEST, '{"code":1,"message":"Session ID unknown"}')
    return None


def converse(connection: ServerConnection) -> None:
    assert connection.request is not None
    path = connection.request.path
    if "greet" in path:
        connection.send("welcome")
    for message in connection:
        if "mute" not in path:
            connection.send(message)


@pytest.fixture(scope="module")
def app() -> Iterator[Server]:
    """An echo server: greets on .../greet, is silent on .../mute, pings on .../pings."""
    server = serve(converse, "127.0.0.1", 0, process_request=refuse, ping_interval=None, compression=None)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()


Answer = Callable[[socket.socket, bytes], None]


class RawServer:
    """Answers each connection with what the test registered for a word in the request."""

    def __init__(self) -> None:
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.sock.getsockname()[1]
        self.answers: dict[bytes, Answer] = {}
        self.stopped = threading.Event()
        self._threads: list[threading.Thread] = []

    def run(self) -> None:
        while True:
            try:
                sock, _ = self.sock.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(sock,))
            thread.start()
            self._threads.append(thread)

    def _serve(self, sock: socket.socket) -> None:
        with sock, contextlib.suppress(OSError):
            request = b""
            while b"\r\n\r\n" not in request:
                data = sock.recv(4096)
                if not data:
                    return
                request += data
            path = request.split(b" ")[1]
            self.answers[path.rstrip(b"/").rpartition(b"/")[2]](sock, request)

    def close(self) -> None:
        self.stopped.set()
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()
        for thread in self._threads:
            thread.join()


def says(data: bytes) -> Answer:
    return lambda sock, request: sock.sendall(data)


PAGE = b"<html><body>" + b"no entry " * 2000 + b"</body></html>"
ACCEPT = b"Sec-WebSocket-Accept: bm90IHRoZSByaWdodCBvbmUhIQ==\r\n"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"


def head_then(status: bytes, more: bytes) -> bytes:
    return b"HTTP/1.1 " + status + b"\r\nConnection: close\r\n" + more


FORBIDDEN = b"403 Forbidden"
SAID = {
    b"accept": SWITCH + ACCEPT + b"\r\n",
    b"noaccept": SWITCH + b"\r\n",
    b"noupgrade": b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n" + ACCEPT + b"\r\n",
    b"noconnection": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n" + ACCEPT + b"\r\n",
    b"garbage": b"\x00\x01\x02\r\n\x1b[31mred",
    b"ssh": b"SSH-2.0-OpenSSH_9.2\r\n",
    b"tls": b"\x15\x03\x01\x00\x02\x02\x16",
    b"eof": b"",
    b"cut": b"HTTP/1.1 200 OK\r\nContent-T",
    b"binary": head_then(FORBIDDEN, b"\r\n" + bytes(range(256)) * 8),
    b"gzip": head_then(FORBIDDEN, b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(PAGE)),
    b"escape": head_then(FORBIDDEN, b"Server: \x1b]0;evil\x07app\r\n\r\n\x1b[2Jgo\xe2\x80\xaeaway"),
    b"early": b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 401 Unauthorized\r\n\r\nlog in",
    b"chunked": head_then(
        FORBIDDEN, b"Transfer-Encoding: chunked\r\n\r\n4\r\nlog \r\n5;x=y\r\nin go\r\n0\r\n\r\n"
    ),
}


def endless(stopped: threading.Event, first: bytes, again: bytes, pause: float) -> Answer:
    """``first``, then ``again`` until the client or the test ends it."""

    def answer(sock: socket.socket, request: bytes) -> None:
        sock.sendall(first)
        while not stopped.wait(pause):
            sock.sendall(again)

    return answer


@pytest.fixture(scope="module")
def raw() -> Iterator[RawServer]:
    server = RawServer()
    end = server.stopped
    huge = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 1000000000000\r\n\r\n"
    server.answers = {word: says(data) for word, data in SAID.items()} | {
        b"hang": endless(end, b"", b"", 0.05),
        b"drip": endless(end, b"HTTP/1.1 200 OK\r\n", b"X-Drip: 1\r\n", 0.05),
        b"flood": endless(
            end, b"HTTP/1.1 101 Switching Protocols\r\n", b"X-Flood: " + b"x" * 4000 + b"\r\n", 0
        ),
        b"huge": endless(end, huge, b"forbidden! " * 1000, 0),
        b"stall": endless(end, b"HTTP/1.1 403 Forbidden\r\nContent-Length: 100\r\n\r\nbegun", b"", 0.05),
    }
    thread = threading.Thread(target=server.run)
    thread.start()
    yield server
    server.close()
    thread.join()


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory, app: Server, raw: RawServer) -> Iterator[Balancer]:
    program = debian_nginx()
    assert program is not None, "install Debian's nginx"
    prefix = tmp_path_factory.mktemp("nginx")
    prefix.chmod(0o755)
    make_certificate(prefix)
    (prefix / "html").mkdir()
    (prefix / "html" / "index.html").write_text("<h1>front page</h1>")
    (prefix / "html" / "50x.html").write_text("<p>An error.</p><p><em>Faithfully yours, nginx.</em></p>")
    ports = {name: free_port() for name in PORTS}
    conf = prefix / "nginx.conf"
    app_port = app.socket.getsockname()[1]
    user = "user root;" if os.geteuid() == 0 else ""  # pytest's folders are closed to `nobody`
    conf.write_text(CONFIG.format(user=user, prefix=prefix, host=HOST, app=app_port, raw=raw.port, **ports))
    with (prefix / "log").open("wb") as log:
        process = subprocess.Popen([program, "-p", prefix, "-c", conf], stderr=log)
    try:
        await_port(process, ports["plain"], prefix / "log")
        yield Balancer(ports, prefix / "cert.pem")
    finally:
        process.terminate()
        process.wait(10)


def await_port(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    pytest.fail(f"nginx doesn't serve: {log.read_text()}")
