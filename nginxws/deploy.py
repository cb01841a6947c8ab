"""Carry plans out: the only place that orchestrates change.

One node, one straight line: transaction (stage, test, activate, reload, prove),
probe, commit. Whatever goes wrong, the error says in which state the node is.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nginxws.checks.finding import Finding
from nginxws.checks.gate import new_errors
from nginxws.errors import (
    ConfigError,
    ConnectionFailed,
    ExitCode,
    LockedError,
    NginxwsError,
    Restored,
)
from nginxws.nodes import transaction
from nginxws.nodes.link import NodeLink
from nginxws.nodes.options import ProbePolicy
from nginxws.nodes.probe.types import ProbeResult
from nginxws.nodes.session import Done
from nginxws.nodes.snapshot import refusal
from nginxws.plan import NodePlan
from nginxws.proving import Proof
from nginxws.snapshot import Snapshot

if TYPE_CHECKING:
    from nginxws.nodes.reading import OnStep
    from nginxws.nodes.transaction import Committed

#: Seconds between two tries to reach a node again after its connection broke.
_RETRY = 1.0


@dataclass(frozen=True, slots=True)
class Applied:
    """What an applied plan came to: the revision, and each probe's result by route."""

    committed: Committed
    probes: tuple[tuple[str, ProbeResult], ...] = ()


def apply(link: NodeLink, plan: NodePlan, policy: ProbePolicy, on_step: OnStep) -> Applied:
    """Carry out one node's plan. The plan must have changes.

    Raises LockedError and StaleError (nothing touched), Restored and Interrupted
    (everything put back), RestoreFailed (a human is needed), NodeError (nothing
    changed), ConnectionFailed (the node can't be asked what became of it).
    """
    proof = Proof(link, plan, policy, on_step)
    identity = transaction.new_id()
    try:
        committed = transaction.run(link.session(), plan, link.options, identity, on_step, proof.decide)
    except ConnectionFailed as error:
        committed = _settle(link, plan, identity, error, on_step)
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
    were there already.
    """

    node: str
    plan: NodePlan | None = None
    applied: Applied | None = None
    error: NginxwsError | None = None
    written: bool = False
    findings: tuple[Finding, ...] = ()
    standing: tuple[tuple[str, ProbeResult], ...] = ()

    @property
    def probes(self) -> tuple[tuple[str, ProbeResult], ...]:
        """What every probe came to: of routes just applied, or of those left as they are."""
        return self.standing if self.applied is None else self.applied.probes

    @property
    def done(self) -> bool:
        """The plan was carried out."""
        return self.applied is not None or self.written


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
    codes = (ExitCode.DONE if outcome.error is None else outcome.error.code for outcome in outcomes)
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
            hint=f"correct what it says first; `{now.nginx.binary} -t -c {now.nginx.conf}` on the node tells",
        )


def _with_probe(error: Restored, proof: Proof) -> Restored:
    """The same error, told in the probe's words when it was the probe that failed."""
    result = proof.failed
    if result is None or error.cause != "probe":
        return error
    return Restored(
        f"the route did not prove itself: {result.message}; everything was restored",
        node=error.node,
        hint=result.hint,
        detail=result.detail or None,
    )


def _settle(
    link: NodeLink, plan: NodePlan, identity: str, error: ConnectionFailed, on_step: OnStep
) -> Committed:
    """After a lost connection: reach the node again, and find out what became of the transaction."""
    on_step("reconnect", error.message)
    recovered = _recover_soon(link, plan, error, on_step)
    if recovered.last_transaction == identity:
        return transaction.Committed(recovered.last_revision)
    raise Restored(
        f"the connection broke ({error.message}); the node restored everything",
        node=link.name,
        hint="look at the network, then run the command again",
    ) from error


def _recover_soon(
    link: NodeLink, plan: NodePlan, error: ConnectionFailed, on_step: OnStep
) -> transaction.Recovered:
    """Ask for recovery until the node answers, at most as long as it waits for a word itself."""
    deadline = time.monotonic() + link.options.confirm_timeout + link.options.reload_timeout
    while True:
        link.reconnect()
        try:
            return transaction.recover(link.session(), link.options, plan.error_logs, on_step)
        except (ConnectionFailed, LockedError) as again:
            if time.monotonic() > deadline:
                raise ConnectionFailed(
                    f"the connection broke ({error.message}) and the node can't be reached again: "
                    "if the change wasn't confirmed, it restores itself",
                    node=link.name,
                    hint="run `nginxws recover` when the node can be reached: it says what became of it",
                ) from again
            time.sleep(_RETRY)
