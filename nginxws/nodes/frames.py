"""What the node script may say, and when: its frames, its numbers, and their order. Pure.

The order is the script's own (``script/``). A node that says something else, twice or out of turn isn't
running our script, and nothing that it says counts: `Conversation` raises Unexpected.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from nginxws.nodes.limits import PATH, WORDS

_NUMBER = re.compile(r"0|[1-9][0-9]{0,17}", re.ASCII)  # what fits in 63 bits, no leading zeros


class Unexpected(Exception):
    """The node said what it can't have meant; the text says what."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One answer of the node script."""

    kind: str
    payload: bytes

    @property
    def text(self) -> str:
        """The payload as text; bytes that aren't UTF-8 survive as surrogates."""
        return self.payload.decode("utf-8", "surrogateescape")

    @property
    def lines(self) -> list[str]:
        """The payload's lines, without line ends."""
        return self.text.split("\n")


@dataclass(frozen=True, slots=True)
class Done:
    """The last frame of a request: outcome, code word, text."""

    outcome: str
    code: str
    text: str

    @classmethod
    def read(cls, frame: Frame) -> Done:
        """From the frame's lines. Raises Unexpected when its first one isn't two words."""
        head, _, text = frame.text.partition("\n")
        words = _DONE.fullmatch(head)
        if words is None:
            raise Unexpected(f"a last frame that begins with {head[:40]!r}")
        return cls(words[1], words[2], shortened(text))


_DONE = re.compile(r"([a-z]{1,16}) ([a-z0-9-]{1,32})")


def number(text: str) -> int | None:
    """A decimal number as the script writes it, at most 18 digits; None for anything else."""
    return int(text) if _NUMBER.fullmatch(text) else None


def shortened(text: str) -> str:
    """Somebody's words, cut at `WORDS` characters, which is said."""
    return text if len(text) <= WORDS else f"{text[:WORDS]}\n({len(text) - WORDS} characters more)"


#: Requests that change nothing, and wait for nobody.
_LOOKS = frozenset({"snapshot", "read", "history", "show", "app-look"})
_FILES = ("paths", "reals", "stats", "access", "bytes", "sums")
#: Frames that come once at most, in this order, by request.
_ONCE: Mapping[str, tuple[str, ...]] = {
    "snapshot": ("nginx", "untested", "processes", "host", "sockets", "state", "pending", *_FILES),
    "read": _FILES,
    "transaction": ("ready",),
    "recover": ("last",),
    "unlock": ("pending",),
    "history": ("revisions", "workers", "established"),
    "show": ("before", "after"),
    "app-look": ("state", "pending", "unmanaged", "app", "releases", "reals", "files", "bytes", "sums"),
    "app-change": ("send", "ready"),
    "app-down": ("send", "ready"),
    "app-recover": ("last",),
}
#: Steps of a transaction in their order. After "restore" a reload and its proof may come again.
_TRANSACTION = ("lock", "wait", "stage", "test", "checkpoint", "activate", "reload", "prove", "commit")
_CHANGE = ("lock", "wait", "stage", "checkpoint", "activate", "restart", "commit")
_STEPS: Mapping[str, tuple[str, ...]] = {
    "transaction": _TRANSACTION,
    "app-change": _CHANGE,
    "app-down": _CHANGE,
}
#: The step after which a node may say that it is ready, or ask for what it needs.
_READY = {"transaction": "prove", "app-change": "activate", "app-down": "activate"}
_UNDONE = frozenset({"restored", "edited", "broken", "stopped"})
_OUTCOMES: Mapping[str, frozenset[str]] = {
    "snapshot": frozenset({"ok", "refused"}),
    "read": frozenset({"ok", "refused"}),
    "transaction": _UNDONE | {"refused", "failed", "committed"},
    "recover": _UNDONE | {"ok", "refused", "accepted"},
    "unlock": frozenset({"ok", "refused"}),
    "history": frozenset({"ok", "refused"}),
    "show": frozenset({"ok", "refused"}),
    "app-look": frozenset({"ok", "refused"}),
    "app-change": _UNDONE | {"refused", "failed", "committed"},
    "app-down": _UNDONE | {"refused", "failed", "committed"},
    "app-recover": _UNDONE | {"ok", "refused"},
    "install": frozenset({"ok", "refused"}),
    "add-site": frozenset({"ok", "refused"}),
    "drop-site": frozenset({"ok", "refused"}),
}


