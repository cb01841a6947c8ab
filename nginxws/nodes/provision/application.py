"""Change one application on its node: the driver of the provisioning script's requests about one.

The script does the steps and undoes them, as a balancer's transaction does: look, change or down up to
``ready``, then this side's word. A session is ``Session(transport, sudo, text=provision.script())`` with
``provision`` from ``nginxws.nodes.script``, and ends with a change: the next request needs a new one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from nginxws.environment.plan import AppPlan, AppSnapshot, make_down_plan
from nginxws.environment.wanted import WantedApp
from nginxws.errors import NodeError
from nginxws.nodes.interrupts import Interrupts, Listener
from nginxws.nodes.limits import WORKING
from nginxws.nodes.provision.endings import failure
from nginxws.nodes.provision.options import AppOptions
from nginxws.nodes.provision.seen import see
from nginxws.nodes.reading import OnStep
from nginxws.nodes.session import Frame, Session
from nginxws.nodes.transaction import Decide, Run, new_id


@dataclass(frozen=True, slots=True)
class AppDone:
    """A committed change. ``changed`` is false where there was nothing to do: then nothing was asked.

    ``in_place`` names the files that were written in place instead of being replaced by a rename, each
    with the reason. ``restarted`` says whether the service was asked to restart. ``words`` is what the
    node adds for people: what could not be tidied up, or a restart that failed for nothing is deployed
    any more; mostly empty.
    """

    changed: bool = True
    restarted: bool = False
    in_place: tuple[str, ...] = ()
    words: str = ""


@dataclass(frozen=True, slots=True)
class AppRecovered:
    """What ``recover`` found.

    ``undone`` says whether something was put back, ``cause`` what it was, or what could not be tidied up.
    ``last_transaction`` is the id of the last change that was committed, empty if none was.
    """

    undone: bool
    cause: str = ""
    last_transaction: str = ""


def no_step(_name: str, _words: str) -> None:
    """Progress that nobody watches."""


def look(
    session: Session,
    wanted: WantedApp,
    options: AppOptions,
    *,
    undo: bool = True,
    deployed: bool = False,
    on_step: OnStep = no_step,
) -> AppSnapshot:
    """What the application's node has now: ``current``, releases, and the files that are edited there.

    Files that the manifest doesn't name any more, but nginxws has edited, come after those that it does.
    ``deployed``: files of the release in use in which an address stands are told of, too.
    What an interrupted change left is undone first, and ``recovered`` says what that was; with ``undo=False``
    the snapshot says ``pending`` instead, and nothing is touched. A change that is still going on is waited
    for, ``lock_timeout`` seconds.
    Raises NodeError, StaleError (a file changed while it was read, or edited since the interrupted
    change: then nothing was put back), LockedError, RestoreFailed, ProtocolError, ConnectionFailed.
    """
    found = _snapshot(session, wanted, options, deployed=deployed)
    if found.pending and undo:
        done = recover(session, options, on_step)
        found = _snapshot(session, wanted, options, deployed=deployed)
        return replace(found, recovered=done.cause or "an interrupted change" if done.undone else "")
    return found


def _snapshot(session: Session, wanted: WantedApp, options: AppOptions, *, deployed: bool) -> AppSnapshot:
    try:
        return see(session, wanted, options, deployed=deployed).snapshot
    except NodeError:
        if not deployed:
            raise
    # A file of a release may be too large to be looked at: the plan needs none of them.
    return see(session, wanted, options).snapshot


def recover(session: Session, options: AppOptions, on_step: OnStep = no_step) -> AppRecovered:
    """Undo what an interrupted change left, or finish one that was decided; nothing where there is none.

    Raises LockedError, RestoreFailed, NodeError, ConnectionFailed.
    """

    last = ""

    def on_frame(frame: Frame) -> None:
        nonlocal last
        if frame.kind == "last":
            last = frame.text.removeprefix("-")
        elif frame.kind == "step":
            on_step(*frame.text.partition(" ")[::2])

    session.request("app-recover", options.parameters())
    done = session.frames(on_frame, silence=_silence(options))
    if done.outcome in ("ok", "restored"):
        return AppRecovered(done.outcome == "restored", done.text.strip(), last)
    raise failure(session.node, done)


def change(
    session: Session,
    plan: AppPlan,
    wanted: WantedApp,
    options: AppOptions,
    decide: Decide,
    on_step: OnStep = no_step,
    interrupts: Listener | None = None,
    *,
    now: AppSnapshot | None = None,
    transaction: str = "",
) -> AppDone:
    """Stage, activate, restart; then commit if ``decide`` agrees, which is called when the node is ready.

    ``decide`` returns None to keep the change, or why not; it may take ``confirm_timeout`` seconds, in which
    the node holds the change. Anything else, a lost connection too, brings everything back and restarts
    the service again. A plan with nothing to do asks nothing of the node, and ``decide`` isn't called.
    ``now`` is the snapshot that the plan was made from: with it, a link ``current`` that was switched since
    is noticed as an edited file is. ``transaction`` is its id (of ``new_id``), which `recover` tells.

    Steps told: lock, wait, stage, checkpoint, activate, restart, commit or restore. Raises LockedError,
    StaleError and NodeError with nothing touched; Restored and Interrupted with everything put back;
    RestoreFailed when a human is needed; ConnectionFailed when the connection broke: then the node
    restores by itself, and `recover` in a new session waits for it and tells.
    """
    if plan.is_noop:
        return AppDone(changed=False)
    run = _AppRun(session, on_step, decide, interrupts or Interrupts(), _silence(options))
    return run.carry_out("app-change", plan, options, now, transaction)


def down(
    session: Session,
    wanted: WantedApp,
    options: AppOptions,
    decide: Decide,
    on_step: OnStep = no_step,
    interrupts: Listener | None = None,
    *,
    plan: AppPlan | None = None,
    now: AppSnapshot | None = None,
    transaction: str = "",
) -> AppDone:
    """Take our part of the application back, to the byte; nothing where there is none.

    ``plan`` is one of `make_down_plan` that was agreed to, ``now`` the snapshot that it was made from;
    without it, it is made here.

    Files get the text that they had before nginxws edited them first, the link ``current`` and the
    releases go, with folders that nginxws made and that are empty then; the service is restarted (once
    nothing is deployed, a restart may fail: ``words`` tells). Releases go when ``decide`` has agreed,
    the application's state on the node last. Steps and errors as `change`; DriftError as `make_down_plan`.
    """
    look(session, wanted, options, on_step=on_step)
    found = see(session, wanted, options)
    if not found.recorded:
        return AppDone(changed=False)
    if plan is None:
        plan, now = make_down_plan(wanted, found.snapshot), found.snapshot
    run = _AppRun(session, on_step, decide, interrupts or Interrupts(), _silence(options))
    return run.carry_out("app-down", plan, options, now, transaction)


@dataclass(slots=True)
class _AppRun(Run):
    """One change under way: it is sent what it needs when it asks for it."""

    tail: Sequence[bytes] = field(default=(), repr=False)

    def on_frame(self, frame: Frame) -> None:
        if frame.kind == "send":
            for data in self.tail:
                self.session.send_data(data)
        else:
            Run.on_frame(self, frame)

    def carry_out(
        self, word: str, plan: AppPlan, options: AppOptions, now: AppSnapshot | None, transaction: str
    ) -> AppDone:
        transaction = transaction or new_id()
        self.tail = [edit.after for edit in plan.edits]
        if plan.release is not None and not plan.deployed:
            self.tail = [plan.release.archive, *self.tail]
        self.session.request(word, _parameters(plan, options, now, transaction))
        done = self.drive()
        if done.outcome == "committed" and done.code == transaction:
            return AppDone(True, "restart" in self.steps, tuple(self.in_place), done.text.strip())
        raise failure(self.session.node, done, interrupted=self.interrupts.asked, refused=self.refused)


def _parameters(
    plan: AppPlan, options: AppOptions, now: AppSnapshot | None, transaction: str
) -> Iterator[tuple[str, str]]:
    given = dict(options.parameters())
    if not plan.restart:
        given |= {"service": "", "restart": ""}
    yield from given.items()
    yield "tx", transaction
    if plan.overwrite:
        yield "overwrite", "yes"
    if now is not None:
        yield "current", now.current or "-"
    if plan.release is not None:
        archive = plan.release.archive
        size, sha256 = ("-", "-") if plan.deployed else (str(len(archive)), _sha256(archive))
        yield "release", f"{plan.release.name} {size} {sha256}"
    for edit in plan.edits:
        yield "file", f"{_sha256(edit.before)} {_sha256(edit.after)} {len(edit.after)} {edit.path}"


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _silence(options: AppOptions) -> float:
    """Seconds that the node may say nothing: it does while a service restarts."""
    return WORKING + options.restart_timeout
