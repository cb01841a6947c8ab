"""Route options and kinds of server, each proved through a real NGINX."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from support.backend import Backend, echoes
from support.command import Nginxws
from support.nginx import NginxNode, site_conf
from support.sshd import SshdFactory

pytestmark = [pytest.mark.nginx, pytest.mark.sshd]

MakeNode = Callable[..., NginxNode]
OverSsh = Callable[[NginxNode], Nginxws]


def test_every_kind_of_route_beside_the_others(command: Nginxws, node: NginxNode, backend: Backend) -> None:
    nginxws, before = command.at("--node", "local", *node.options()), node.digests()
    kinds: dict[str, tuple[str, ...]] = {
        "/plain/": ("--preset", "plain"),
        "/exact": ("--match", "exact"),
        "/prefix/": ("--match", "prefix", "--slashless", "alias", "--read-timeout", "5m"),
        "^/v[0-9]+/ws$": ("--match", "regex", "--probe-path", "/v7/ws"),
        "/moved/": ("--slashless", "redirect", "--header", "X-Tenant=blue", "--host", "inner.example"),
    }
    for path, options in kinds.items():
        assert "live" in nginxws("add-route", path, f"ws://{backend.address}", *options).out
    again = nginxws("add-route", path, f"ws://{backend.address}", *options)
    assert "nothing to do" in again.out
    headers = backend.last_headers
    assert (headers["host"], headers["x-tenant"]) == ("inner.example", "blue")
    for path in ("/plain/x", "/exact", "/prefix", "/v1/ws", "/moved/"):
        assert echoes(node.port, path)
        assert backend.requests[-1][0] == {"/prefix": "/prefix/"}.get(path, path)
    for path in kinds:
        nginxws("remove-route", path)
    assert node.digests() == before


@pytest.mark.parametrize(
    ("name", "host", "options"),
    [
        ("_", "whoever.example", ()),
        ("*.example.com", "any.example.com", ()),
        (r"~^chat\d+\.example\.com$", "chat7.example.com", ("--probe-host", "chat7.example.com")),
    ],
)
def test_server_names(
    make_node: MakeNode,
    over_ssh: OverSsh,
    backend: Backend,
    name: str,
    host: str,
    options: tuple[str, ...],
) -> None:
    """The probe asks for a name that this server answers, also with a default server beside it."""
    default = "server {\n    listen 127.0.0.1:@PORT@ default_server;\n    return 404;\n}\n"
    beside = default if name != "_" else ""
    node = make_node(site=beside + site_conf(0, name).replace(":0;", ":@PORT@;"))
    over_ssh(node)("add-route", "/ws/", backend.address, *options)
    assert echoes(node.port, host=host)


def test_server_by_port(make_node: MakeNode, over_ssh: OverSsh, backend: Backend) -> None:
    node = make_node(site=site_conf(0, "a.example").replace(":0;", ":@PORT@;"))
    over_ssh(node)("add-route", "/ws/", backend.address, "--server", f":{node.port}")


def test_listener_without_a_tcp_port(make_node: MakeNode, over_ssh: OverSsh, backend: Backend) -> None:
    """Nothing to dial on the node: said before anything is touched, unless the proof may be left out."""
    node = make_node(start=False)
    node.site.write_text(site_conf(1).replace("127.0.0.1:1;", f"unix:{node.prefix}/s;"))
    node.start()
    nginxws = over_ssh(node)
    with node.untouched():
        done = nginxws("add-route", "/ws/", backend.address, code=1)
    assert "no TCP port" in done.error
    assert "--probe-url" in done.hint
    nginxws("add-route", "/ws/", backend.address, "--probe", "warn")


def test_backend_on_a_unix_socket(nginxws: Nginxws, node: NginxNode, tmp_path: Path) -> None:
    """Nobody accepts there: NGINX's 502 shows that it is where it looked."""
    path = tmp_path / "app.sock"
    with socket.socket(socket.AF_UNIX) as bound, node.untouched(reloads=True):
        bound.bind(str(path))
        words = ("--probe-timeout", "1")
        assert "502" in nginxws("add-route", "/ws/", f"unix:{path}", *words, code=4).error
    assert str(path) in (node.prefix / "error.log").read_text()


def test_ssh_server_that_forbids_forwarding(
    command: Nginxws, sshd: SshdFactory, node: NginxNode, backend: Backend
) -> None:
    server = sshd("AllowTcpForwarding no")
    nginxws = command.at("--node", "node", "--ssh-config", str(server.config), *node.options())
    with node.untouched():
        done = nginxws("add-route", "/ws/", backend.address, "--probe-timeout", "1", code=1)
    assert "the SSH server forbids" in done.error
    assert done.hint
    url = ("--probe-url", f"ws://127.0.0.1:{node.port}/ws/")
    assert "live" in nginxws("add-route", "/ws/", backend.address, *url).out
