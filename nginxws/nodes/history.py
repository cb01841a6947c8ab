"""What was applied to a node: the driver of the node script's ``history`` and ``show`` requests."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from nginxws.errors import NodeError, ProtocolError
from nginxws.nodes import limits
from nginxws.nodes.frames import Frame, number
from nginxws.nodes.options import NodeOptions
from nginxws.nodes.session import Session
from nginxws.nodes.snapshot import refusal
from nginxws.nodes.transaction import Workers
from nginxws.revision import History, Revision, RevisionFile

_SUM = 64  # hex digits of a sha256


def read(session: Session, options: NodeOptions) -> History:
    """Ask the node. Raises NodeError, ConnectionFailed and their kin."""
    frames = _ask(session, "history", options.parameters())
    missing = {"revisions", "workers", "established"} - set(frames)
    if missing:
        raise _nonsense(session.node, f"no {min(missing)} frame")
    workers = Workers.parse(frames["workers"].text)
    return History(
        tuple(_revisions(session.node, frames["revisions"].text)),
        workers.serving,
        workers.draining,
        workers.generations,
        workers.oldest_seconds,
        _established(frames["established"].lines),
    )


def with_bytes(
    session: Session,
    options: NodeOptions,
    revisions: Sequence[Revision],
    wanted: Mapping[int, Collection[str]] | None = None,
) -> tuple[Revision, ...]:
    """The revisions with the bytes of their files, or of the ``wanted`` paths by revision number.

    Raises NodeError when one isn't kept any more, a stored file isn't what it was, or they are too large.
    """
    found, size = [], 0
    for one in revisions:
        files = list(one.files)
        for place, file in enumerate(files):
            if wanted is None or file.path in wanted.get(one.number, ()):
                files[place] = filled = _with_bytes(session, options, one.number, place + 1, file)
                size += len(filled.old or b"") + len(filled.new or b"")
            if size > limits.STORED:
                raise NodeError(
                    f"the stored files are larger than {limits.STORED // limits.MIB} MiB",
                    node=session.node,
                    hint="go back in several steps: rollback to a revision in between first",
                )
        found.append(replace(one, files=tuple(files)))
    return tuple(found)


def _with_bytes(
    session: Session, options: NodeOptions, revision: int, nth: int, file: RevisionFile
) -> RevisionFile:
    place = [("revision", str(revision)), ("nth", str(nth))]
    frames = _ask(session, "show", [*options.parameters(), *place])
    for kind, expected in (("before", file.before), ("after", file.after)):
        if kind not in frames or hashlib.sha256(frames[kind].payload).hexdigest() != expected:
            raise NodeError(
                f"the copy of {file.path} in revision {revision} is damaged; nothing was changed",
                node=session.node,
                hint="it isn't what was stored: has somebody written there, or is the disk failing?",
            )
    return replace(file, old=frames["before"].payload, new=frames["after"].payload)


def _ask(session: Session, word: str, parameters: Iterable[tuple[str, str]]) -> dict[str, Frame]:
    """The frames of a request by their kind. Raises NodeError when it is refused."""
    frames: dict[str, Frame] = {}
    session.request(word, parameters)
    done = session.frames(lambda frame: frames.update({frame.kind: frame}))
    if done.outcome != "ok":
        raise refusal(session.node, done)
    return frames


def _established(lines: list[str]) -> dict[int, int] | None:
    """From the line "ss" and lines "PORT COUNT"; None where there is no ss."""
    if lines[0] != "ss":
        return None
    pairs = (line.split(" ") for line in lines[1 : limits.PROCESSES])
    numbers = (tuple(map(number, pair)) for pair in pairs if len(pair) == 2)
    return {port: count for port, count in numbers if port is not None and count is not None}


def _revisions(node: str, text: str) -> Iterator[Revision]:
    """From the lines "revision NUMBER", "KEY VALUE" and "file HOW BEFORE AFTER PATH"."""
    current: dict[str, str] = {}
    files: list[RevisionFile] = []
    last = 0
    for line in [*text.split("\n"), "revision end"]:
        key, _, value = line.partition(" ")
        if key == "file":
            files.append(_file(node, value))
        elif key != "revision":
            current[key] = value
        else:
            if "revision" in current:
                one = _revision(node, current, files)
                if one.number <= last:
                    raise _nonsense(node, "revisions out of order")
                last = one.number
                yield one
            current, files = {"revision": value}, []


def _revision(node: str, values: Mapping[str, str], files: list[RevisionFile]) -> Revision:
    found = number(values["revision"])
    if not found:
        raise _nonsense(node, f"a revision {values['revision'][:40]!r}")
    return Revision(
        number=found,
        transaction=values.get("tx", ""),
        who=values.get("who", ""),
        since=number(values.get("since", "")) or 0,
        message=values.get("message", ""),
        digest=values.get("digest", ""),  # revisions of earlier releases have neither this nor a kind
        kind="rollback" if values.get("kind") == "rollback" else "apply",
        files=tuple(files),
    )


def _file(node: str, text: str) -> RevisionFile:
    words = text.split(" ", 3)
    if len(words) != 4 or not words[3].startswith("/") or {len(words[1]), len(words[2])} != {_SUM}:
        raise _nonsense(node, f"a file {text[:80]!r} of a revision")
    return RevisionFile(words[3], words[1], words[2])


def _nonsense(node: str, what: str) -> ProtocolError:
    hint = "is it the node you mean, and does nobody tamper with it?"
    return ProtocolError(f"the node's history makes no sense: {what}", node=node, hint=hint)
