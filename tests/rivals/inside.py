"""Plans carried out in this process, so that something can happen in between."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from support.backend import Backend
from support.nginx import NginxNode

from nginxws.errors import NginxwsError
from nginxws.nodes import transaction
from nginxws.nodes.link import NodeLink
from nginxws.nodes.local import LocalTransport
from nginxws.nodes.options import NodeOptions
from nginxws.nodes.reading import read_node
from nginxws.nodes.script import script
from nginxws.nodes.sudo import Sudo
from nginxws.plan import Put
from nginxws.planner import make_plan
from nginxws.route import Route


def link_to(node: NginxNode, options: NodeOptions | None = None) -> NodeLink:
    """The node as the library has it."""
    settings = replace(
        options or NodeOptions(lock_timeout=1),
        nginx_bin=node.binary,
        nginx_conf=str(node.conf),
        state_dir=str(node.state),
    )
    return NodeLink("local", LocalTransport, Sudo(), settings)


def carry_out(
    link: NodeLink,
    backend: Backend,
    decide: Callable[[], str | None] = lambda: None,
    changed: Sequence[tuple[str, str]] = (),
    path: str = "/ws/",
) -> NginxwsError | None:
    """A plan for one route, carried out by the node script with replacements; the error that it ends in."""
    text = script().decode()
    for old, new in changed:
        assert text.count(old) == 1, f"{text.count(old)} places for {old!r}"
        text = text.replace(old, new)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nginxws.nodes.script.script", text.encode)
        plan = make_plan(read_node(link, _step), [Put(Route.create(path, [backend.address]))])
        try:
            transaction.run(link.session(), plan, link.options, transaction.new_id(), _step, decide)
        except NginxwsError as error:
            return error
        finally:
            link.end_session()
    return None


def _step(_name: str, _words: str) -> None:
    """Progress that nobody watches."""
