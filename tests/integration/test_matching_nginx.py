"""Our choice of server and location, compared with a real NGINX's on the same configuration."""

from __future__ import annotations

import contextlib
import http.client
import random
import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.nginx import debian_nginx, free_port, wait_for

from nginxws.config.document import parse
from nginxws.config.matching import Locations
from nginxws.config.names import answering
from nginxws.config.splice import Edit, apply_edits
from nginxws.config.tree import ConfigTree, MappingReader, load
from nginxws.errors import InvalidInput

pytestmark = pytest.mark.nginx

CASES = Path(__file__).parents[1] / "cases"
MAIN = """daemon off;
master_process off;
pid {prefix}/nginx.pid;
error_log {prefix}/error.log;
events {{ }}
"""
TEMPS = "".join(
    f"    {kind}_temp_path {{prefix}}/{kind};\n"
    for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
)


@contextlib.contextmanager
def running(prefix: Path, text: str, port: int) -> Iterator[None]:
    """NGINX on a configuration; ends with the block."""
    binary = debian_nginx()
    assert binary is not None, "these tests need Debian's nginx"
    file = prefix / "nginx.conf"
    file.write_text(text, "utf-8", "surrogateescape")
    process = subprocess.Popen(
        [binary, "-p", str(prefix), "-c", str(file)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert process.stderr is not None

    def up() -> bool:
        assert process.stderr is not None
        assert process.poll() is None, process.stderr.read().decode()
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", port)) == 0

    try:
        wait_for(up, "nginx accepts connections")
        yield
    finally:
        process.terminate()
        process.wait(10)
        process.stderr.close()


def labelled(text: str, prefix: Path, port: int) -> str:
    """The configuration with every location (and server) answering by its own line, on ``port``.

    Everything goes into lines that exist, so that lines mean the same in both.
    """
    data = text.encode()
    document = parse(data, "case")
    edits: list[Edit] = []
    for directive in document.walk():
        if directive.body is None:
            continue
        at = directive.body.start
        if directive.name == b"http":
            temps = TEMPS.format(prefix=prefix).replace("\n", " ")
            edits.append(Edit(at, at, f" access_log off; {temps}".encode()))
        elif directive.name == b"server":
            # What no location takes is served from an empty folder, by status 404.
            listen = (
                b""
                if b"listen" in {child.name for child in directive.children}
                else b" listen 127.0.0.1:%d;" % port
            )
            edits.append(Edit(at, at, listen))
        elif directive.name == b"location":
            edits.append(Edit(at, at, f' return 200 "line {directive.line}";'.encode()))
    changed = apply_edits(data, edits).decode()
    # Nothing is passed on: only that a location proxies matters, and names must not be looked up.
    changed = re.sub(r"_pass http://\w+;", "_pass http://127.0.0.1:9;", changed)
    return MAIN.format(prefix=prefix).replace("\n", " ") + changed


def ask(port: int, uri: str, host: str = "a.test") -> str:
    """What NGINX answers: ``line N``, ``301``, ``400`` or another status."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.putrequest("GET", uri, skip_host=True)
        connection.putheader("Host", host)
        connection.endheaders()
        response = connection.getresponse()
        body = response.read().decode()
    finally:
        connection.close()
    return body if response.status == 200 else str(response.status)


def predict(locations: Locations, uri: str) -> str:
    try:
        match = locations.serve(uri)
    except InvalidInput:
        return "400"
    if match.redirect:
        return "301"
    return f"line {match.location.directive.line}" if match.location else "404"


@pytest.mark.parametrize("case", sorted((CASES / "matching").glob("*.conf")), ids=lambda path: path.stem)
def test_cases_match_as_nginx_matches_them(case: Path, tmp_path: Path) -> None:
    port = free_port()
    text = labelled(case.read_text("utf-8"), tmp_path, port)
    (server,) = load("n", MappingReader({"n": text.encode()})).http_servers()
    locations = Locations.of(server)
    expected = case.with_suffix(".txt").read_text("utf-8")
    uris = [line[2:] for line in expected.splitlines() if line.startswith("$ ")]
    uris += [
        "/%",
        "/%00",
        "/..",
        "/a/../../b",
        "/a%2f..%2F",
        "/a/b%2Fc",
        "/a/.",
        "/%3F",
        "/%2e%2e/",
        "/b//c/./x",
    ]
    with running(tmp_path, text, port):
        real = {uri: ask(port, uri) for uri in uris}
    assert {uri: predict(locations, uri) for uri in uris} == real
    assert len(set(real.values())) > 5


PIECES = ("a", "b", "ab", "A", "/", "/", "//", ".", "..", "%2F", "%61", "x.php", "?b", "+", "~")
PATHS = ("/", "/a", "/a/", "/a/b", "/a/b/", "/ab", "/b", "/b/x.php", "/A", "/a//b", "")
REGEXES = (r"\.php$", "^/a", "a/b", "^/A", "b", "^/$", "^/a/$", "(?<x>.)/b$", "[[:upper:]]")


def random_locations(choose: random.Random, depth: int, outer: str = "", *, only_regex: bool = False) -> str:
    """Locations of every kind, nested ones too, none twice on a level."""
    kinds: dict[tuple[str, str], str] = {}
    for _ in range(choose.randint(1, 6)):
        modifier = choose.choice(("~", "~*") if only_regex else ("", "", "=", "^~", "~", "~*"))
        path = choose.choice(REGEXES if modifier.startswith("~") else PATHS)
        if not modifier.startswith("~") and not path.startswith(outer):
            continue
        space = "prefix" if modifier in ("", "^~") else modifier
        if (space, path) in kinds:
            continue
        inside = " proxy_pass http://x;" if choose.random() < 0.3 else ""
        if depth and modifier != "=" and choose.random() < 0.5:
            regex = modifier.startswith("~")
            inside += random_locations(choose, depth - 1, "" if regex else path, only_regex=regex)
        kinds[space, path] = f'location {modifier} "{path}" {{\n{inside} }}\n'
    return "".join(kinds.values())


def random_uri(choose: random.Random) -> str:
    return "/" + "".join(choose.choice(PIECES) for _ in range(choose.randint(0, 6)))


@pytest.mark.parametrize(("seed", "setting"), [(20, ""), (21, "merge_slashes off;"), (22, "")])
def test_random_locations_match_as_nginx_matches_them(tmp_path: Path, seed: int, setting: str) -> None:
    choose = random.Random(seed)
    port = free_port()
    # Slashes are merged before the Host header is known: the first server's setting holds for all.
    blocks = [
        f"server {{\nserver_name s{number}.test; {setting if number == 0 else 'merge_slashes on;'}\n"
        f"{random_locations(choose, 2)}}}\n"
        for number in range(40)
    ]
    text = labelled("http {\n" + "".join(blocks) + "}\n", tmp_path, port)
    questions: list[tuple[str, Locations, str]] = []
    for server in load("n", MappingReader({"n": text.encode()})).http_servers():
        locations = Locations.of(server)
        questions += [(server.names[0], locations, random_uri(choose)) for _ in range(40)]
    with running(tmp_path, text, port):
        real = [ask(port, uri, name) for name, _, uri in questions]
    answers = [predict(locations, uri) for _, locations, uri in questions]
    rows = zip(questions, answers, real, strict=True)
    assert [(name, uri, ours, theirs) for (name, _, uri), ours, theirs in rows if ours != theirs] == []
    assert {"400", "404"} <= set(real)
    assert len(set(real)) > 50


NAMES = r"""
example.com *.example.com .chat.example.com www.example.* example.* *.com Upper.Example.com
"~^(?<sub>\w+)\.re\.test$" ~^A\.re\.test$ ~example _ "" mail.* *.mail.example.com
"""
HOSTS = """
example.com a.example.com chat.example.com x.chat.example.com www.example.org www.example.co.uk
example.net x.com upper.example.com UPPER.example.com one.re.test a.re.test nothing.test
www.example.com mail.x x.mail.example.com mail.example.com example.com. example.com:81 _
www.example. a.b.re.test example mail. com
"""


@pytest.mark.parametrize("seed", range(4))
def test_servers_are_chosen_as_nginx_chooses_them(tmp_path: Path, seed: int) -> None:
    choose = random.Random(seed)
    port = free_port()
    names = choose.sample(NAMES.split(), 14)
    default = choose.randrange(1, 6)
    blocks: list[str] = []
    for number in range(7):
        option = " default_server" if number == default else ""
        listen = f"listen 127.0.0.1:{port}{option};" if number != 6 else f"listen 127.0.0.2:{port};"
        server_name = f"server_name {' '.join(names[number * 2 : number * 2 + 2])};"
        blocks.append(f"server {{ {listen} {server_name} location / {{ }}\n}}\n")
    text = labelled("http {\n" + "".join(blocks) + "}\n", tmp_path, port)
    tree: ConfigTree = load("n", MappingReader({"n": text.encode()}))
    servers = tree.http_servers()
    first = [server for server in servers if server.listens[0].host == "127.0.0.1"]
    expected: dict[str, str] = {}
    for host in HOSTS.split():
        (chosen,) = answering(first, host.removesuffix(":81"), port)
        expected[host] = f"line {chosen.locations[0].directive.line}"
    with running(tmp_path, text, port):
        real = {host: ask(port, "/", host) for host in HOSTS.split()}
    assert expected == real
