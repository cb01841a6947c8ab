"""Carry plans out: the only place that orchestrates change.

One node, one straight line: transaction (stage, test, activate, reload, prove),
probe, commit. Whatever goes wrong, the error says in which state the node is.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
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
from nginxws.nodes.probe import probe_until
from nginxws.nodes.probe_types import ProbeRequest, ProbeResult
from nginxws.plan import NodePlan, ProbePoint
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


class _Proof:
    """Probes every route of a plan; remembers the results for the report."""

    def __init__(self, link: NodeLink, plan: NodePlan, policy: ProbePolicy, on_step: OnStep) -> None:
        self.link = link
        self.plan = plan
        self.policy = policy
        self.on_step = on_step
        self.results: list[tuple[str, ProbeResult]] = []

    @property
    def failed(self) -> ProbeResult | None:
        return next((result for _route, result in self.results if not result.ok), None)

    def decide(self) -> str | None:
        """None to commit; the reason for a rollback otherwise."""
        if self.policy.mode == "off":
            return None
        for point in self.plan.probes:
            self.on_step("probe", point.route)
            result = self._probe(point)
            self.results.append((point.route, result))
            if not result.ok and self.policy.mode == "required":
                return result.message
        return None

    def _probe(self, point: ProbePoint) -> ProbeResult:
        policy = self.policy
        if policy.url is not None:
            return _from_outside(policy.url, policy)
        if point.problem is not None and (point.host is not None or policy.host is None):
            return _not_tried(point)
        request = ProbeRequest(
            path=policy.path or point.path,
            host=policy.host or point.host or "",
            tls=point.tls,
            verify_tls=False,  # the connection ends at the node's own listener, through verified SSH
            headers=policy.headers,
            proxy_protocol=point.proxy_protocol,
            expect=policy.expect,
            timeout=policy.timeout,
            listener=f"{point.address}:{point.port} of the node",
        )
        return probe_until(
            lambda: self.link.dial(point.address, point.port, policy.timeout), request, policy.timeout
        )


def _from_outside(url: str, policy: ProbePolicy) -> ProbeResult:
    """The probe from this machine through a public address; TLS is verified."""
    from nginxws.nodes.probe_url import parse_url, url_request
    from nginxws.nodes.streams import dial_tcp

    target = parse_url(url)
    request = url_request(target, expect=policy.expect, headers=policy.headers, timeout=policy.timeout)
    request = replace(request, from_url=False)  # hints name add-route's options
    return probe_until(lambda: dial_tcp(target.host, target.port, policy.timeout), request, policy.timeout)


def apply(link: NodeLink, plan: NodePlan, policy: ProbePolicy, on_step: OnStep) -> Applied:
    """Carry out one node's plan. The plan must have changes.

    Raises LockedError and StaleError (nothing touched), Restored and Interrupted
    (everything put back), RestoreFailed (a human is needed), NodeError (nothing
    changed), ConnectionFailed (the node can't be asked what became of it).
    """
    proof = _Proof(link, plan, policy, on_step)
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
    are errors that its files had before.
    """

    node: str
    plan: NodePlan | None = None
    applied: Applied | None = None
    error: NginxwsError | None = None
    written: bool = False
    findings: tuple[Finding, ...] = ()

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
    _refuse_broken(now)
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


def _refuse_broken(now: Snapshot) -> None:
    """NGINX's own test failed before any change of ours: no reload could take the route over.

    A test that fails for want of rights says nothing about the configuration.
    """
    words = now.test_failure
    if words is not None and "ermission denied" not in words:
        raise ConfigError(
            "NGINX's own test of the configuration fails, as it did before this command; nothing was changed",
            node=now.node,
            detail=words,
            hint=f"correct what it says first; `{now.nginx.binary} -t -c {now.nginx.conf}` on the node tells",
        )


def _with_probe(error: Restored, proof: _Proof) -> Restored:
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


def _not_tried(point: ProbePoint) -> ProbeResult:
    hint = "prove it from outside with --probe-url, or use --probe warn"
    if point.host is None:
        hint = f"name a host that this server answers with --probe-host; else {hint}"
    return ProbeResult(False, None, None, "unknown", point.problem or "", hint)
