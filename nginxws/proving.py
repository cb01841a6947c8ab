"""Prove a plan's routes by real handshakes: from the node itself, or from here through a public address."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import replace
from threading import Thread
from typing import TYPE_CHECKING

from nginxws.errors import ConfigError, ConnectionFailed, Interrupted, NodeError
from nginxws.nodes.link import NodeLink
from nginxws.nodes.options import ProbePolicy
from nginxws.nodes.probe.handshake import probe_until
from nginxws.nodes.probe.types import ProbeRequest, ProbeResult
from nginxws.plan import NodePlan, ProbePoint

if TYPE_CHECKING:
    from nginxws.nodes.interrupts import Listener
    from nginxws.nodes.reading import OnStep
    from nginxws.nodes.transport import ByteStream

#: Seconds between two looks at whether a signal came.
_LOOK = 0.1

#: How routes are proved: all in one way, or each in its own.
Policies = ProbePolicy | Callable[[ProbePoint], ProbePolicy]


def policy_of(policies: Policies, point: ProbePoint) -> ProbePolicy:
    """How one route is proved."""
    return policies if isinstance(policies, ProbePolicy) else policies(point)


class Proof:
    """The proof of one plan on one node: probes its routes, and remembers the results for the report.

    ``failed`` is the result that ended it: of a proof that was required. In a thread, where no signal ends
    anything, ``interrupts`` is looked at before each route, and while its answer is awaited.
    """

    def __init__(
        self,
        link: NodeLink,
        plan: NodePlan,
        policies: Policies,
        on_step: OnStep,
        interrupts: Listener | None = None,
    ) -> None:
        self.link = link
        self.plan = plan
        self.policies = policies
        self.on_step = on_step
        self.interrupts = interrupts
        self.results: list[tuple[str, ProbeResult]] = []
        self.failed: tuple[str, ProbeResult] | None = None
        self._given_up = False
        self.agreed = False  # the node may keep it, and is told so

    def decide(self) -> str | None:
        """None to commit; the reason for a rollback otherwise."""
        refused = self._refusal()
        self.agreed = refused is None
        return refused

    def _refusal(self) -> str | None:
        for point in self.plan.probes:
            policy = policy_of(self.policies, point)
            if policy.mode == "off":
                continue
            if self.interrupts is not None and self.interrupts.asked:
                return "interrupted"
            self.on_step("probe", point.route)
            result = self._awaited(point, policy)
            if result is None:
                return "interrupted"
            self.results.append((point.route, result))
            if not result.ok and policy.mode == "required":
                self.failed = point.route, result
                return result.message
        return None

    def _awaited(self, point: ProbePoint, policy: ProbePolicy) -> ProbeResult | None:
        """The probe's result; None when a signal came first: no answer is worth waiting for then."""
        if self.interrupts is None:
            return self._probe(point, policy)
        result: Future[ProbeResult] = Future()

        def work() -> None:
            try:
                result.set_result(self._probe(point, policy))
            except BaseException as error:  # raised below, in the thread that asked for it
                result.set_exception(error)

        Thread(target=work, name="probe", daemon=True).start()
        while not wait([result], _LOOK).done:
            if self.interrupts.asked:
                self._given_up = True
                return None
        return result.result()

    def _dial(self, point: ProbePoint, policy: ProbePolicy) -> ByteStream:
        if self._given_up:  # the link may be closed by now, and must not be opened again
            raise ConnectionFailed("the probe was given up", hint="run the command again")
        return self.link.dial(point.address, point.port, policy.timeout)

    def _probe(self, point: ProbePoint, policy: ProbePolicy) -> ProbeResult:
        if policy.url is not None:
            return _from_outside(policy.url, policy)
        if (problem := _problem(point, policy)) is not None:
            return ProbeResult(False, None, None, "unknown", problem, _way_out(point))
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
        return probe_until(lambda: self._dial(point, policy), request, policy.timeout)


def _problem(point: ProbePoint, policy: ProbePolicy) -> str | None:
    """Why no probe can be made; a name or a path from the user solves a missing one."""
    if not point.path and policy.path is None:
        return "no path to probe follows from a regular expression"
    return None if point.host is None and policy.host is not None else point.problem


def prove_standing(
    link: NodeLink,
    plan: NodePlan,
    policies: Policies,
    on_step: OnStep,
    interrupts: Listener | None = None,
) -> tuple[tuple[str, ProbeResult], ...]:
    """Probe the routes that a plan leaves as they are: nothing to do is not yet proof.

    Raises NodeError (nothing was changed) when the proof is required and fails, Interrupted.
    """
    proof = Proof(link, replace(plan, probes=plan.standing), policies, on_step, interrupts)
    if proof.decide() is None:
        return tuple(proof.results)
    if proof.failed is None:
        raise Interrupted("interrupted; nothing was changed", node=link.name)
    route, result = proof.failed
    raise NodeError(
        f"{route} is there, unchanged, and does not prove itself: {result.message}; nothing was changed",
        node=link.name,
        detail=result.detail or None,
        hint=result.hint,
    )


def _way_out(point: ProbePoint) -> str:
    """What to do where no probe can be made from the node itself."""
    if not point.path:
        return "give a path that it matches with --probe-path, or keep it unproved with --probe warn"
    hint = "prove it from outside with --probe-url, or keep it unproved with --probe warn"
    if point.host is None:
        return f"name a host that this server answers with --probe-host; else {hint}"
    return hint


def check_provable(link: NodeLink, plan: NodePlan, policies: Policies) -> None:
    """Refuse what could only end in a restore: a proof that is required and can't be made.

    Raises ConfigError or NodeError; nothing was changed.
    """
    needed = [
        (point, policy)
        for point in plan.probes
        if (policy := policy_of(policies, point)).mode == "required" and policy.url is None
    ]
    for point, policy in needed:
        problem = _problem(point, policy)
        if problem is not None:
            raise ConfigError(
                f"{point.route} couldn't be proved: {problem}", node=plan.node, hint=_way_out(point)
            )
    if needed:
        _try_channel(link, *needed[0])


def _try_channel(link: NodeLink, point: ProbePoint, policy: ProbePolicy) -> None:
    """Whether the SSH server lets us reach the node's listener at all (AllowTcpForwarding)."""
    try:
        link.dial(point.address, point.port, policy.timeout).close()
    except OSError as error:
        why = error.__cause__
        if isinstance(why, ConnectionFailed) and "forbids" in why.message:
            raise NodeError(why.message, node=link.name, hint=f"{why.hint}; or --probe warn") from error


def _from_outside(url: str, policy: ProbePolicy) -> ProbeResult:
    """The probe from this machine through a public address; TLS is verified."""
    from nginxws.nodes.probe.url import parse_url, url_request
    from nginxws.nodes.streams import dial_tcp

    target = parse_url(url)
    request = url_request(target, expect=policy.expect, headers=policy.headers, timeout=policy.timeout)
    request = replace(request, from_url=False)  # hints name add-route's options
    return probe_until(lambda: dial_tcp(target.host, target.port, policy.timeout), request, policy.timeout)
