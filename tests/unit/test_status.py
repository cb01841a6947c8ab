"""How a node stands, from what it says."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.planning import MAIN, SITE, put, snapshot
from support.revisions import Node

from nginxws.config.tree import MappingReader, load
from nginxws.revision import History
from nginxws.snapshot import Pending, Snapshot
from nginxws.status import NodeStatus, node_status

DASH_V = "nginx version: nginx/1.22.1\nbuilt with OpenSSL 3\nconfigure arguments: --prefix=/x\n"


def status(now: Snapshot, history: History | None = None) -> NodeStatus:
    return node_status(now, load(MAIN, MappingReader(now.texts())), history or History())


def test_a_node_without_anything_of_ours() -> None:
    now = snapshot(SITE, dash_v=DASH_V)
    found = status(replace(now, master=7, state_dir="/s", holder="pid 3"))
    assert found == NodeStatus(
        nginx="nginx/1.22.1",
        conf=MAIN,
        state_dir="/s",
        master=7,
        revision=None,
        edited=(),
        managed=0,
        drifted=(),
        pending=None,
        holder="pid 3",
        serving=0,
        draining=0,
        generations=0,
        oldest_seconds=0,
        sockets=None,
        shutdown_timeout="",
    )


def test_routes_drift_and_edits() -> None:
    node = Node({MAIN: SITE})
    node.put(put("/one/", options={"slashless": "alias"}), put("/two/"))
    found = status(node.snapshot(), node.history)
    assert (found.managed, found.drifted, found.edited) == (2, (), ())
    assert found.revision == node.revisions[0]
    node.files = {MAIN: node.files[MAIN].replace(b"10.0.0.5", b"10.0.0.6", 1)}
    found = status(node.snapshot(), node.history)
    assert (found.managed, [route.path for route in found.drifted]) == (2, ["/one/"])
    assert found.edited == (MAIN,)


def test_what_the_node_says_goes_through() -> None:
    pending = Pending("tx", "a@b", 5)
    now = replace(snapshot(SITE), pending=pending, test_failure="[emerg]")
    found = status(now, History(serving=4, draining=2, generations=1, oldest_seconds=90))
    assert (found.pending, found.test_failure, found.nginx) == (pending, "[emerg]", "")
    assert (found.serving, found.draining, found.generations, found.oldest_seconds) == (4, 2, 1, 90)


@pytest.mark.parametrize(
    ("listen", "sockets"),
    [
        ("listen 80; listen 127.0.0.1:81; listen [::]:80;", {80: 3, 81: 0}),
        ("listen unix:/x; listen 443 quic;", {}),
        ("", {80: 3}),
    ],
)
def test_sockets_are_counted_on_the_ports_that_nginx_listens_on(listen: str, sockets: dict[int, int]) -> None:
    data = SITE.replace(b"listen 80;", listen.encode())
    found = status(snapshot(data), History(established={22: 9, 80: 3}))
    assert found.sockets == sockets


@pytest.mark.parametrize(
    ("main", "timeout"),
    [
        ("worker_shutdown_timeout 10m;", "10m"),
        ("user x; include /more;", "5s"),
        ("worker_shutdown_timeout;", ""),
        ("user x;", ""),
    ],
)
def test_the_limit_of_old_workers_stands_in_the_main_context(main: str, timeout: str) -> None:
    inside = SITE.replace(b"http {", b"http {\n    worker_shutdown_timeout 1s;")
    now = snapshot({MAIN: main.encode() + b"\n" + inside, "/more": b"worker_shutdown_timeout 5s;"})
    assert status(now).shutdown_timeout == timeout
