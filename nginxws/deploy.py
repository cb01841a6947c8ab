"""Carry plans out: the only place that orchestrates change.

One node, one straight line: transaction (stage, test, activate, reload, prove),
probe, commit. Whatever goes wrong, the error says in which state the node is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nginxws.checks.finding import Finding
from nginxws.checks.gate import new_errors
from nginxws.errors import (
    ConfigError,
    ConnectionFailed,
    ExitCode,
    Interrupted,
    LockedError,
    NginxwsError,
    ProtocolError,
    Restored,
    RestoreFailed,
)
from nginxws.nodes import transaction
from nginxws.nodes.link import NodeLink
from nginxws.nodes.probe.types import ProbeResult
from nginxws.nodes.session import Done
from nginxws.nodes.snapshot import refusal
from nginxws.plan import NodePlan
from nginxws.proving import Policies, Proof
from nginxws.snapshot import Snapshot

if TYPE_CHECKING:
    from nginxws.nodes.interrupts import Listener
    from nginxws.nodes.reading import OnStep
    from nginxws.nodes.transaction import Committed

#: Seconds between two tries to reach a node again after its connection broke.
_RETRY = 1.0


@dataclass(frozen=True, slots=True)
class Applied:
    """What an applied plan came to: the revision, and each probe's result by route."""

    committed: Committed
    probes: tuple[tuple[str, ProbeResult], ...] = ()


def apply(
    link: NodeLink,
    plan: NodePlan,
    policies: Policies,
    on_step: OnStep,
    interrupts: Listener | None = None,
    *,
    on_committed: Callable[[], None] | None = None,
) -> Applied:
    """Carry out one node's plan. The plan must have changes.

    ``interrupts`` is what a thread hears of signals, None in the main thread, which is told itself.
    ``on_committed`` is called at once when there is nothing to undo any more.

    Raises LockedError and StaleError (nothing touched), Restored and Interrupted
    (everything put back), RestoreFailed (a human is needed), NodeError (nothing
    changed), ConnectionFailed (the node can't be asked what became of it).
    """
    proof = Proof(link, plan, policies, on_step, interrupts)
    identity = transaction.new_id()
    try:
        committed = transaction.run(
            link.session(), plan, link.options, identity, on_step, proof.decide, interrupts, on_committed
        )
    except (ConnectionFailed, ProtocolError) as error:
        committed = _Broken(link, error, proof.agreed, on_step).settle(plan, identity)
        if on_committed is not None:
            on_committed()
    except Restored as error:
        raise _with_probe(error, proof) from error
    finally:
        link.end_session()
    return Applied(committed, tuple(proof.results))


@dataclass(frozen=True, slots=True)
class NodeOutcome:
    """What became of one node (or file): its plan, and how far it got.

    ``written`` is for files here, which are written and not applied. ``findings``
    are errors that its files had before, ``standing`` the probes of routes that
    were there already. ``taken_back``: it was applied, and the way back as well, since another node
    failed. ``skipped``: nothing was tried, since another node failed; ``error`` says so.
    """

    node: str
    plan: NodePlan | None = None
    applied: Applied | None = None
    error: NginxwsError | None = None
    written: bool = False
    findings: tuple[Finding, ...] = ()
    standing: tuple[tuple[str, ProbeResult], ...] = ()
    taken_back: Applied | None = None
    skipped: bool = False

    @property
    def probes(self) -> tuple[tuple[str, ProbeResult], ...]:
        """What every probe came to: of routes just applied, or of those left as they are."""
        applied = self.taken_back or self.applied
        return self.standing if applied is None else applied.probes

    @property
    def done(self) -> bool:
        """The plan was carried out, and stays so."""
        return (self.applied is not None and self.taken_back is None) or self.written

    @property
    def result(self) -> str:
        """What became of it, in a word or two. ``kept``: it should have been taken back, and couldn't be."""
        if self.skipped:
            return "not tried"
        if self.error is not None:
            return "kept" if self.applied is not None else _ENDINGS.get(type(self.error), "failed")
        if self.taken_back is not None:
            return "rolled back"
        if self.done:
            return "written" if self.written else "applied"
        return "planned" if self.plan is not None and self.plan.files else "unchanged"


_ENDINGS: dict[type[NginxwsError], str] = {
    Restored: "restored",
    RestoreFailed: "restore failed",
    Interrupted: "interrupted",
}


#: From the least to the most urgent: what one command over several nodes exits with.
_URGENCY = (
    ExitCode.DONE,
    ExitCode.CHANGES,
    ExitCode.FINDINGS,
    ExitCode.ERROR,
    ExitCode.USAGE,
    ExitCode.LOCKED_OR_STALE,
    ExitCode.CONNECTION,
    ExitCode.RESTORED,
    ExitCode.INTERRUPTED,
    ExitCode.RESTORE_FAILED,
)


def worst(outcomes: Iterable[NodeOutcome]) -> ExitCode:
    """The exit code of a command over several nodes."""
    return most_urgent(outcome.error.code for outcome in outcomes if outcome.error is not None)