class Conversation:
    """One request and what was answered so far; each further frame is held against it."""

    def __init__(self, request: str, parameters: Mapping[str, str]) -> None:
        self._request = request
        self._accept = parameters.get("accept") == "yes"
        self._once = _ONCE.get(request, ())
        self._seen = 0
        self._step = 0
        self._steps: set[str] = set()
        self._ready = False
        self._said: str | None = None

    def say(self, word: str) -> None:
        """This side's answer to ``ready``: a word ``commit``, or anything else for the way back."""
        self._said = word

    def hear(self, frame: Frame) -> None:
        """Take a frame that isn't the last. Raises Unexpected."""
        if frame.kind == "beat":
            if frame.payload:
                raise Unexpected("a beat with words in it")
        elif frame.kind == "step":
            self._hear_step(frame)
        elif frame.kind == "inplace":
            if "stage" not in self._steps or "activate" in self._steps or len(frame.payload) > 2 * PATH:
                raise self._out_of_turn(frame.kind)
        else:
            self._hear_once(frame)

    def _hear_once(self, frame: Frame) -> None:
        if frame.kind not in self._once:
            raise Unexpected(f"a {frame.kind} frame in a {self._request}")
        place = self._once.index(frame.kind) + 1
        if place <= self._seen:
            raise Unexpected(
                f"two {frame.kind} frames" if place == self._seen else f"a {frame.kind} frame too late"
            )
        self._seen = place
        if frame.kind == "ready":
            if _READY[self._request] not in self._steps or "restore" in self._steps:
                raise self._out_of_turn("ready")
            self._ready = True
        elif frame.kind == "send" and ("stage" not in self._steps or "checkpoint" in self._steps):
            raise self._out_of_turn("send")

    def _hear_step(self, frame: Frame) -> None:
        if self._request in _LOOKS or len(frame.payload) > 2 * PATH:
            raise self._out_of_turn("step")
        name = frame.text.partition(" ")[0]
        self._steps.add(name)
        if name == "commit" and not (self._ready and self._said == "commit"):
            raise Unexpected("it commits, and nobody said so")
        steps = _STEPS.get(self._request, ())
        if name not in steps or "restore" in self._steps:
            return
        place = steps.index(name)
        if place < self._step or (place == self._step and name not in ("lock", "wait")):
            raise Unexpected(f"the step {name} out of turn")
        self._step = place

    def end(self, done: Done) -> None:
        """Take the last frame. Raises Unexpected when this can't be how the request ended."""
        if done.outcome not in _OUTCOMES.get(self._request, frozenset()):
            raise Unexpected(f"a {self._request} that ends {done.outcome[:16]!r}")
        if done.outcome == "committed":
            self._end_committed(done)
        elif done.outcome in _UNDONE and "restore" not in self._steps:
            raise Unexpected(f"{done.outcome}, without restoring")
        elif done.outcome in ("refused", "failed") and self._steps & {"activate", "restore"}:
            raise Unexpected(f"{done.outcome}, after it had changed files")
        elif done.code == "probe" and self._said in (None, "commit"):
            raise Unexpected("it was refused here, and nobody refused it")
        elif done.outcome == "accepted" and not self._accept:
            raise Unexpected("it accepted what nobody asked it to accept")

    def _end_committed(self, done: Done) -> None:
        if not self._ready or self._said != "commit":
            raise Unexpected("committed, and nobody said so")
        if "commit" not in self._steps or "restore" in self._steps:
            raise Unexpected("committed, without the step")
        if self._request == "transaction" and not number(done.code):
            raise Unexpected(f"committed as revision {done.code[:40]!r}")

    def _out_of_turn(self, kind: str) -> Unexpected:
        return Unexpected(f"a {kind} frame out of turn")
