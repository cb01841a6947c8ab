"""Prove routes from outside: a real handshake with the environment's domain, as a browser makes it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from nginxws.errors import NodeError
from nginxws.nodes.probe.handshake import probe_until
from nginxws.nodes.probe.types import ProbeResult
from nginxws.nodes.probe.url import parse_url, url_request
from nginxws.nodes.streams import dial_tcp
from nginxws.plan import ProbePoint
from nginxws.providers.jelastic.change import OnStep
from nginxws.providers.jelastic.settings import Wanted
from nginxws.proving import policy_of

Proofs = tuple[tuple[str, ProbeResult], ...]
#: Answers of a balancer that has the route and no application behind it: reading files again helps nothing.
_NO_BACKEND = frozenset({502, 503, 504})


class Unproved(NodeError):
    """A proof that is required failed; ``result`` is what the probe found."""

    result: ProbeResult


def prove(wanted: Wanted, points: Iterable[ProbePoint], on_step: OnStep) -> Proofs:
    """A handshake for each route, as its policy says. Raises Unproved."""
    found = []
    for point in points:
        policy = policy_of(wanted.policies, point)
        if policy.mode == "off":
            continue
        on_step("probe", point.route)
        result = _probe(wanted, point)
        found.append((point.route, result))
        if not result.ok and policy.mode == "required":
            failed = Unproved(
                f"{point.route} does not prove itself: {result.message}",
                detail=result.detail or None,
                hint=result.hint,
            )
            failed.result = result
            raise failed
    return tuple(found)


def may_be_unread(result: ProbeResult) -> bool:
    """Whether an answer is like that of a balancer which hasn't read its file yet."""
    return result.status is not None and result.status not in _NO_BACKEND


def _probe(wanted: Wanted, point: ProbePoint) -> ProbeResult:
    policy = policy_of(wanted.policies, point)
    path = policy.path or point.path
    if not path:
        return ProbeResult(False, None, None, "unknown", "no path to probe", "give one with probe_path")
    target = parse_url(policy.url or f"{'wss' if wanted.tls else 'ws'}://{wanted.domain}{path}")
    request = url_request(target, expect=policy.expect, headers=policy.headers, timeout=policy.timeout)
    request = replace(request, from_url=False, host=policy.host or request.host)
    place = target
    if wanted.connect is not None and policy.url is None:
        place = parse_url(f"{'wss' if wanted.tls else 'ws'}://{wanted.connect}/")
        request = replace(request, listener=wanted.connect)
    return probe_until(lambda: dial_tcp(place.host, place.port, policy.timeout), request, policy.timeout)
