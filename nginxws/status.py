"""How a node stands: what was applied last, what was edited since, and what its NGINX is doing. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from nginxws.config.octets import to_text
from nginxws.config.shared import tree_blocks
from nginxws.config.tree import ConfigTree
from nginxws.inventory import ListedRoute, routes
from nginxws.revision import History, Revision
from nginxws.rollback import edited
from nginxws.snapshot import Pending, Snapshot

_PRODUCT = re.compile(r"^[a-z]+ version: *(\S+)", re.M)


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """One node.

    ``nginx`` is the program's own name and version, ``master`` its pid (0: it isn't running),
    ``test_failure`` its words when its own test fails. ``revision`` is the newest; ``edited`` are files that
    somebody else changed since it, by their real paths. ``managed`` counts our routes, ``drifted`` are those
    with hand edits. ``holder`` is who holds the lock, in the node's words. ``sockets`` counts established
    connections by each TCP port that NGINX listens on, None where the node can't tell.
    ``shutdown_timeout`` is worker_shutdown_timeout as written, empty when old workers wait without limit.
    """

    nginx: str
    conf: str
    state_dir: str
    master: int
    revision: Revision | None
    edited: tuple[str, ...]
    managed: int
    drifted: tuple[ListedRoute, ...]
    pending: Pending | None
    holder: str
    serving: int
    draining: int
    generations: int
    oldest_seconds: int
    sockets: dict[int, int] | None
    shutdown_timeout: str
    test_failure: str | None = None


def node_status(now: Snapshot, tree: ConfigTree, history: History) -> NodeStatus:
    """What a snapshot, its tree and the node's history come to.

    Raises ConfigError when our markers don't pair up.
    """
    managed = [block.id.name for block in tree_blocks(tree) if block.id.kind == "route"]
    names = set(managed)
    # A route may have a second location, for its path without the slash.
    drifted = (route for route in routes(tree) if route.state == "drifted" and route.path in names)
    product = _PRODUCT.search(now.nginx.dash_v)
    return NodeStatus(
        nginx=product[1] if product else "",
        conf=now.nginx.conf,
        state_dir=now.state_dir,
        master=now.master,
        revision=history.newest,
        edited=edited(now, history),
        managed=len(managed),
        drifted=tuple(drifted),
        pending=now.pending,
        holder=now.holder,
        serving=history.serving,
        draining=history.draining,
        generations=history.generations,
        oldest_seconds=history.oldest_seconds,
        sockets=_sockets(tree, history),
        shutdown_timeout=_shutdown_timeout(tree),
        test_failure=now.test_failure,
    )


def _sockets(tree: ConfigTree, history: History) -> dict[int, int] | None:
    if history.established is None:
        return None
    return {port: history.established.get(port, 0) for port in sorted(set(_ports(tree)))}


def _ports(tree: ConfigTree) -> Iterator[int]:
    for server in tree.http_servers():
        for listen in server.listens:
            if listen.port is not None and not listen.quic:
                yield listen.port


def _shutdown_timeout(tree: ConfigTree) -> str:
    """In the main context only (ngx_core_commands); the last one can't differ: NGINX refuses a second."""
    for one in tree.expand(tree.main_file.document.directives, tree.main_file):
        if one.directive.name == b"worker_shutdown_timeout" and one.directive.args:
            return to_text(one.directive.args[0])
    return ""
