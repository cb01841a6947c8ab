"""What NGINX itself makes of routes from hostile parts: it takes them all, and sends what was asked for."""

from __future__ import annotations

import re
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from support import hostile, routes
from support.nginx import NginxNode, main_conf
from support.routes import RouteMint, route_mints
from support.sshd import need

from nginxws.errors import InvalidInput
from nginxws.render import render
from nginxws.route import Match, Route

pytestmark = pytest.mark.nginx

#: A path that Python's regular expressions allow and PCRE doesn't; NGINX says so, and nothing is changed.
_NOT_PCRE = re.compile(r"pcre2?_compile\(\) failed.* in \S+:(\d+)$", re.MULTILINE)
#: NGINX's default proxy_headers_hash_bucket_size holds no longer name.
LONGEST_NAME = 46


class RealMint(RouteMint):
    """Only what NGINX can look up without a network and files."""

    def address(self) -> str:
        port = self.randint(1, 65535)
        return self.choice([f"127.0.0.1:{port}", f"[::1]:{port}", f"unix:{self.file()}"])


def collected(number: int, deep: int) -> list[Route]:
    """Routes that were accepted, no two with one location."""
    found: dict[tuple[str, str], Route] = {}

    @hostile.examples(number, deep=deep)
    @given(route_mints.map(lambda mint: RealMint(mint.getrandbits(60))))
    def collect(mint: RealMint) -> None:
        given = mint.arguments()
        given.pop("tls_ca", None)
        try:
            route = routes.create(given)
        except InvalidInput:
            return
        places = {("" if modifier == "^~" else modifier, path) for modifier, path in route.locations}
        named = any(backend.dns_name for backend in route.backends)
        if named or any(len(name) > LONGEST_NAME for name, _ in route.headers) or places & set(found):
            return
        found.update(dict.fromkeys(places, route))

    collect()
    return list(dict.fromkeys(found.values()))


def test_nginx_takes_every_text(tmp_path: Path) -> None:
    """One ``nginx -t`` over all; what only PCRE refuses is taken out, by the line that NGINX names."""
    node = NginxNode(tmp_path / "node", need("nginx"))
    wanted = collected(400, 8000)
    assert len(wanted) > 200
    rendered = [render(route) for route in wanted]
    upstreams = dict(one.upstream for one in rendered if one.upstream)
    parts = ["map_hash_bucket_size 128;", rendered[0].maps or "", *upstreams.values()]
    head = "\n".join([*parts, "server {", f"listen 127.0.0.1:{node.port};", ""])
    texts, refusals = [one.location for one in rendered], 0
    while True:
        node.site.write_text(head + "\n".join(texts) + "\n}\n")
        command = [node.binary, "-t", "-c", str(node.conf)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            break
        refused = _NOT_PCRE.search(done.stderr)
        assert refused, done.stderr
        del texts[_at_line(head, texts, int(refused[1]))]
        refusals += 1
    assert refusals < 0.2 * sum(route.match is Match.REGEX for route in wanted)


def _at_line(head: str, texts: list[str], line: int) -> int:
    """Which of the texts stands at a line of the file."""
    end = head.count("\n")
    for number, text in enumerate(texts):
        end += text.count("\n") + 1
        if line <= end:
            return number
    raise AssertionError(line)


@pytest.fixture
def recorder() -> Iterator[tuple[int, list[bytes]]]:
    """A backend that keeps the head of every request and says 204: its port, and what it has got."""
    heads: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    head = b""
                    while b"\r\n\r\n" not in head and (more := connection.recv(65536)):
                        head += more
                    if head:
                        heads.append(head)
                    connection.sendall(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1], heads
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def test_nginx_sends_what_was_asked_for(tmp_path: Path, recorder: tuple[int, list[bytes]]) -> None:
    """Every header of every route arrives once, as it was given; a path is served by its own location."""
    port, heads = recorder
    node = NginxNode(tmp_path / "node", need("nginx"))
    by_path = {route.path: route for route in collected(150, 1500) if route.match is not Match.REGEX}
    wanted = [_sent(route, port) for route in by_path.values()]
    texts = "\n".join(render(route).location for route in wanted)
    node.site.write_text(f"{render(wanted[0]).maps}\nserver {{\nlisten 127.0.0.1:{node.port};\n{texts}\n}}\n")
    node.conf.write_text(
        main_conf(node.prefix).replace("http {", "http {\nlarge_client_header_buffers 4 32k;")
    )
    node.start()
    try:
        for number, route in enumerate(wanted):
            _get(node.port, route.path)
            head = heads[-1].split(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
            got = [tuple(line.split(": ", 1)) for line in head[1:]]
            assert len(heads) == number + 1
            asked = [(name, value) for name, value in route.headers if value]
            for pair in asked:
                assert got.count(pair) == asked.count(pair), (route, got)
            names = {name.lower() for name, _ in route.headers} | set(_OURS)
            assert {name.lower() for name, _ in got} <= names, "nothing else is sent"
    finally:
        node.stop()


_OURS = ("host", "x-real-ip", "x-forwarded-for", "x-forwarded-proto", "upgrade", "connection", "user-agent")


def _sent(route: Route, port: int) -> Route:
    """The route to the recorder; without variables, for their values are the request's."""
    plain = [(name, value) for name, value in route.headers if "$" not in value and name.lower() not in _OURS]
    plain = [
        (name, value) for name, value in plain if name.lower() not in ("content-length", "transfer-encoding")
    ]
    return Route.create(route.path, [f"127.0.0.1:{port}"], match=route.match, headers=plain)


def _get(port: int, path: str) -> None:
    with socket.create_connection(("127.0.0.1", port), 10) as client:
        client.sendall(f"GET {quote(path, safe='/')} HTTP/1.1\r\nHost: a\r\nUser-Agent: u\r\n\r\n".encode())
        assert client.recv(4096).startswith(b"HTTP/1.1 204"), path
