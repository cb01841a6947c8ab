"""Servers and programs that answer with anything: what people get to see of it is plain text."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from support import hostile
from support.hostile import Mint, mints
from support.nginx import NginxNode
from support.sshd import need
from support.streams import RAW, github_commands, printed

from nginxws.cli import run

Answer = Callable[[socket.socket], None]


@contextlib.contextmanager
def serving(answer: Answer) -> Iterator[int]:
    """A server that answers every connection; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection, contextlib.suppress(OSError):
                    connection.settimeout(10)
                    answer(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def plain(*words: str, codes: set[int], encoding: str = "utf-8") -> None:
    """The command ends with one of these codes, and no terminal and no CI log would act on its words."""
    for environ in ({}, {"GITHUB_ACTIONS": "true"}):
        shown = printed(lambda: run(list(words)), environ=environ, encoding=encoding)
        out, err = shown.texts
        assert shown.result in codes, err
        assert not RAW.search(out + err)
        assert "bug of nginxws" not in err, err
        if environ:
            assert github_commands(shown.out) + github_commands(shown.err) == []


def line_of(mint: Mint) -> bytes:
    """A line's worth of anything."""
    return mint.hostile().encode("utf-8", "surrogatepass").replace(b"\r", b"").replace(b"\n", b"")


@hostile.examples(40, deep=1500)
@given(mints)
def test_the_answer_to_a_probe(mint: Mint) -> None:
    status = mint.choice([b"200", b"301", b"403", b"404", b"426", b"502", line_of(mint)])
    body = mint.hostile().encode("utf-8", "surrogatepass") * mint.choice([1, 1, 50])
    head = b"HTTP/1.1 %s %s\r\nServer: %s\r\nLocation: %s\r\nX%s: y\r\n\r\n" % (
        status,
        *(line_of(mint) for _ in range(4)),
    )
    answer = mint.choice([head + body, head + body, body, head.replace(b"\r\n\r\n", b"")])

    def say(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(answer)

    with serving(say) as port:
        words = [
            "probe",
            f"ws://127.0.0.1:{port}/",
            "--timeout=2",
            f"--format={mint.choice(['text', 'json'])}",
        ]
        plain(*words, codes={1}, encoding=mint.choice(["utf-8", "ascii"]))


@hostile.examples(12, deep=300)
@given(mint=mints)
def test_an_ssh_server_that_hangs_up(tmp_path_factory: pytest.TempPathFactory, mint: Mint) -> None:
    """Lines before its version, the version, the words with which it disconnects (RFC 4253, 4.2 and 11.1)."""
    banner = b"".join(line_of(mint)[:200] + b"\r\n" for _ in range(mint.randint(0, 3)))
    version = b"SSH-2.0-" + mint.choice([b"OpenSSH_9.2", line_of(mint)[:80]]) + b"\r\n"
    said = mint.hostile().encode("utf-8", "surrogatepass")
    payload = b"\x01" + struct.pack(">II", 2, len(said)) + said + struct.pack(">I", 0)
    padding = 8 - (len(payload) + 5) % 8 + 8
    packet = struct.pack(">IB", len(payload) + padding + 1, padding) + payload + bytes(padding)

    def say(connection: socket.socket) -> None:
        connection.sendall(banner + mint.choice([version + packet, version, b""]))
        connection.recv(65536)

    config = tmp_path_factory.getbasetemp() / "ssh_config"
    config.write_text("Host *\n  ConnectTimeout 5\n  IdentityFile none\n  IdentityAgent none\n")
    with serving(say) as port:
        plain("list-routes", f"--node=ssh://127.0.0.1:{port}", f"--ssh-config={config}", "-v", codes={6})


@pytest.mark.nginx
@hostile.examples(6, deep=200)
@given(mints)
def test_an_nginx_with_words_of_its_own(tmp_path_factory: pytest.TempPathFactory, mint: Mint) -> None:
    """What the node's program prints when it fails, and what it says of itself."""
    folder = tmp_path_factory.mktemp("node")
    node = NginxNode(folder / "node", need("nginx"))
    (folder / "words").write_bytes(mint.hostile().encode("utf-8", "surrogatepass"))
    fake = folder / "nginx"
    fails = mint.choice(["-V", "-t", "-T"])
    fake.write_text(
        f"#!/bin/sh\nsay() {{ cat {folder}/words >&2; cat {folder}/words; exit 1; }}\n"
        f'case " $* " in *" {fails} "*) say ;; esac\n'
        f'exec {node.binary} "$@"\n'
    )
    fake.chmod(0o755)
    target = [
        "--node=local",
        f"--nginx-bin={fake}",
        f"--nginx-conf={node.conf}",
        f"--state-dir={node.state}",
        "-v",
    ]
    shown_as = f"--format={mint.choice(['text', 'json'])}"
    plain("list-routes", *target, shown_as, codes={0, 1})
    plain("add-route", "/ws/", "h:1", "--dry-run", *target, shown_as, codes={1})


@pytest.mark.nginx
def test_a_running_node_that_refuses(tmp_path: Path) -> None:
    """NGINX's test fails on the new text, with words that the operator's own file put there."""
    site = (
        "server {\n    listen 127.0.0.1:@PORT@;\n    server_name a.example;\n"
        '    location / { return 200 "\x1b[2J ::add-mask::x"; }\n}\n'
        "# \x1b[31m \u202e ::add-mask::x\n"
    )
    node = NginxNode(tmp_path / "node", need("nginx"), site=site)
    node.start()
    try:
        target = ["--node=local", *node.options()]
        refused = ["--backend-tls-ca=/nonexistent/ca.pem", "--backend-tls-name=x.example"]
        plain("add-route", "/ws/", "wss://127.0.0.1:9", *refused, *target, codes={1})
        broken = node.site.parent / "z.conf"
        broken.write_text('"\x1b]0;t\x07\n::set-env name=A::b" on;\n')
        plain("add-route", "/ws/", "127.0.0.1:9", *target, codes={1})
    finally:
        node.stop()
