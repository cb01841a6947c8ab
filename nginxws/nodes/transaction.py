"""Carry out one plan on one node: the driver of node.sh's ``transaction`` and ``recover`` requests.

The node script does the steps and undoes them; this side answers its ``ready``
with ``commit`` or ``rollback``, and turns its last frame into a result or an error.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from nginxws.errors import (
    Interrupted,
    LockedError,
    NginxwsError,
    NodeError,
    Restored,
    RestoreFailed,
    StaleError,
)
from nginxws.nodes.interrupts import Interrupts
from nginxws.nodes.options import NodeOptions
from nginxws.nodes.reading import OnStep
from nginxws.nodes.session import Done, Frame, Session
from nginxws.nodes.snapshot import refusal
from nginxws.plan import NodePlan

#: Called when the new configuration serves: None to keep it, or why not.
Decide = Callable[[], str | None]


@dataclass(frozen=True, slots=True)
class Committed:
    """A finished transaction: its revision on the node, and how it was tested."""

    revision: int
    tested: str = ""
    workers: int = 0
    draining: int = 0


@dataclass(slots=True)
class _Run:
    """One transaction under way."""

    session: Session
    on_step: OnStep
    decide: Decide
    interrupts: Interrupts = field(default_factory=Interrupts)
    interrupted: bool = False
    answered: bool = False
    tested: str = ""
    refused: str = ""
    steps: list[str] = field(default_factory=list)

    def drive(self) -> Done:
        """Answer frames until the last. Ctrl-C asks for the way back, and still waits for its end."""
        with self.interrupts:
            return self.session.frames(self.on_frame, silence=180.0, on_wait=self.on_wait)

    def on_wait(self) -> None:
        if self.interrupts.asked and not self.interrupted:
            self.interrupt()

    def interrupt(self) -> None:
        self.interrupted = True
        if not set(self.steps) - {"lock", "wait"}:
            self.session.abort()  # still waiting for its turn: it finds nobody to work for
            raise Interrupted("interrupted; nothing was changed", node=self.session.node)
        self.answer("rollback interrupted")

    def on_frame(self, frame: Frame) -> None:
        if frame.kind == "step":
            name, _, words = frame.text.partition(" ")
            self.steps.append(name)
            if name == "test":
                self.tested = words
            self.on_step(name, words)
        elif frame.kind == "ready" and not self.interrupted:
            try:
                with self.interrupts.raised():
                    self.refused = self.decide() or ""
            except KeyboardInterrupt:
                self.interrupt()
            self.answer(f"rollback {self.refused}" if self.refused else "commit")

    def answer(self, word: str) -> None:
        """Say the word once: what was said first stands."""
        if not self.answered:
            self.answered = True
            self.session.send_word(word)


def new_id() -> str:
    """A fresh transaction id: 16 hex digits."""
    return os.urandom(8).hex()


def run(
    session: Session, plan: NodePlan, options: NodeOptions, transaction: str, on_step: OnStep, decide: Decide
) -> Committed:
    """Stage, test, activate, reload, prove, then commit if ``decide`` agrees.

    Raises LockedError, StaleError and NodeError with nothing touched; Restored
    and Interrupted with everything put back; RestoreFailed when a human is
    needed; ConnectionFailed when the connection broke: then ``recover`` tells.
    """
    state = _Run(session, on_step, decide)
    session.request(
        "transaction", _parameters(plan, options, transaction), b"".join(f.after for f in plan.files)
    )
    done = state.drive()
    if done.outcome == "committed":
        workers = done.text.split("\n")
        draining = sum(line.endswith(" draining") for line in workers)
        return Committed(int(done.code), state.tested, len(workers) - draining, draining)
    raise _failure(session.node, done, state)


def _parameters(plan: NodePlan, options: NodeOptions, transaction: str) -> Iterator[tuple[str, str]]:
    yield from options.parameters()
    yield "tx", transaction
    yield "test-refused", "yes" if plan.test_refused else ""
    yield from (("log", log) for log in plan.error_logs)
    yield from (("base", f"{sha256} {real}") for real, sha256 in plan.base)
    for file in plan.files:
        before, after = (hashlib.sha256(data).hexdigest() for data in (file.before, file.after))
        yield "file", f"{before} {after} {len(file.after)} {file.real}"


def _failure(node: str, done: Done, state: _Run) -> NginxwsError:
    """The error that a transaction's last frame stands for."""
    words = done.text.strip() or None
    if done.outcome == "refused" and done.code in _REFUSED:
        return _REFUSED[done.code](node, done.text.strip())
    if done.outcome == "refused":
        return refusal(node, done)
    if done.outcome == "edited":
        return RestoreFailed(
            f"{_CAUSES.get(done.code, done.code)}, but somebody edited a file since, so nothing was put back",
            node=node, detail=words,
            hint="`nginxws recover --accept` keeps what is there; or copy the old text back, then recover",
        )  # fmt: skip
    if done.outcome == "broken":
        return RestoreFailed(
            f"{_CAUSES.get(done.code, done.code)}, and the restore failed",
            node=node, detail=words, hint="look at the node now; `nginxws recover` tries the restore again",
        )  # fmt: skip
    if state.interrupts.asked:
        return Interrupted("interrupted; the node is as it was", node=node, detail=state.refused or None)
    if done.code == "probe":
        words = state.refused or words
    cause = _CAUSES.get(done.code, f"the transaction failed at {done.code}")
    hint = _HINTS.get(done.code)
    if done.outcome != "restored":
        return NodeError(f"{cause}; nothing was changed", node=node, detail=words, hint=hint)
    restored = Restored(f"{cause}; everything was restored", node=node, detail=words, hint=hint)
    restored.cause = done.code
    return restored


