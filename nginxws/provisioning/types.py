"""What became of an environment's parts: plain data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nginxws.deploy import NodeOutcome, most_urgent
from nginxws.environment.plan import AppPlan
from nginxws.errors import ExitCode, Interrupted, NginxwsError, Restored, RestoreFailed
from nginxws.nodes.probe.types import ProbeResult

_ENDINGS: dict[type[NginxwsError], str] = {
    Restored: "restored",
    RestoreFailed: "restore failed",
    Interrupted: "interrupted",
}


@dataclass(frozen=True, slots=True)
class AppOutcome:
    """What became of one application: its plan, and how far it got.

    ``done``: the plan was carried out, and stays so. ``taken_back``: it was carried out, and is as before
    again, since another part failed. ``skipped``: nothing was tried; ``error`` says why.
    ``notes`` are things to know that are no errors.
    """

    name: str
    plan: AppPlan | None = None
    error: NginxwsError | None = None
    done: bool = False
    taken_back: bool = False
    skipped: bool = False
    notes: tuple[str, ...] = ()

    @property
    def result(self) -> str:
        """What became of it, in the words that balancers have."""
        if self.skipped:
            return "not tried"
        if self.error is not None:
            return _ENDINGS.get(type(self.error), "failed")
        if self.taken_back:
            return "rolled back"
        if self.done:
            return "applied"
        return "unchanged" if self.plan is None or self.plan.is_noop else "planned"


@dataclass(frozen=True, slots=True)
class Proved:
    """One address of the environment, and what a handshake with it from outside came to."""

    url: str
    path: str
    probe: ProbeResult


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an environment. ``error`` is one that is nobody's own: the proof from outside's.

    ``installed`` names the balancers that got an NGINX, and by which package manager; ``sites_removed``
    those whose server block that came with it is gone.
    """

    apps: tuple[AppOutcome, ...] = ()
    nodes: tuple[NodeOutcome, ...] = ()
    proofs: tuple[Proved, ...] = ()
    error: NginxwsError | None = None
    installed: tuple[tuple[str, str], ...] = ()
    sites_removed: tuple[str, ...] = ()

    @property
    def parts(self) -> tuple[AppOutcome | NodeOutcome, ...]:
        """Applications, then balancers."""
        return (*self.apps, *self.nodes)

    @property
    def errors(self) -> Iterator[NginxwsError]:
        """All errors: of applications, of balancers, of the whole."""
        for part in self.parts:
            if part.error is not None:
                yield part.error
        if self.error is not None:
            yield self.error

    @property
    def code(self) -> ExitCode:
        """The most urgent exit code; 4 at least when something was changed and taken back."""
        codes = [error.code for error in self.errors]
        if codes and any(part.taken_back for part in self.parts):
            codes.append(ExitCode.RESTORED)
        return most_urgent(codes)

    @property
    def changed(self) -> bool:
        """Whether something was changed, and stays so."""
        aside = bool(self.installed or self.sites_removed)
        return aside or any(part.done for part in self.parts)

    @property
    def pending_nodes(self) -> set[str]:
        """The balancers that aren't as wanted."""
        plans = ((one.node, one.plan) for one in self.nodes)
        return {name for name, plan in plans if plan is not None and (plan.files or plan.blocked)}

    @property
    def pending_parts(self) -> int:
        """How many parts aren't as wanted: something would change, or is left that should."""
        apps = [one for one in self.apps if one.plan is not None and not one.plan.is_noop]
        return len(apps) + len(self.pending_nodes)
