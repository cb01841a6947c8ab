"""Ask a node what it has of an application: the driver of the provisioning script's ``app-look``."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field

from nginxws.environment.plan import AppSnapshot, FileState
from nginxws.environment.wanted import WantedApp
from nginxws.errors import ProtocolError, StaleError
from nginxws.nodes import limits
from nginxws.nodes.frames import Frame, number
from nginxws.nodes.provision.endings import failure
from nginxws.nodes.provision.options import AppOptions
from nginxws.nodes.session import Session

_RELEASE = re.compile(r"[0-9a-f]{16}", re.ASCII)
_SUM = re.compile(r"[0-9a-f]{64}|-", re.ASCII)
_FOREIGN = {
    "file": "{} isn't a folder",
    "there": "{} isn't a link of ours, but a file or folder",
    "link": "it is a link to {}, which is no release of ours",
}


@dataclass(frozen=True, slots=True)
class Seen:
    """A snapshot, and what only taking it back needs.

    ``recorded``: nginxws has changed the application.
    """

    snapshot: AppSnapshot
    recorded: bool


def see(session: Session, wanted: WantedApp, options: AppOptions, *, deployed: bool = False) -> Seen:
    """Look at the node. Raises NodeError, StaleError (a file changed meanwhile), ProtocolError.

    ``deployed``: files of the release in use are looked at, too.
    """
    asked = tuple(dict.fromkeys(file.on_node for file in wanted.files if deployed or not file.in_source))
    answers = _Answers(session.node, asked)
    session.request("app-look", [*options.parameters(), *(("path", path) for path in asked)])
    done = session.frames(answers.add)
    if done.outcome != "ok":
        raise failure(session.node, done)
    return answers.seen()


@dataclass(slots=True)
class _Answers:
    """The frames of a look, put together."""

    node: str
    asked: tuple[str, ...]
    frames: dict[str, Frame] = field(default_factory=dict)

    def add(self, frame: Frame) -> None:
        if frame.kind != "beat":
            self.frames[frame.kind] = frame  # once each: the conversation sees to that

    def seen(self) -> Seen:
        head = self._lines("app", at_least=3)
        recorded = head[0] == "yes"
        current = None if head[1] == "-" else head[1]
        releases = tuple(name for name in self._lines("releases") if name)
        if any(not _RELEASE.fullmatch(name) for name in (*releases, current or "0" * 16)):
            raise self._nonsense("the name of a release")
        states = self._files(self._lines("state")[0])
        return Seen(
            AppSnapshot(
                current,
                releases,
                _foreign(head[2:]),
                states,
                "pending" in self.frames,
                recorded=recorded,
                unmanaged="unmanaged" in self.frames,
            ),
            recorded=recorded,
        )

    def _files(self, state: str) -> tuple[FileState, ...]:
        reals = [line for line in self._lines("reals") if line]
        told = [line for line in self._lines("files") if line]
        if not len(self.asked) <= len(reals) == len(told) <= limits.APP_FILES:
            raise self._nonsense(f"{len(told)} files")
        texts = _Texts(self)
        states = []
        for place, (real, line) in enumerate(zip(reals, told, strict=True)):
            path = self.asked[place] if place < len(self.asked) else real
            size, less, first, what = self._told(path, line)
            data = None if size is None else texts.take(size)
            original = None if less is None else texts.take(less, first)
            if what == "edited":
                kept = f"{state}/originals/{first}"
                states.append(FileState(path, data, edited=kept, before=original))
            else:
                states.append(FileState(path, data, original))
        texts.end()
        return tuple(states)

    def _told(self, path: str, line: str) -> tuple[int | None, int | None, str, str]:
        """Size, size and sum of the text before, and what the file is to us."""
        words = line.split(" ")
        if len(words) != 4 or not _SUM.fullmatch(words[2]) or words[3] not in _KINDS:
            raise self._nonsense(f"what it says of {path[:200]!r}")
        size, less = number(words[0]), number(words[1])
        sent = words[3] == "ours" or (words[3] == "edited" and less is not None)
        if (size is None) != (words[3] == "absent") or (less is None) is sent:
            raise self._nonsense(f"what it says of {path[:200]!r}")
        if max(size or 0, less or 0) > limits.EDITED:
            raise self._nonsense(f"the size of {path[:200]!r}")
        return size, less, words[2], words[3]

    def _lines(self, kind: str, at_least: int = 1) -> list[str]:
        frame = self.frames.get(kind)
        lines = [] if frame is None else frame.lines
        if not at_least <= len(lines) <= limits.FILES:
            raise self._nonsense(f"the {kind} frame")
        return lines

    def _nonsense(self, what: str) -> ProtocolError:
        hint = "is it the node you mean, and does nobody tamper with it?"
        return ProtocolError(f"the node's answer makes no sense: {what}", node=self.node, hint=hint)


_KINDS = frozenset({"plain", "ours", "edited", "absent"})


def _foreign(lines: list[str]) -> str:
    """Why the link can't be switched: for people."""
    word, _, text = "\n".join(lines).partition(" ")
    return _FOREIGN[word].format(text) if word in _FOREIGN else ""


class _Texts:
    """The bytes that came, cut up one after the other and held against their checksums, taken after them."""

    def __init__(self, answers: _Answers) -> None:
        self._node = answers.node
        self._data = answers.frames["bytes"].payload if "bytes" in answers.frames else b""
        self._sums = answers.frames["sums"].lines if "sums" in answers.frames else []
        self._offset = self._taken = 0

    def take(self, size: int, expected: str = "") -> bytes:
        data = self._data[self._offset : self._offset + size]
        self._offset += size
        told = self._sums[self._taken] if self._taken < len(self._sums) else ""
        self._taken += 1
        if not hashlib.sha256(data).hexdigest() == told == (expected or told):
            raise self._moved()
        return data

    def end(self) -> None:
        if self._offset != len(self._data) or self._taken != len(self._sums):
            raise self._moved()

    def _moved(self) -> StaleError:
        return StaleError(
            "a file changed while it was being read", node=self._node, hint="run the command again"
        )
