"""Ask a node what it has: the driver of the node script's ``snapshot`` and ``read`` requests."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import replace

from nginxws.errors import NginxMissing, NginxwsError, NodeError, ProtocolError, StaleError
from nginxws.nodes import limits
from nginxws.nodes.frames import number, shortened
from nginxws.nodes.options import NodeOptions
from nginxws.nodes.session import Done, Frame, Session
from nginxws.snapshot import FileState, NginxInfo, Pending, Snapshot


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
        if len(asked) > limits.READS:
            raise _too_much(session.node, f"asks for more than {limits.READS} further names by include")
        snapshot = replace(snapshot, files=_with_more(session, sorted(patterns), snapshot.files))
    return snapshot


def _with_more(session: Session, patterns: list[str], have: tuple[FileState, ...]) -> tuple[FileState, ...]:
    """The files so far and those that the patterns find."""
    found = {file.path: file for file in have}
    size = sum(len(file.data) for file in have)
    for pattern in patterns:
        if any(character in pattern for character in "\n\0"):
            continue  # no file of a configuration can be called that
        answers = _Answers(session.node)
        session.request("read", [("pattern", pattern)], continues=True)
        done = session.frames(answers.add)
        if done.outcome != "ok":
            raise refusal(session.node, done)
        for file in answers.files():
            if file.path not in found:
                found[file.path] = file
                size += len(file.data)
        if len(found) > limits.FILES:
            raise _too_much(session.node, f"consists of more than {limits.FILES} files")
        if size > limits.CONFIGURATION:
            raise _too_much(session.node, f"is larger than {limits.CONFIGURATION // limits.MIB} MiB")
    return tuple(found.values())


def _too_much(node: str, what: str) -> NodeError:
    return NodeError(f"the configuration {what}", node=node, hint=_TOO_MUCH_HINT)


class _Answers:
    """The frames of a snapshot, put together."""

    def __init__(self, node: str) -> None:
        self._node = node
        self._frames: dict[str, Frame] = {}

    def add(self, frame: Frame) -> None:
        if frame.kind == "beat":
            return
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
            test_failure=None if untested is None else shortened(untested.text),
            pending=_pending(self._frames["pending"].lines) if "pending" in self._frames else None,
        )

    def files(self) -> tuple[FileState, ...]:
        paths = [path for path in self._lines("paths") if path]
        if not paths:
            return ()
        reals, stats, access = (self._lines(kind) for kind in ("reals", "stats", "access"))
        if len(paths) > limits.FILES:
            raise self._nonsense(f"{len(paths)} files")
        if len(set(paths)) != len(paths):
            raise self._nonsense("a file that is named twice")
        if not len(paths) == len(reals) == len(stats) == len(access):
            raise self._moved()  # one vanished between two of the lists
        data = self._frames.pop("bytes").payload if "bytes" in self._frames else b""
        files, offset = [], 0
        for path, real, stat, may_write in zip(paths, reals, stats, access, strict=True):
            size, mode, owner = self._stat(path, real, stat)
            text = data[offset : offset + size]
            offset += size
            files.append(FileState(path, real, text, mode, *owner, may_write == "w"))
        self._compare(files, offset == len(data))
        return tuple(files)

    def _stat(self, path: str, real: str, stat: str) -> tuple[int, str, tuple[int, int, int]]:
        """Size, mode, and (owner, group, links) from a file's metadata."""
        words = stat.split(" ")
        size, uid, gid, links = (number(words[n]) if n < len(words) else None for n in (0, 2, 3, 4))
        if len(words) != 5 or not _MODE.fullmatch(words[1]) or not (_is_path(path) and _is_real(real)):
            raise self._nonsense(f"metadata of {path[:200]!r}")
        if size is None or uid is None or gid is None or links is None:
            raise self._nonsense(f"metadata of {path[:200]!r}")
        return size, words[1], (uid, gid, links)

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
        lines = [] if frame is None else frame.lines
        if len(lines) < at_least:
            raise self._nonsense(f"no {kind} frame")
        if len(lines) > limits.PROCESSES:
            raise self._nonsense(f"{len(lines)} lines of {kind}")
        return lines

    def _nonsense(self, what: str) -> ProtocolError:
        hint = "is it the node you mean, and does nobody tamper with it?"
        return ProtocolError(f"the node's snapshot makes no sense: {what}", node=self._node, hint=hint)


_MODE = re.compile(r"[0-7]{1,5}", re.ASCII)


def _is_path(path: str) -> bool:
    return path.startswith("/") and len(path) <= limits.PATH and "\0" not in path


def _is_real(path: str) -> bool:
    """A real path, which has neither links nor dots in it."""
    return _is_path(path) and not {".", ".."} & set(path.split("/"))


def _number(text: str) -> int:
    return number(text) or 0


def _workers(lines: list[str]) -> dict[int, bool]:
    words = (line.split(" ") for line in lines)
    return {_number(pair[0]): pair[1] == "draining" for pair in words if len(pair) == 2 and _number(pair[0])}


def _pending(lines: list[str]) -> Pending:
    values = dict(line.partition(" ")[::2] for line in lines)
    return Pending(values.get("tx", ""), values.get("who", ""), _number(values.get("since", "")))


def refusal(node: str, done: Done) -> NginxwsError:
    """The error for a request that the node script refused before touching anything."""
    message, hint = _REFUSALS.get(done.code, (f"the node refused: {done.code}", None))
    kind = NginxMissing if done.code == "no-nginx" else NodeError
    return kind(message.format(done.text.strip()), node=node, hint=hint)


_TOO_MUCH_HINT = (
    "no balancer needs that: does an include take in a folder that isn't configuration, or a file of data? "
    "docs/reference/limits.md has the limits"
)
_REFUSALS = {
    "too-many": (f"the configuration consists of {{}} files, more than {limits.FILES}", _TOO_MUCH_HINT),
    "too-large": (
        f"the configuration has {{}} bytes, more than {limits.CONFIGURATION // limits.MIB} MiB",
        _TOO_MUCH_HINT,
    ),
    "stuck": (
        "{} does not come to an end",
        "does an include name a FIFO, a device or a file without end, or an upstream a name that no DNS has?",
    ),
    "no-revision": ("there is no revision {}", "`nginxws history` lists those that are kept"),
    "no-nginx": ("{}", "is NGINX installed there? name its program with --nginx-bin"),
    "no-conf": ("{}", "name the main configuration file with --nginx-conf"),
    "denied": ("{}", "this login user may not read it: try --sudo, or another user"),
    "not-running": (
        "NGINX is not running (pid file {}, and no master process with this configuration)",
        "start it first: a route is only live when NGINX is; name another instance with --nginx-conf. "
        "Where /proc hides other users' processes (hidepid), --sudo sees them",
    ),
    "no-master": (
        "{}",
        "a reload needs a master process: take `master_process off` out of the configuration, and restart",
    ),
    "no-state": (
        "cannot write the state directory {}; nothing was changed",
        "it holds the lock and the undo: name another with --state-dir, or try --sudo",
    ),
    "unsafe-state": (
        "others than you and root could change the state directory {}",
        "it and every folder above it (ls -ld) must be root's or yours, and writable by nobody else: "
        "mend that, or name another with --state-dir",
    ),
    "no-space": (
        "cannot write to {} (disk full or read-only?); nothing was changed",
        "free some space there, or use --state-dir",
    ),
}