def most_urgent(codes: Iterable[ExitCode]) -> ExitCode:
    """The one that a human, or a script, must act on first; 0 for none."""
    return max(codes, key=_URGENCY.index, default=ExitCode.DONE)


def check_plan(now: Snapshot, plan: NodePlan) -> tuple[Finding, ...]:
    """The findings that were there before and don't stop the plan.

    Raises ConfigError when NGINX refuses what is there already, or for errors the plan would bring in.
    """
    _refuse_broken(now, plan)
    before = {file.path: file.before for file in plan.files}
    after = {file.path: file.after for file in plan.files}
    found = new_errors(before, after, now.nginx.conf, plan.contexts)
    if found.new:
        first = found.new[0]
        raise ConfigError(
            f"the change would bring in an error: {first.message}",
            node=plan.node,
            file=first.file,
            line=first.line,
            detail="\n".join(str(finding) for finding in found.new[1:]) or None,
            hint="nothing was sent; if it comes from a template of yours, correct it there",
        )
    return found.old


def refuse_stopped(now: Snapshot) -> None:
    """Raise NodeError when the node's NGINX isn't running: no route could be live there."""
    if not now.master:
        raise refusal(now.node, Done("refused", "not-running", now.nginx.pid_file))


def _refuse_broken(now: Snapshot, plan: NodePlan) -> None:
    """NGINX's own test failed before any change of ours: no reload could take the route over.

    A test that fails for want of rights says nothing about the configuration, and one that
    misses a shared block of ours is what the plan mends.
    """
    words = now.test_failure
    complaints = [line for line in (words or "").splitlines() if "[emerg]" in line]
    mended = plan.mends and bool(complaints) and all("nginxws_" in line for line in complaints)
    if words is not None and "ermission denied" not in words and not mended:
        raise ConfigError(
            "NGINX's own test of the configuration fails, as it did before this command; nothing was changed",
            node=now.node,
            detail="\n".join([words, *plan.lacking]),
            hint=plan.remedy
            or f"correct what it says first; `{now.nginx.binary} -t -c {now.nginx.conf}` on the node tells",
        )


def _with_probe(error: Restored, proof: Proof) -> Restored:
    """The same error, told in the probe's words when it was the probe that failed."""
    if proof.failed is None or error.cause != "probe":
        return error
    _route, result = proof.failed
    return Restored(
        f"the route did not prove itself: {result.message}; everything was restored",
        node=error.node,
        hint=result.hint,
        detail=result.detail or None,
    )


@dataclass(frozen=True, slots=True)
class _Broken:
    """A conversation with the node that broke off: reach it again, and find out what became of the change.

    ``confirmed`` says whether this side had told the node to keep it.
    """

    link: NodeLink
    error: NginxwsError
    confirmed: bool
    on_step: OnStep

    def settle(self, plan: NodePlan, identity: str) -> Committed:
        """The committed transaction, if it is; raises Restored, RestoreFailed, or ConnectionFailed."""
        self.on_step("reconnect", self.error.message)
        recovered = self._recover_soon(plan.error_logs)
        if recovered.last_transaction == identity:
            if self.confirmed:
                return transaction.Committed(recovered.last_revision)
            raise self._unbelievable()
        raise Restored(
            f"the connection broke ({self.error.message}); the node is as it was",
            node=self.link.name,
            detail=self.error.detail,
            hint="look at the network, then run the command again",
        ) from self.error

    def _recover_soon(self, error_logs: Sequence[str]) -> transaction.Recovered:
        """Ask for recovery until the node answers, at most as long as it waits for a word itself."""
        options = self.link.options
        deadline = time.monotonic() + options.confirm_timeout + options.reload_timeout
        while True:
            self.link.reconnect()
            try:
                return transaction.recover(self.link.session(), options, error_logs, self.on_step)
            except ProtocolError as again:
                raise self._unknown() from again
            except (ConnectionFailed, LockedError) as again:
                if time.monotonic() > deadline:
                    raise self._unknown() from again
                time.sleep(_RETRY)

    def _unbelievable(self) -> RestoreFailed:
        """The change stands there, though nobody confirmed it."""
        return RestoreFailed(
            f"the node says that it kept the change, though it was never confirmed ({self.error.message})",
            node=self.link.name,
            detail=self.error.detail,
            hint="nothing that it says counts: look at its files, and at what it serves",
        )

    def _unknown(self) -> ConnectionFailed:
        wait = self.link.options.confirm_timeout
        fate = f"the change was not confirmed, so the node restores itself after {wait} s of silence"
        if self.confirmed:
            fate = "the change was confirmed: the node keeps it if it heard that, else it restores itself"
        return ConnectionFailed(
            f"the connection broke ({self.error.message}) and the node can't be asked again: {fate}",
            node=self.link.name,
            detail=self.error.detail,
            hint="run `nginxws recover` when the node can be reached: it says what became of it",
        )
