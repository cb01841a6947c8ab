"""Prove an environment from outside: handshakes with the addresses that browsers use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from nginxws.errors import NginxwsError, Restored
from nginxws.nodes.options import ProbePolicy
from nginxws.nodes.probe.handshake import probe_until
from nginxws.nodes.probe.types import ProbeRequest, ProbeResult
from nginxws.nodes.probe.url import UrlTarget, parse_url, url_request
from nginxws.nodes.streams import dial_tcp
from nginxws.provisioning.types import Proved

#: Says a step's name and a few words about it.
OnStep = Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class Address:
    """A WebSocket address, the path of its route, and how that is proved."""

    url: str
    path: str
    policy: ProbePolicy


@dataclass(frozen=True, slots=True)
class Outside:
    """The addresses to try from this machine.

    ``connect`` is host and port to connect to instead of what the addresses say (DNS may not know them
    yet); the name that is asked for stays theirs.
    """

    addresses: Sequence[Address]
    connect: tuple[str, int] | None
    on_step: OnStep

    def results(self) -> tuple[Proved, ...]:
        """Every address tried, up to the first whose proof is required and fails."""
        found: list[Proved] = []
        for one in self.addresses:
            self.on_step("outside", one.url)
            probe = self._try(one)
            found.append(Proved(one.url, one.path, probe))
            if not probe.ok and one.policy.mode == "required":
                break
        return tuple(found)

    def _try(self, one: Address) -> ProbeResult:
        target, timeout = parse_url(one.url), one.policy.timeout
        host, port = self.connect or (target.host, target.port)
        request = replace(_request(target, one.policy), listener=f"{host}:{port}", from_url=False)
        result = probe_until(lambda: dial_tcp(host, port, timeout), request, timeout)
        if result.ok or result.status is not None:
            return result
        return replace(result, hint=self._way_out(target.host, result.hint))

    def _way_out(self, name: str, hint: str | None) -> str:
        if self.connect is not None:
            return f"see `connect` in the manifest's [environment]; {hint}"
        return (
            f"where DNS doesn't lead to the balancers yet, say where they are reached: "
            f'connect = "HOST:PORT" in [environment]; {hint}'
        )

    def failure(
        self, proofs: Sequence[Proved], *, changed: bool, restored: bool = True
    ) -> NginxwsError | None:
        """The error that the results stand for, None for none.

        ``changed``: something is taken back; ``restored``: all of it.
        """
        modes = {one.url: one.policy.mode for one in self.addresses}
        for one in proofs:
            if not one.probe.ok and modes[one.url] == "required":
                state = "; everything was restored" if changed else "; nothing was changed"
                return (Restored if changed and restored else NginxwsError)(
                    f"{one.url} doesn't work from here: {one.probe.message}{state if restored else ''}",
                    detail=one.probe.detail or None,
                    hint=one.probe.hint,
                )
        return None


def _request(target: UrlTarget, policy: ProbePolicy) -> ProbeRequest:
    return url_request(target, expect=policy.expect, headers=policy.headers, timeout=policy.timeout)
