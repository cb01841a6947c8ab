"""What would change on an application's node: plain data, made from its snapshot. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace

from nginxws.counting import count
from nginxws.diff import edits_between, unified
from nginxws.environment.addresses import rewrite, taken_out
from nginxws.environment.archive import Entry, digest, pack
from nginxws.environment.unpacking import refuse_too_much
from nginxws.environment.wanted import WantedApp, WantedFile
from nginxws.errors import DriftError, NginxwsError, NodeError
from nginxws.printable import one_line

#: Characters of a release's name, from the digest of its archive.
NAME_LENGTH = 16


@dataclass(frozen=True, slots=True)
class FileState:
    """A file of the node that nginxws edits, or did.

    ``data`` is what stands there, None if there is no file. ``original`` is what stood there before
    nginxws edited it; None if it never did, or if what stands there isn't what it wrote. In the second case,
    ``edited`` is where on the node the text before us is kept, and ``before`` that text, None if it is lost.
    """

    path: str
    data: bytes | None = field(repr=False)
    original: bytes | None = field(default=None, repr=False)
    edited: str = ""
    before: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class AppSnapshot:
    """What an application's node has now.

    ``current`` is the release in use, None if there is none; ``releases`` are ours, the latest last.
    ``foreign`` says why the link ``current`` can't be switched; empty if it can. ``pending``: an interrupted
    change hasn't been undone yet; ``recovered`` says which one was undone just now, empty if none.
    Without ``recorded``, the node has no record of a change of ours, so what lies there isn't ours to remove.
    ``unmanaged``: nothing there manages the service that is to be restarted.
    """

    current: str | None = None
    releases: tuple[str, ...] = ()
    foreign: str = ""
    files: tuple[FileState, ...] = ()
    pending: bool = False
    recovered: str = ""
    recorded: bool = True
    unmanaged: bool = False


@dataclass(frozen=True, slots=True)
class FileEdit:
    """A file of the node, edited in place."""

    path: str
    before: bytes = field(repr=False)
    after: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Release:
    """A release: the first digits of its archive's digest, and the archive."""

    name: str
    archive: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class AppPlan:
    """Everything that would change for one application.

    ``release`` is what the link ``current`` is to point at, None if that stays; ``deployed``: it lies on the
    node already, and only the link is switched. ``removed`` are releases that go, with the link (only in a
    plan of `make_down_plan`). ``restart``: something changes, and there is a service or command to restart.
    ``changes`` says all of it to people, a line each; ``diff`` is of the edited files, and of those that are
    rewritten in the source. ``overwrite``: what somebody edited after us is given up, so the texts before us
    stay those that are kept.
    """

    name: str
    release: Release | None = None
    deployed: bool = False
    edits: tuple[FileEdit, ...] = ()
    restart: bool = False
    changes: tuple[str, ...] = ()
    diff: str = field(default="", repr=False)
    removed: tuple[str, ...] = ()
    overwrite: bool = False

    @property
    def is_noop(self) -> bool:
        """Whether there is nothing to do."""
        return not self.changes


def make_app_plan(
    wanted: WantedApp, now: AppSnapshot, entries: tuple[Entry, ...] | None, *, overwrite: bool = False
) -> AppPlan:
    """What makes the node as it is wanted. ``entries`` are the source's, None without a source.

    Files that were edited and aren't wanted any more get their original bytes back. What somebody edited
    after us stays, unless ``overwrite``. Raises NodeError for a file of the node that isn't there and for a
    ``current`` that isn't ours, DriftError as `make_down_plan`, NginxwsError for a file that the source
    doesn't have, for an address that isn't found exactly once, for too large a source, and for a service that
    nothing there manages.
    """
    release, source_diff = None, ""
    if entries is not None:
        release, source_diff = _release(wanted, now, entries)
    meant = {file.on_node for file in _files(wanted, in_source=False)}
    told = [
        *_edits(wanted, now, overwrite=overwrite),
        *_given_back(wanted, now, but=meant, overwrite=overwrite),
    ]
    edits = tuple(edit for edit, _said in told)
    changes = [*_said_of_release(wanted, now, release, entries or ()), *(said for _edit, said in told)]
    return _planned(
        wanted,
        now,
        changes,
        AppPlan(
            wanted.name,
            release,
            release is not None and release.name in now.releases,
            edits,
            diff=source_diff + _diff(edits),
            overwrite=overwrite and bool(edits),
        ),
    )


def make_down_plan(wanted: WantedApp, now: AppSnapshot, *, overwrite: bool = False) -> AppPlan:
    """What takes our part back: edited files get their original bytes, releases and their link go.

    From a file that somebody edited after us, our address alone is taken. Raises DriftError where that can't
    be told from the edit; with ``overwrite`` the file gets its original bytes, and the edit is lost.
    """
    told = list(_given_back(wanted, now, overwrite=overwrite))
    edits = tuple(edit for edit, _said in told)
    changes = [said for _edit, said in told]
    removed = now.releases if now.recorded else ()
    if removed:
        changes.append(f"remove {count(len(removed), 'release')} from {wanted.target}")
    plan = AppPlan(wanted.name, edits=edits, diff=_diff(edits), removed=removed)
    return _planned(wanted, now, changes, replace(plan, overwrite=overwrite and bool(edits)))


def _planned(wanted: WantedApp, now: AppSnapshot, changes: list[str], plan: AppPlan) -> AppPlan:
    """The plan with what follows from its changes: the restart, and what was left behind undone before."""
    restart = bool(changes) and bool(wanted.service or wanted.restart)
    if restart:
        if now.unmanaged:
            raise _unmanaged(wanted)
        what = f"service {wanted.service}" if wanted.service else f"it: {one_line(wanted.restart or '')}"
        changes = [*changes, f"restart {what}"]
    if now.pending:
        changes = ["undo a change that was interrupted", *changes]
    return replace(plan, restart=restart, changes=tuple(changes))


