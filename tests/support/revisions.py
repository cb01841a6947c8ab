"""Revisions as a node would keep them, without a node."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import pytest

from nginxws.config.tree import MappingReader, load
from nginxws.errors import NginxwsError
from nginxws.plan import NodePlan, Wanted
from nginxws.planner import make_plan
from nginxws.revision import History, Revision, RevisionFile
from nginxws.rollback import chosen, needed, rollback_plan
from nginxws.snapshot import FileState, NginxInfo, Snapshot

Files = dict[str, bytes]


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Node:
    """Files, and the revisions that plans made of them; ``states[n]`` is how revision ``n`` left them."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files: Files = dict(files)
        self.states: list[Files] = [self.files]
        self.revisions: list[Revision] = []

    @property
    def history(self) -> History:
        return History(tuple(self.revisions))

    def snapshot(self) -> Snapshot:
        main = next(iter(self.files))
        states = tuple(FileState(path, path, data) for path, data in self.files.items())
        return Snapshot("lb1", NginxInfo(conf=main, main=main), states)

    def put(self, *wanted: Wanted) -> None:
        self.apply(make_plan(self.snapshot(), wanted))

    def apply(self, plan: NodePlan) -> None:
        """What a transaction does; a plan without changes is no revision."""
        if not plan.files:
            return
        files = [RevisionFile(f.real, sha(f.before), sha(f.after), f.before, f.after) for f in plan.files]
        self.revisions.append(Revision(len(self.revisions) + 1, files=tuple(files)))
        self.files = self.files | {file.path: file.after for file in plan.files}
        self.states.append(self.files)

    def back(
        self, to: int | None = None, *, surgical: bool = False, overwrite_drift: bool = False
    ) -> NodePlan:
        """The plan; revisions have no other bytes than those that were asked for."""
        back = chosen(self.history, to, surgical=surgical, overwrite_drift=overwrite_drift)
        now = self.snapshot()
        asked = needed(now, back)
        undone = tuple(_bare(revision, asked.get(revision.number, set())) for revision in back.undone)
        tree = load(now.nginx.conf, MappingReader(now.texts()))
        return rollback_plan(now, tree, type(back)(back.to, undone, back.surgical, back.overwrite_drift))

    def failure(self, to: int | None = None, *, surgical: bool = False) -> NginxwsError:
        with pytest.raises(NginxwsError) as caught:
            self.back(to, surgical=surgical)
        assert caught.value.hint
        return caught.value


def _bare(revision: Revision, keep: set[str]) -> Revision:
    files = (f if f.path in keep else RevisionFile(f.path, f.before, f.after) for f in revision.files)
    return Revision(revision.number, files=tuple(files))


def after(files: Files, plan: NodePlan) -> Files:
    """The files as the plan makes them."""
    assert {file.path: file.before for file in plan.files}.items() <= files.items()
    return files | {file.path: file.after for file in plan.files}


def paths_of(plan: NodePlan) -> Sequence[str]:
    return [f"{change.action} {change.route}" for change in plan.changes]
