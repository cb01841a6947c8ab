"""NGINX put on a machine that has none, by a real apt-get, and its server block in and out again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.machine import Machine, machine, see
from support.nginx import free_port

from nginxws.errors import NodeError
from nginxws.nodes.connect import SshOptions, connect
from nginxws.nodes.local import LocalTransport
from nginxws.nodes.provision.install import Installed, Site, add_site, drop_site, install
from nginxws.nodes.script import provision
from nginxws.nodes.session import Session
from nginxws.nodes.sudo import Sudo, SudoMode
from nginxws.nodes.transport import Target, Transport

pytestmark = [pytest.mark.root, pytest.mark.sshd, pytest.mark.nginx]


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Machine]:
    with machine(tmp_path) as found:
        yield found


@contextlib.contextmanager
def session_of(transport: Transport) -> Iterator[Session]:
    with transport:
        session = Session(transport, Sudo(SudoMode.NONE), text=provision.script())
        yield session
        session.close()


def to(machine: Machine) -> Transport:
    return connect(Target.parse("ssh://node"), SshOptions(config=machine.ssh.config))


def nothing(_name: str, _words: str) -> None:
    pass


def test_installed_started_and_named(empty: Machine) -> None:
    steps: list[str] = []
    site = Site("chat.example.com", free_port())
    with session_of(to(empty)) as session:
        assert see(empty.root) == {}
        done = install(session, "auto", lambda name, _: steps.append(name))
        assert done.manager == "apt"
        assert done.version.startswith("nginx/")
        assert steps == ["install", "start"]
        before = see(empty.root)
        assert list(before) == ["etc/nginx/nginx.conf"]
        assert install(session, "auto", nothing) == Installed("", "")  # once is enough

        path = add_site(session, site, nothing)
        assert path == "/etc/nginx/conf.d/nginxws-site.conf"
        assert f"server_name {site.name};" in see(empty.root)[path[1:]]
        with transport_answers(empty, site.port) as answer:
            assert answer.startswith(b"HTTP/1.1 ")
        with pytest.raises(NodeError, match="is there already"):
            add_site(session, site, nothing)

        assert drop_site(session, site, nothing) == path
        assert see(empty.root) == before
        assert drop_site(session, site, nothing) == ""


@contextlib.contextmanager
def transport_answers(empty: Machine, port: int) -> Iterator[bytes]:
    with to(empty) as transport:
        stream = transport.dial("127.0.0.1", port, 10)
        stream.send(b"GET / HTTP/1.1\r\nHost: chat.example.com\r\nConnection: close\r\n\r\n")
        yield stream.recv(100, 10)
        stream.close()


def test_an_edited_server_block_stays(empty: Machine) -> None:
    site = Site("chat.example.com", free_port())
    with session_of(to(empty)) as session:
        install(session, "auto", nothing)
        path = add_site(session, site, nothing)
        file = empty.root / path[1:]
        file.write_text(file.read_text() + "# mine\n")
        with pytest.raises(NodeError, match="edited by hand"):
            drop_site(session, site, nothing)
        assert file.read_text().endswith("# mine\n")


def test_a_server_block_that_nginx_refuses_is_not_left(empty: Machine) -> None:
    with session_of(to(empty)) as session:
        install(session, "auto", nothing)
        before = see(empty.root)
        with pytest.raises(NodeError, match="NGINX refuses"):
            add_site(session, Site("chat.example.com", 70000), nothing)
        assert see(empty.root) == before


def test_a_server_block_on_a_port_of_somebody_else_is_not_left(empty: Machine) -> None:
    """nginx -t binds no port: only the reload tells, and it says so nowhere but in the log."""
    with session_of(to(empty)) as session:
        install(session, "auto", nothing)
        before = see(empty.root)
        with pytest.raises(NodeError, match="no new worker processes"):
            add_site(session, Site("chat.example.com", empty.ssh.port), nothing, reload_timeout=1)
        assert see(empty.root) == before


def test_what_the_package_manager_says_is_told(empty: Machine) -> None:
    (empty.root / "packages" / "Packages").write_text("")
    with session_of(to(empty)) as session, pytest.raises(NodeError) as caught:
        install(session, "apt", nothing)
    assert "couldn't be installed (apt, exit status 100)" in caught.value.message
    assert caught.value.detail is not None
    assert "nginx" in caught.value.detail
    assert see(empty.root) == {}


def test_a_package_manager_that_is_not_there(empty: Machine) -> None:
    with session_of(to(empty)) as session, pytest.raises(NodeError, match="no package manager like apk"):
        install(session, "apk", nothing)


@pytest.mark.parametrize(
    ("tool", "words"),
    [("dnf", "-q -y install nginx"), ("apk", "add --no-cache nginx")],
)
def test_the_words_of_other_package_managers(empty: Machine, tool: str, words: str) -> None:
    """Neither runs on this system: what they are asked is held, not what they do."""
    manager = empty.root / "usr" / "bin" / tool
    manager.write_text('#!/bin/sh\necho "$@" >/asked\ndpkg -i /packages/nginx.deb\n')
    manager.chmod(0o755)
    with session_of(to(empty)) as session:
        done = install(session, tool, nothing)
    assert done.manager == tool
    assert (empty.root / "asked").read_text() == f"{words}\n"


@pytest.mark.parametrize("name", ["a b", "a;b", "a{b", "$(id)", "a\\b", ""])
def test_a_name_is_never_configuration(name: str) -> None:
    with session_of(LocalTransport()) as session, pytest.raises(NodeError, match="can't be a server's name"):
        add_site(session, Site(name, 80), nothing)