def _unmanaged(wanted: WantedApp) -> NodeError:
    return NodeError(
        f"there is no service {wanted.service} (asked systemd, OpenRC and /etc/init.d)",
        node=wanted.name,
        hint="name the service as the node does, or say restart = COMMAND",
    )


def _release(wanted: WantedApp, now: AppSnapshot, entries: Sequence[Entry]) -> tuple[Release | None, str]:
    """The release that is to become the current one, None if it is, and what is rewritten in the source."""
    if now.foreign:
        raise NodeError(
            f"the link can't be switched: {now.foreign}",
            node=wanted.name,
            file=f"{wanted.target}/current",
            hint="move what is there away, or name another target",
        )
    files = {file.file: file for file in _files(wanted, in_source=True)}
    sent = {entry.path: entry for entry in entries}
    edits = []
    for path, file in files.items():
        entry = sent.get(path)
        if entry is None or entry.link is not None:
            raise _not_in_source(wanted, path, entries)
        edits.append(FileEdit(path, entry.data, rewrite(entry.data, file, path)))
        sent[path] = replace(entry, data=edits[-1].after)
    packed = pack(sent.values())
    refuse_too_much(len(packed), len(sent), wanted.source or "")
    name = digest(packed)[:NAME_LENGTH]
    return (None, "") if name == now.current else (Release(name, packed), _diff(edits))


def _not_in_source(wanted: WantedApp, path: str, entries: Sequence[Entry]) -> NginxwsError:
    called = posixpath.basename(path)
    others = [one.path for one in entries if one.link is None and posixpath.basename(one.path) == called]
    return NginxwsError(
        f"{path} isn't a file of the source {wanted.source}",
        node=wanted.name,
        hint=f"did you mean {one_line(others[0])}?" if others else "its path begins at the source's top",
    )


def _files(wanted: WantedApp, *, in_source: bool) -> Iterator[WantedFile]:
    return (file for file in wanted.files if file.in_source is in_source)


def _edits(wanted: WantedApp, now: AppSnapshot, *, overwrite: bool) -> Iterator[tuple[FileEdit, str]]:
    """The wanted files of the node that say another address now, and what is said of each."""
    states = {state.path: state for state in now.files}
    for file in _files(wanted, in_source=False):
        state = states.get(file.on_node)
        if state is None or state.data is None:
            raise NodeError(
                "isn't there, or isn't a file",
                node=wanted.name,
                file=file.on_node,
                hint="see `file` of the application's [[websocket]] in the manifest",
            )
        after = rewrite(_base(state.data, state, file, overwrite=overwrite), file, file.on_node)
        if after != state.data:
            lost = _LOST if overwrite and state.before is not None else ""
            said = f"write {file.value} into {one_line(file.on_node)}{lost}"
            yield FileEdit(file.on_node, state.data, after), said


def _base(data: bytes, state: FileState, file: WantedFile, *, overwrite: bool) -> bytes:
    """What an address is written into: a placeholder is there only before it is replaced."""
    if state.original is not None:
        return state.original
    if state.before is None:
        return data
    base = state.before if overwrite else taken_out(data, state.before, file)
    return data if base is None else base


def _given_back(
    wanted: WantedApp, now: AppSnapshot, *, but: Collection[str] = (), overwrite: bool
) -> Iterator[tuple[FileEdit, str]]:
    """Files that were edited, without us, and what is said of each. Raises DriftError."""
    files = {file.on_node: file for file in _files(wanted, in_source=False)}
    for state in now.files:
        data, path = state.data, one_line(state.path)
        if state.path in but or data is None:
            continue
        if state.original is not None:
            yield FileEdit(state.path, data, state.original), f"give {path} its original bytes back"
        elif state.edited:
            file, before = files.get(state.path), state.before
            left = None if file is None or before is None else taken_out(data, before, file)
            said = f"take our address out of {path}; what was edited by hand there stays"
            if left is None:
                left, said = before, f"give {path} its original bytes back{_LOST}"
                if left is None or not overwrite:
                    raise _drifted(wanted, state)
            if left != data:
                yield FileEdit(state.path, data, left), said


_LOST = "; what was edited by hand there is lost"


def _drifted(wanted: WantedApp, state: FileState) -> DriftError:
    instead = "; or --overwrite-drift puts it back, and gives up what was edited"
    return DriftError(
        "was edited by hand after nginxws wrote into it, and our address there can't be told from that",
        node=wanted.name,
        file=state.path,
        hint=f"nothing was touched. The text before us is {state.edited} on the node: put it back by hand, "
        f"with what is to stay of the edit{instead if state.before is not None else ''}",
    )


def _said_of_release(
    wanted: WantedApp, now: AppSnapshot, release: Release | None, entries: Sequence[Entry]
) -> Iterator[str]:
    if release is None:
        return
    if release.name in now.releases:
        yield f"switch {wanted.target}/current to release {release.name}, which is there already"
        return
    files = count(sum(not entry.is_folder for entry in entries), "file")
    yield f"deploy {wanted.source} to {wanted.target} as release {release.name} ({files})"
    for file in _files(wanted, in_source=True):
        yield f"write {file.value} into its {one_line(file.file)}"


def _diff(edits: Sequence[FileEdit]) -> str:
    return "".join(unified(edit.before, edits_between(edit.before, edit.after), edit.path) for edit in edits)
