"""The way back to an earlier revision, as a plan. Pure.

Two ways. Where every file still is as our last revision left it, the bytes of then come back exactly. Where
somebody has edited one since, ``surgical`` takes only our blocks back, and everybody else's bytes stay.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from nginxws.config.blocks import ManagedBlock, find_blocks
from nginxws.config.document import parse
from nginxws.config.matching import location_key
from nginxws.config.proof import cut
from nginxws.config.servers import ServerBlock
from nginxws.config.shared import BlockIndex, tree_blocks
from nginxws.config.splice import apply_edits
from nginxws.config.tree import ConfigTree, MappingReader, load
from nginxws.diff import edits_between
from nginxws.errorlog import error_logs
from nginxws.errors import ConfigError, DriftError, NginxwsError
from nginxws.plan import Action, Change, FilePlan, NodePlan, ProbePoint
from nginxws.probing import probe_point
from nginxws.reverting import reverting
from nginxws.revision import History, Revision, RevisionFile
from nginxws.route import Match, Route
from nginxws.snapshot import FileState, Snapshot

_MATCHES = {"^~": Match.PRIORITY, "": Match.PREFIX, "=": Match.EXACT, "~": Match.REGEX, "~*": Match.REGEX}
_NO_FILE = RevisionFile("", "", "")


@dataclass(frozen=True, slots=True)
class Rollback:
    """Where to: the node as revision ``to`` left it (0: before the first).

    ``undone`` are all later revisions, oldest first. ``surgical`` takes only our blocks back where a file
    was edited since; ``overwrite_drift`` gives up hand edits of those.
    """

    to: int
    undone: tuple[Revision, ...]
    surgical: bool = False
    overwrite_drift: bool = False


def chosen(
    history: History, to: int | None, *, surgical: bool = False, overwrite_drift: bool = False
) -> Rollback:
    """The way back to revision ``to``; None: to before the newest one, whatever that was.

    So a second one without a number undoes the first. Raises NginxwsError when the node doesn't keep what
    it takes.
    """
    newest = history.newest
    if newest is None:
        raise NginxwsError("there is nothing to go back from: no revisions", hint=history.kept())
    to = newest.number - 1 if to is None else to
    if to > newest.number:
        raise NginxwsError(f"there is no revision {to}", hint=history.kept())
    undone = tuple(one for one in history.revisions if one.number > to)
    if [one.number for one in undone] != list(range(to + 1, newest.number + 1)):
        raise NginxwsError(f"revision {to} can't be reached any more", hint=history.kept())
    return Rollback(to, undone, surgical, overwrite_drift)


def edited(now: Snapshot, history: History) -> tuple[str, ...]:
    """The files that aren't as the newest revision which touched them left them, by their real paths."""
    left = {file.path: file.after for revision in history.revisions for file in revision.files}
    have = {file.real: file.sha256 for file in now.files}
    return tuple(path for path, after in left.items() if have.get(path) != after)


def needed(now: Snapshot, back: Rollback) -> dict[int, set[str]]:
    """Whose bytes `rollback_plan` will ask for: paths by revision number.

    Raises DriftError when somebody edited a file since, and only our blocks weren't asked for; ConfigError
    when NGINX doesn't read one any more.
    """
    wanted: dict[int, set[str]] = {}
    for trail in _trails(now, back):
        asked = trail.steps[:1] if trail.whole else trail.steps
        for number, file in asked:
            wanted.setdefault(number, set()).add(file.path)
    return wanted


def rollback_plan(now: Snapshot, tree: ConfigTree, back: Rollback) -> NodePlan:
    """What brings the node back to where ``back`` says; its revisions hold the bytes that `needed` named.

    ``tree`` is that of the snapshot. Raises what `needed` does; DriftError when a block of ours that has to
    go was edited; ConfigError when going back would leave an include without its file, or isn't possible.
    """
    plans = tuple(
        plan for trail in _trails(now, back) if (plan := _file_plan(tree, trail, back.overwrite_drift))
    )
    after = _tree_after(now, plans)
    _refuse_new_problems(tree, after)
    old, new_routes = _routes(tree), _routes(after)
    if plans:
        changes, probes = _differences(old, new_routes)
    else:
        note = f"it is as revision {back.to} left it" if back.to else "it is as before the first revision"
        changes, probes = [route.change("unchanged", note) for route in old.values()], []
    return NodePlan(
        node=now.node,
        changes=tuple(changes),
        files=plans,
        probes=tuple(probes),
        base=tuple((file.real, file.sha256) for file in now.files),
        contexts={path: file.contexts for path, file in tree.files.items()},
        error_logs=error_logs(now, tree),
        test_refused=now.test_failure is not None,
    )


# --- files --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Trail:
    """What the revisions that go did to one file; ``whole``: nobody else has touched it since then."""

    state: FileState
    steps: tuple[tuple[int, RevisionFile], ...]
    whole: bool


