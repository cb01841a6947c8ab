"""Prove a plan's routes by real handshakes: from the node itself, or from here through a public address."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from nginxws.errors import ConfigError, ConnectionFailed, NodeError
from nginxws.nodes.link import NodeLink
from nginxws.nodes.options import ProbePolicy
from nginxws.nodes.probe.handshake import probe_until
from nginxws.nodes.probe.types import ProbeRequest, ProbeResult
from nginxws.plan import NodePlan, ProbePoint

if TYPE_CHECKING:
    from nginxws.nodes.reading import OnStep


class Proof:
    """The proof of one plan on one node: probes its routes, and remembers the results for the report."""

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
        return probe_until(
            lambda: self.link.dial(point.address, point.port, policy.timeout), request, policy.timeout
        )


def _problem(point: ProbePoint, policy: ProbePolicy) -> str | None:
    """Why no probe can be made; a name from the user solves a missing one."""
    return None if point.host is None and policy.host is not None else point.problem


def prove_standing(
    link: NodeLink, plan: NodePlan, policy: ProbePolicy, on_step: OnStep
) -> tuple[tuple[str, ProbeResult], ...]:
    """Probe the routes that a plan leaves as they are: nothing to do is not yet proof.

    Raises NodeError (nothing was changed) when the proof is required and fails.
    """
    proof = Proof(link, replace(plan, probes=plan.standing), policy, on_step)
    proof.decide()
    bad = next(((route, result) for route, result in proof.results if not result.ok), None)
    if bad is None or policy.mode != "required":
        return tuple(proof.results)
    route, result = bad
    raise NodeError(
        f"{route} is there, unchanged, and does not prove itself: {result.message}; nothing was changed",
        node=link.name,
        detail=result.detail or None,
        hint=result.hint,
    )


def _way_out(point: ProbePoint) -> str:
    """What to do where no probe can be made from the node itself."""
    hint = "prove it from outside with --probe-url, or keep it unproved with --probe warn"
    if point.host is None:
        return f"name a host that this server answers with --probe-host; else {hint}"
    return hint


def check_provable(link: NodeLink, plan: NodePlan, policy: ProbePolicy) -> None:
    """Refuse what could only end in a restore: a proof that is required and can't be made.

    Raises ConfigError or NodeError; nothing was changed.
    """
    if policy.mode != "required" or policy.url is not None:
        return
    for point in plan.probes:
        problem = _problem(point, policy)
        if problem is not None:
            raise ConfigError(
                f"{point.route} couldn't be proved: {problem}", node=plan.node, hint=_way_out(point)
            )
    if plan.probes:
        _try_channel(link, plan.probes[0], policy)


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
