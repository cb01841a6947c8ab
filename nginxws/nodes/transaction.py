"""Carry out one plan on one node: the driver of the node script's ``transaction`` and ``recover`` requests.

The node script does the steps and undoes them; this side answers its ``ready``
with ``commit`` or ``rollback``, and turns its last frame into a result or an error.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from nginxws.errors import Interrupted
from nginxws.nodes.endings import failure, holder
from nginxws.nodes.frames import number
from nginxws.nodes.interrupts import Interrupts, Listener
from nginxws.nodes.limits import WORKING
from nginxws.nodes.options import NodeOptions
from nginxws.nodes.reading import OnStep
from nginxws.nodes.session import Done, Frame, Session
from nginxws.plan import NodePlan

#: Called when the new configuration serves: None to keep it, or why not.
Decide = Callable[[], str | None]


@dataclass(frozen=True, slots=True)
class Workers:
    """NGINX's worker processes after a reload: how many serve, how many old ones keep open sockets.

    ``generations`` is of how many reloads the old ones are left, ``oldest_seconds`` how long ago the
    first of them was started.
    """

    serving: int = 0
    draining: int = 0
    generations: int = 0
    oldest_seconds: int = 0

    @classmethod
    def parse(cls, text: str) -> Workers:
        """The lines "PID serving", "PID draining" and "generations COUNT OLDEST" of the node script."""
        lines = [line.split() for line in text.split("\n")]
        told = [line[1] for line in lines if len(line) == 2]
        numbers = [number(n) or 0 for line in lines if line[:1] == ["generations"] for n in line[1:]]
        generations, oldest = numbers if len(numbers) == 2 else (0, 0)
        return cls(told.count("serving"), told.count("draining"), generations, oldest)


@dataclass(frozen=True, slots=True)
class Committed:
    """A finished transaction: its revision on the node, and how it was tested.

    ``in_place`` names the files that were written in place instead of being replaced
    by a rename, each with the reason: "/etc/nginx/x.conf (bind mount)".
    """

    revision: int
    tested: str = ""
    workers: Workers = Workers()
    in_place: tuple[str, ...] = ()


@dataclass(slots=True)
class Run:
    """One transaction under way."""

    session: Session
    on_step: OnStep
    decide: Decide
    interrupts: Interrupts | Listener = field(default_factory=Interrupts)
    silence: float = WORKING
    interrupted: bool = False
    answered: bool = False
    tested: str = ""
    refused: str = ""
    steps: list[str] = field(default_factory=list)
    in_place: list[str] = field(default_factory=list)
    on_committed: Callable[[], None] | None = None

    def drive(self) -> Done:
        """Answer frames until the last. Ctrl-C asks for the way back, and still waits for its end."""
        with self.interrupts:
            done = self.session.frames(self.on_frame, silence=self.silence, on_wait=self.on_wait)
            if done.outcome == "committed" and self.on_committed is not None:
                self.on_committed()
            return done

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
        elif frame.kind == "inplace":
            self.in_place.append(frame.text)
        elif frame.kind == "ready" and not self.interrupted:
            try:
                with self.interrupts.raised():
                    self.refused = self.decide() or ""
                self.on_wait()  # in a thread, nothing broke the proof off
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
    session: Session,
    plan: NodePlan,
    options: NodeOptions,
    transaction: str,
    on_step: OnStep,
    decide: Decide,
    interrupts: Listener | None = None,
    on_committed: Callable[[], None] | None = None,
) -> Committed:
    """Stage, test, activate, reload, prove, then commit if ``decide`` agrees.

    Raises LockedError, StaleError and NodeError with nothing touched; Restored
    and Interrupted with everything put back; RestoreFailed when a human is
    needed; ConnectionFailed when the connection broke: then ``recover`` tells.
    """
    state = Run(session, on_step, decide, interrupts or Interrupts(), on_committed=on_committed)
    session.request(
        "transaction", _parameters(plan, options, transaction), b"".join(f.after for f in plan.files)
    )
    done = state.drive()
    if done.outcome == "committed":
        return Committed(int(done.code), state.tested, Workers.parse(done.text), tuple(state.in_place))
    raise failure(session.node, done, interrupted=state.interrupts.asked, refused=state.refused)


def _parameters(plan: NodePlan, options: NodeOptions, transaction: str) -> Iterator[tuple[str, str]]:
    yield from options.parameters()
    yield "tx", transaction
    yield "test-refused", "yes" if plan.test_refused else ""
    yield from (("log", log) for log in plan.error_logs)
    yield from (("base", f"{sha256} {real}") for real, sha256 in plan.base)
    for file in plan.files:
        before, after = (hashlib.sha256(data).hexdigest() for data in (file.before, file.after))
        yield "file", f"{before} {after} {len(file.after)} {file.real}"


@dataclass(frozen=True, slots=True)
class Recovered:
    """What ``recover`` found: ``undone`` says whether something was put back.

    ``cause`` is then what it was. ``accepted`` says that the files were kept as they
    are instead; ``cause`` is then why NGINX does not serve them, empty when it does.
    With neither, ``cause`` is empty, or says that NGINX isn't running (or can't be
    reloaded). ``last_transaction`` is the id of the newest committed one, empty if none.
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
    done = session.frames(on_frame, silence=WORKING)
    revision, transaction = (number(last[0]) or 0, last[1]) if len(last) == 2 else (0, "")
    if done.outcome == "ok":
        return Recovered(False, done.text.strip(), transaction, revision)
    if done.outcome in ("restored", "accepted"):
        accepted = done.outcome == "accepted"
        return Recovered(not accepted, done.text.strip(), transaction, revision, accepted)
    raise failure(session.node, done)


def unlock(session: Session, options: NodeOptions, *, force: bool) -> str:
    """Free the lock of a dead owner; with ``force`` end a live one (it restores first).

    Says who held it, and whether he left a change half done; empty when nobody did.
    Raises LockedError.
    """
    pending: list[Frame] = []
    session.request("unlock", [*options.parameters(), ("force", "yes" if force else "")])
    done = session.frames(lambda frame: pending.append(frame) if frame.kind == "pending" else None)
    if done.outcome != "ok":
        raise failure(session.node, done)
    if not done.text.strip():
        return ""
    return holder(done.text) + ("; a change is half done: `nginxws recover` undoes it" if pending else "")