def _trails(now: Snapshot, back: Rollback) -> list[_Trail]:
    by_path: dict[str, list[tuple[int, RevisionFile]]] = {}
    for revision in back.undone:
        for file in revision.files:
            by_path.setdefault(file.path, []).append((revision.number, file))
    present = {file.real: file for file in reversed(now.files)}
    trails = []
    for path, steps in by_path.items():
        if path not in present:
            raise ConfigError(
                "revisions since then changed this file, and NGINX doesn't read it any more",
                file=path,
                hint="nothing was changed; include it again, or use add-route and remove-route",
            )
        state = present[path]
        linked = all(one.after == two.before for (_, one), (_, two) in pairwise(steps))
        trails.append(_Trail(state, tuple(steps), linked and steps[-1][1].after == state.sha256))
    touched = [trail.state.path for trail in trails if not trail.whole]
    if touched and not back.surgical:
        raise DriftError(
            "somebody else edited this file since then, and going back would lose that",
            file=touched[0],
            detail="\n".join(["these as well:", *touched[1:]]) if touched[1:] else None,
            hint="nothing was changed; --surgical takes only our blocks back, and leaves what others wrote",
        )
    return trails


def _file_plan(tree: ConfigTree, trail: _Trail, overwrite_drift: bool) -> FilePlan | None:
    state = trail.state
    then = _bytes(trail.steps[0][1].old)
    if trail.whole:
        edits = edits_between(state.data, then)
    else:
        _refuse_taken_over(trail)
        edits = reverting(tree, state.path, parse(then, state.path), overwrite_drift=overwrite_drift)
    if not edits:
        return None
    return FilePlan(state.path, state.real, state.data, apply_edits(state.data, edits), edits)


def _refuse_taken_over(trail: _Trail) -> None:
    """Going back surgically would lose a hand-written location whose place a route took.

    Revisions between which nobody edited are one step: what the first took the last may have put back.
    """
    start = trail.steps[0][1]
    for (_, one), (_, two) in pairwise([*trail.steps, (0, _NO_FILE)]):
        if one.after == two.before:
            continue
        if _foreign(_bytes(start.old), one.path) != _foreign(_bytes(one.new), one.path):
            raise DriftError(
                "a route took the place of a hand-written location here, or gave it back, and somebody else "
                "edited the file since: that can't be undone without losing the edit",
                file=trail.state.path,
                hint="nothing was changed; put it right by hand: `nginxws history show REVISION` prints it",
            )
        start = two


def _foreign(data: bytes, path: str) -> bytes:
    """A file without our blocks."""
    return cut(data, [block.span for block in find_blocks(parse(data, path))])


def _bytes(data: bytes | None) -> bytes:
    assert data is not None, "asked for with their bytes"
    return data


def _tree_after(now: Snapshot, plans: Sequence[FilePlan]) -> ConfigTree:
    changed = {plan.real: plan.after for plan in plans}
    texts = {file.path: changed.get(file.real, file.data) for file in now.files}
    return load(now.nginx.conf, MappingReader(texts))


def _refuse_new_problems(before: ConfigTree, after: ConfigTree) -> None:
    """Such as an include in a hand-written location that comes back: what it reads, nobody has looked at."""
    known = {(problem.file, problem.message) for problem in before.problems}
    for problem in after.problems:
        if (problem.file, problem.message) not in known:
            raise ConfigError(
                f"what comes back can't be read: {problem.message}",
                file=problem.file,
                line=problem.line,
                hint="nothing was changed; put it back by hand: `nginxws history show REVISION` prints it",
            )


# --- routes -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Managed:
    """A managed route, its server, and how its location matches."""

    block: ManagedBlock
    server: ServerBlock
    match: Match

    def change(self, action: Action, note: str = "") -> Change:
        where = f"{self.block.file}:{self.block.line}"
        return Change(action, self.block.id.name, self.server.label, where, note)

    def probe(self) -> ProbePoint:
        point = probe_point(Route(self.block.id.name, (), match=self.match), self.server, None)
        return replace(point, path="") if self.match is Match.REGEX else point


_Routes = Mapping[tuple[int, str], _Managed]


def _differences(old: _Routes, new: _Routes) -> tuple[list[Change], list[ProbePoint]]:
    """What becomes of each managed route, and how those that change are proved."""
    changes = [route.change("remove") for key, route in old.items() if key not in new]
    probes = []
    for key, route in new.items():
        if key in old and old[key].block.body == route.block.body:
            continue
        changes.append(route.change("change" if key in old else "add"))
        probes.append(route.probe())
    return changes, probes


def _routes(tree: ConfigTree) -> _Routes:
    """Managed routes by their server's place among the servers, and their path."""
    index = BlockIndex(block for block in tree_blocks(tree) if block.id.kind == "route")
    found: dict[tuple[int, str], _Managed] = {}
    servers = {id(server.directive): server for server in tree.http_servers()}
    for number, server in enumerate(servers.values()):
        for location in server.locations:
            block = index.owner(location)
            if block is None:
                continue
            key = location_key(location.directive)
            # A route may bring a second location, for its path without the slash.
            own = key.path == block.id.name
            if own or (number, block.id.name) not in found:
                match = _MATCHES.get(key.modifier, Match.PRIORITY) if own else Match.PRIORITY
                found[number, block.id.name] = _Managed(block, server, match)
    return found
