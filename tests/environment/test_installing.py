"""``env up --install`` on a machine without NGINX: a real apt-get, and a server block of the domain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.backend import Backend, echo_backend, open_socket
from support.command import Nginxws
from support.machine import Machine, machine, see
from support.nginx import free_port

pytestmark = [pytest.mark.root, pytest.mark.nginx, pytest.mark.sshd]

_MANIFEST = """\
format = 1
[environment]
domain = "chat.example.com:{port}"
connect = "127.0.0.1:{port}"
[nodes.lb1]
ssh = "ssh://root@127.0.0.1:{ssh}"
{install}
[apps.chat]
ssh = "local"
port = {backend}
[[routes]]
path = "/ws/"
backend = "app:chat"
"""
_SITE = "etc/nginx/conf.d/nginxws-site.conf"
#: A server of somebody else that serves: which one is meant is for the domain to say.
_OTHER = "etc/nginx/conf.d/other.conf"


@dataclass(frozen=True, slots=True)
class Place:
    """A machine, what is to come of it, and the command line."""

    machine: Machine
    manifest: Path
    port: int
    backend: Backend
    nginxws: Nginxws

    def write(self, install: str = "") -> None:
        words = {"port": self.port, "ssh": self.machine.ssh.port, "backend": self.backend.port}
        self.manifest.write_text(_MANIFEST.format(**words, install=install))

    def talks(self) -> bool:
        with open_socket(self.port) as socket:
            socket.send("hello")
            return socket.recv(timeout=10) == "hello"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    home, manifest = tmp_path / "home", tmp_path / "nginxws.toml"
    home.mkdir(mode=0o700)
    with machine(tmp_path / "machine") as empty, echo_backend() as backend:
        words = ["--manifest", str(manifest), "--ssh-config", str(empty.ssh.config)]
        made = Place(empty, manifest, free_port(), backend, Nginxws(home, words))
        made.write()
        yield made


def test_without_being_asked_nothing_is_installed(place: Place) -> None:
    done = place.nginxws("env", "up", code=1)
    assert "error: lb1: no nginx program found\nhint: --install installs one" in done.err
    assert see(place.machine.root) == {}


def test_from_an_empty_machine_to_a_route_and_back(place: Place) -> None:
    planned = place.nginxws("env", "plan", "--install", "--detailed-exitcode", code=2)
    assert "install NGINX" in planned.out
    assert see(place.machine.root) == {}

    up = place.nginxws("env", "up", "--install=apt", "--format", "json").held("environment")
    assert up["changed"] is True
    files = see(place.machine.root)
    assert "# nginxws: begin route /ws/ " in files[_SITE]
    assert place.talks()

    again = place.nginxws("env", "up", "--install", "--format", "json").held("environment")
    assert again["changed"] is False
    assert see(place.machine.root) == files

    place.nginxws("env", "down")
    assert list(see(place.machine.root)) == ["etc/nginx/nginx.conf"]


def test_the_manifest_may_ask_as_well_and_a_second_try_finds_its_way(place: Place) -> None:
    """The first try fails late: NGINX stays, which is told, and the next one needs no help."""
    place.write('install = "auto"')
    text = place.manifest.read_text()
    place.manifest.write_text(text.replace(f'connect = "127.0.0.1:{place.port}"', 'connect = "127.0.0.1:1"'))
    failed = place.nginxws("env", "up", code=4)
    assert "NGINX was installed, and stays" in failed.err
    assert "nginxws: begin" not in see(place.machine.root)[_SITE]

    (place.machine.root / _OTHER).write_text(
        f"server {{ listen 127.0.0.1:{free_port()}; location / {{ return 200; }} }}\n"
    )
    place.manifest.write_text(text)
    place.nginxws("env", "up")
    assert "# nginxws: begin route /ws/ " in see(place.machine.root)[_SITE]
    assert place.talks()
