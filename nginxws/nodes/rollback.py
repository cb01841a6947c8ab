"""A rollback of one node, up to its plan: its revisions read in the session of its snapshot."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from nginxws.errors import DriftError, StaleError
from nginxws.nodes import history
from nginxws.nodes.reading import read_node
from nginxws.planner import load_tree
from nginxws.revision import History
from nginxws.rollback import Rollback, chosen, needed, rollback_plan

if TYPE_CHECKING:
    from nginxws.nodes.link import NodeLink
    from nginxws.plan import NodePlan
    from nginxws.snapshot import Snapshot


@dataclass(slots=True)
class GoingBack:
    """One node's way back to revision ``to``; None: to before its newest one."""

    link: NodeLink
    to: int | None
    surgical: bool = False
    overwrite_drift: bool = False
    _newest: int | None = field(default=None, init=False)

    def plan(self, now: Snapshot) -> NodePlan:
        """What has to change; made anew, it never undoes what was applied after the first look.

        The link's next transaction is then kept as a rollback, and says where to unless it has a message.
        Raises DriftError and its kin (``rollback.py``), StaleError when the node is being changed just now,
        NodeError, ConnectionFailed.
        """
        link = self.link
        found = history.read(link.session(), link.options)
        self._refuse_newer(found)
        back = chosen(found, self.to, surgical=self.surgical, overwrite_drift=self.overwrite_drift)
        wanted = self._needed(now, back)
        undone = history.with_bytes(link.session(), link.options, back.undone, wanted)
        plan = rollback_plan(now, load_tree(now), replace(back, undone=undone))
        where = f"to revision {back.to}" if back.to else "to before the first revision"
        link.options = replace(link.options, kind="rollback", message=link.options.message or f"back {where}")
        return plan

    def _refuse_newer(self, found: History) -> None:
        newest = found.newest.number if found.newest else 0
        if self._newest is None:
            self._newest = newest
        if newest != self._newest:
            error = StaleError(
                f"revision {newest} was applied meanwhile, and going back would undo that as well",
                node=self.link.name,
                hint="look at it (`nginxws history`), then run the command again",
            )
            error.again = False
            raise error

    def _needed(self, now: Snapshot, back: Rollback) -> dict[int, set[str]]:
        """Whose bytes are needed. A commit between the two looks is no hand edit: the look is stale."""
        try:
            return needed(now, back)
        except DriftError as error:
            again = read_node(self.link, lambda _step, _words: None, undo=False)
            if again.files != now.files:
                raise StaleError(
                    "the node was changed while its revisions were read",
                    node=self.link.name,
                    hint="run the command again",
                ) from error
            raise
