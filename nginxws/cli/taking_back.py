"""Take back what was just applied to a node: the way of ``--on-failure rollback-all``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from nginxws import deploy
from nginxws.deploy import Applied, check_plan
from nginxws.errors import NginxwsError
from nginxws.nodes import history
from nginxws.nodes.link import NodeLink
from nginxws.nodes.options import ProbePolicy
from nginxws.nodes.reading import read_node
from nginxws.nodes.rollback import GoingBack

if TYPE_CHECKING:
    from nginxws.nodes.reading import OnStep

#: What was there before needn't have worked: it comes back all the same, and is told of.
_TOLD = ProbePolicy(mode="warn")


def take_back(link: NodeLink, applied: Applied, *, on_step: OnStep) -> Applied:
    """The node as it was before the revision, by a transaction of its own.

    Raises NginxwsError and its kin when it has another revision on top by now, or a file was edited since.
    """
    revision = applied.committed.revision
    on_step("take-back", "")
    newest = history.read(link.session(), link.options).newest
    if newest is None or newest.number != revision:
        raise NginxwsError(
            f"revision {revision} isn't the newest any more", hint="`nginxws history` lists what was applied"
        )
    link.options = replace(link.options, message=f"takes back revision {revision}")
    now = read_node(link, on_step, undo=False)
    plan = GoingBack(link, revision - 1).plan(now)
    check_plan(now, plan)
    return deploy.apply(link, plan, _TOLD, on_step)
