"""A route's whole life on a real balancer: added, used, added again, changed, removed, no trace left."""

from __future__ import annotations

import pytest
from support.backend import Backend, echo_backend, echoes
from support.command import Nginxws
from support.nginx import NginxNode, wait_for
from websockets.exceptions import InvalidStatus

pytestmark = [pytest.mark.nginx, pytest.mark.sshd]
BOTH = pytest.mark.parametrize("binary", ["debian", "wheel"], indirect=True)

#: What the backend must see of a client that came through the balancer.
SEEN = {
    "host": "chat.example.com",
    "x-real-ip": "127.0.0.1",
    "x-forwarded-for": "127.0.0.1",
    "x-forwarded-proto": "http",
    "upgrade": "websocket",
    "connection": "upgrade",
}


def whole_life(nginxws: Nginxws, node: NginxNode, backend: Backend) -> None:
    at_the_start = node.digests()
    old = set(node.workers())

    added = nginxws("add-route", "/ws/", backend.address)
    assert "/ws/: added in chat.example.com" in added.out
    assert "live" in added.out
    assert echoes(node.port, "/ws/room?x=1")
    path, headers = backend.requests[-1]
    assert path == "/ws/room?x=1"
    assert headers.items() >= SEEN.items()
    assert not old & {pid for pid, draining in node.workers().items() if not draining}

    (route,) = listed(nginxws)
    assert (route["path"], route["match"], route["state"]) == ("/ws/", "^~", "managed")
    assert route["backends"] == [f"http://{backend.address}"]
    assert route["file"] == str(node.site)

    nothing_to_do(nginxws, node, backend)
    move_to_other_backends(nginxws, node, backend)

    assert "/ws/: removed in chat.example.com" in nginxws("remove-route", "/ws/").out
    with pytest.raises(InvalidStatus):
        echoes(node.port)
    assert listed(nginxws) == []
    assert node.digests() == at_the_start  # a temporary file left beside would be one too many
    assert node.lock_is_free()
    assert len(node.revisions()) == 3
    assert {path.stat().st_mode & 0o777 for path in node.state.iterdir()} == {0o700}
    assert "nothing to do" in nginxws("remove-route", "/ws/").out


def listed(nginxws: Nginxws) -> list[dict[str, object]]:
    (entry,) = nginxws("list-routes", "--format", "json").json["nodes"].values()
    assert entry["error"] is None
    routes: list[dict[str, object]] = entry["routes"]
    return routes


def nothing_to_do(nginxws: Nginxws, node: NginxNode, backend: Backend) -> None:
    """The same again proves the route once more and touches nothing: old workers may go, no new ones come."""
    wait_for(lambda: not any(node.workers().values()), "the end of the drained workers")
    handshakes = len(backend.requests)
    with node.untouched():
        assert "/ws/: nothing to do" in nginxws("add-route", "/ws/", backend.address).out
    assert len(backend.requests) == handshakes + 1


def move_to_other_backends(nginxws: Nginxws, node: NginxNode, backend: Backend) -> None:
    with echo_backend() as second:
        done = nginxws("add-route", "/ws/", f"{backend.address} weight=3", second.address)
        assert "/ws/: changed in" in done.out
        assert all(echoes(node.port) for _ in range(8))
        assert second.requests, "the second backend got no connection"
        (route,) = listed(nginxws)
        assert route["backends"] == [f"{backend.address} weight=3", second.address]


@BOTH
def test_over_ssh(nginxws: Nginxws, node: NginxNode, backend: Backend) -> None:
    whole_life(nginxws, node, backend)


def test_on_this_machine(command: Nginxws, node: NginxNode, backend: Backend) -> None:
    whole_life(command.at("--node", "local", *node.options()), node, backend)


def test_what_routes_share_comes_once_and_goes_with_the_last(
    nginxws: Nginxws, node: NginxNode, backend: Backend
) -> None:
    before = node.digests()
    nginxws("add-route", "/one/", backend.address)
    nginxws("add-route", "/two/", backend.address, "127.0.0.1:1 backup", "--balance", "least-conn")
    text = node.site.read_text()
    assert text.count("map $http_upgrade $nginxws_upgrade") == 1
    assert text.count("\nupstream nginxws_") == 1
    nginxws("remove-route", "/one/")
    assert "map $http_upgrade" in node.site.read_text()
    assert echoes(node.port, "/two/")
    nginxws("remove-route", "/two/")
    assert node.digests() == before
