"""Ask a node what it has: the driver of the node script's ``snapshot`` and ``read`` requests."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import replace

from nginxws.errors import NginxwsError, NodeError, ProtocolError, StaleError
from nginxws.nodes.options import NodeOptions
from nginxws.nodes.session import Done, Frame, Session
from nginxws.snapshot import FileState, NginxInfo, Pending, Snapshot

#: Files that one configuration may consist of.
MAX_FILES = 20_000


def take(session: Session, options: NodeOptions, missing: Callable[[Snapshot], Iterable[str]]) -> Snapshot:
    """The node's snapshot.

    When ``nginx -T`` can't list the files (its test fails), they are found by
    following includes: ``missing`` names the patterns that the files so far ask
    for. Raises NodeError when there is no NGINX, and as Session does.
    """
    answers = _Answers(session.node)
    session.request("snapshot", options.parameters())
    done = session.frames(answers.add)
    if done.outcome != "ok":
        raise refusal(session.node, done)
    snapshot = answers.snapshot()
    asked: set[str] = set()
    while snapshot.test_failure is not None and (patterns := set(missing(snapshot)) - asked):
        asked |= patterns
        snapshot = replace(snapshot, files=snapshot.files + _read_more(session, sorted(patterns), snapshot))
    return snapshot


def _read_more(session: Session, patterns: list[str], have: Snapshot) -> tuple[FileState, ...]:
    found: dict[str, FileState] = {}
    known = {file.path for file in have.files}
    for pattern in patterns:
        answers = _Answers(session.node)
        session.request("read", [("pattern", pattern)])
        session.frames(answers.add)
        found |= {file.path: file for file in answers.files() if file.path not in known}
    return tuple(found.values())


class _Answers:
    """The frames of a snapshot, put together."""

    def __init__(self, node: str) -> None:
        self._node = node
        self._frames: dict[str, Frame] = {}

    def add(self, frame: Frame) -> None:
        if frame.kind in self._frames:
            raise self._nonsense(f"two {frame.kind} frames")
        self._frames[frame.kind] = frame

    def snapshot(self) -> Snapshot:
        nginx = self._lines("nginx", at_least=7)
        processes = self._lines("processes")
        host = self._lines("host")
        state = self._lines("state")
        untested = self._frames.get("untested")
        return Snapshot(
            node=self._node,
            nginx=NginxInfo(nginx[0], nginx[1], nginx[2], nginx[3], nginx[4], nginx[5], "\n".join(nginx[6:])),
            files=self.files(),
            master=_number(processes[0]),
            workers=_workers(processes[1:]),
            user=host[0].partition(" ")[2],
            tools=frozenset(host[1:]),
            sockets=tuple(line for line in self._lines("sockets") if line),
            state_dir=state[0],
            holder="\n".join(state[1:]),
            test_failure=None if untested is None else untested.text,
            pending=_pending(self._frames["pending"].lines) if "pending" in self._frames else None,
        )

    def files(self) -> tuple[FileState, ...]:
        paths = [path for path in self._lines("paths") if path]
        if not paths:
            return ()
        reals, stats, access = (self._lines(kind) for kind in ("reals", "stats", "access"))
        if len(paths) > MAX_FILES:
            raise self._nonsense(f"{len(paths)} files")
        if not len(paths) == len(reals) == len(stats) == len(access):
            raise self._moved()  # one vanished between two of the lists
        data = self._frames["bytes"].payload if "bytes" in self._frames else b""
        files, offset = [], 0
        for path, real, stat, may_write in zip(paths, reals, stats, access, strict=True):
            words = stat.split()
            if len(words) != 5 or not words[0].isdigit() or not path.startswith("/"):
                raise self._nonsense(f"metadata of {path!r}")
            size = int(words[0])
            text = data[offset : offset + size]
            offset += size
            uid, gid, links = (_number(word) for word in words[2:])
            files.append(FileState(path, real, text, words[1], uid, gid, links, may_write == "w"))
        self._compare(files, offset == len(data))
        return tuple(files)

    def _compare(self, files: list[FileState], complete: bool) -> None:
        """The node's checksums, taken after the bytes, must be those of the bytes."""
        sums = self._lines("sums")
        if not complete or sums != [hashlib.sha256(file.data).hexdigest() for file in files]:
            raise self._moved()

    def _moved(self) -> StaleError:
        return StaleError(
            "the configuration changed while it was being read",
            node=self._node,
            hint="run the command again",
        )

    def _lines(self, kind: str, at_least: int = 1) -> list[str]:
        frame = self._frames.get(kind)
        if frame is None or len(frame.lines) < at_least:
            raise self._nonsense(f"no {kind} frame")
        return frame.lines

    def _nonsense(self, what: str) -> ProtocolError:
        return ProtocolError(f"the node's snapshot makes no sense: {what}", node=self._node)


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0


def _workers(lines: list[str]) -> dict[int, bool]:
    words = (line.split() for line in lines)
    return {int(pair[0]): pair[1] == "draining" for pair in words if len(pair) == 2 and pair[0].isdigit()}


def _pending(lines: list[str]) -> Pending:
    values = dict(line.partition(" ")[::2] for line in lines)
    return Pending(values.get("tx", ""), values.get("who", ""), _number(values.get("since", "")))


def refusal(node: str, done: Done) -> NginxwsError:
    """The error for a request that the node script refused before touching anything."""
    message, hint = _REFUSALS.get(done.code, (f"the node refused: {done.code}", None))
    return NodeError(message.format(done.text.strip()), node=node, hint=hint)


_REFUSALS = {
    "no-nginx": ("{}", "is NGINX installed there? name its program with --nginx-bin"),
    "no-conf": ("{}", "name the main configuration file with --nginx-conf"),
    "denied": ("{}", "this login user may not read it: try --sudo, or another user"),
    "not-running": (
        "NGINX is not running (pid file {}, and no master process with this configuration)",
        "start it first: a route is only live when NGINX is; name another instance with --nginx-conf",
    ),
    "no-master": (
        "{}",
        "a reload needs a master process: take `master_process off` out of the configuration, and restart",
    ),
    "no-state": (
        "cannot write the state directory {}",
        "it holds the lock and the undo: name another with --state-dir, or try --sudo",
    ),
    "no-space": ("cannot write to {} (disk full or read-only?)", "free some space there, or use --state-dir"),
}