def _locked(node: str, text: str) -> NginxwsError:
    return LockedError(
        f"locked by {_holder(text)}",
        node=node,
        hint="wait with --lock-timeout; `nginxws unlock --force` ends that process, which restores first",
    )


def _holder(text: str) -> str:
    """Who holds the lock, since when, as which process: for people."""
    holder = dict(line.partition(" ")[::2] for line in text.split("\n"))
    who = holder.get("who") or "somebody"
    since = holder.get("since", "")
    if since.isdigit():  # by the node's clock, which need not be ours
        who += time.strftime(", since %Y-%m-%d %H:%M:%S UTC", time.gmtime(int(since)))
    return f"{who} (process {holder.get('pid', '?')} on the node)"


def _stale(node: str, text: str) -> NginxwsError:
    what = ", ".join(text.split("\n")) or "the configuration"
    return StaleError(
        f"changed since it was read: {what}; nothing was touched",
        node=node,
        hint="run the command again: it plans from what is there now",
    )


def _left_over(node: str, _text: str) -> NginxwsError:
    return StaleError(
        "an interrupted transaction must be undone first", node=node, hint="run `nginxws recover`"
    )


_REFUSED: dict[str, Callable[[str, str], NginxwsError]] = {
    "locked": _locked,
    "stale": _stale,
    "pending": _left_over,
}
_CAUSES = {
    "stage": "the new text could not be staged",
    "test": "NGINX refuses the new configuration",
    "checkpoint": "the undo could not be stored",
    "activate": "the new files could not be put in place",
    "reload": "NGINX did not take the new configuration over",
    "probe": "the probe failed",
    "silence": "the node heard no word from here in time",
    "signal": "the node's script was told to stop",
    "commit": "the revision could not be stored",
    "protocol": "the node did not understand the answer",
    "recovery": "an interrupted transaction was found",
}
_HINTS = {
    "stage": "is the disk full or read-only, or does the login user need --sudo?",
    "checkpoint": "is the disk full? another place for the undo is --state-dir",
    "activate": "is the file system full or read-only, or does the login user need --sudo?",
    "test": "the text it refused is kept in the state directory, below rejected/",
    "reload": "the words above are NGINX's own; the old configuration serves on",
}


@dataclass(frozen=True, slots=True)
class Recovered:
    """What ``recover`` found: ``undone`` says whether something was put back.

    ``accepted`` says that the files were kept as they are instead; ``cause`` is then
    why NGINX does not serve them, empty when it does. ``last_transaction`` is the id
    of the newest committed one, empty if none.
    """

    undone: bool
    cause: str = ""
    last_transaction: str = ""
    last_revision: int = 0
    accepted: bool = False


def recover(
    session: Session,
    options: NodeOptions,
    error_logs: Sequence[str],
    on_step: OnStep,
    *,
    accept: bool = False,
) -> Recovered:
    """Undo what an interrupted transaction left; does nothing when there is none.

    With ``accept`` the files stay as they are, edits since included, and NGINX is
    reloaded if its test accepts them. Waits for the lock, so a transaction that is
    still ending ends first. Raises LockedError, RestoreFailed, NodeError.
    """
    last: list[str] = []

    def on_frame(frame: Frame) -> None:
        if frame.kind == "last":
            last[:] = frame.text.split()
        elif frame.kind == "step":
            on_step(*frame.text.partition(" ")[::2])

    logs = (("log", log) for log in error_logs)
    session.request("recover", [*options.parameters(), ("accept", "yes" if accept else ""), *logs])
    done = session.frames(on_frame, silence=180.0)
    revision, transaction = (int(last[0]), last[1]) if len(last) == 2 and last[0].isdigit() else (0, "")
    if done.outcome == "ok":
        return Recovered(False, "", transaction, revision)
    if done.outcome in ("restored", "accepted"):
        accepted = done.outcome == "accepted"
        return Recovered(not accepted, done.text.strip(), transaction, revision, accepted)
    raise _failure(session.node, done, _Run(session, on_step, lambda: None))


def unlock(session: Session, options: NodeOptions, *, force: bool) -> str:
    """Free the lock of a dead owner; with ``force`` end a live one (it restores first).

    Says who held it, empty when nobody did. Raises LockedError.
    """
    session.request("unlock", [*options.parameters(), ("force", "yes" if force else "")])
    done = session.frames(lambda _frame: None)
    if done.outcome == "ok":
        return _holder(done.text) if done.text.strip() else ""
    raise _failure(session.node, done, _Run(session, lambda *_: None, lambda: None))
