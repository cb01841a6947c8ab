"""``env up``, ``plan``, ``down`` and ``status`` by a platform's API: asked, planned, done, reported."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import click

from nginxws.cli import signals
from nginxws.cli.change import ChangeSettings, warm_up
from nginxws.cli.desired import version
from nginxws.cli.env.nodes import Environment
from nginxws.cli.env.platform import Asked, ask_for
from nginxws.deploy import NodeOutcome
from nginxws.environment.plan import AppPlan, AppSnapshot
from nginxws.environment.wanted import WantedApp, written_address
from nginxws.errors import ExitCode, NginxwsError
from nginxws.plan import NodePlan
from nginxws.providers import jelastic
from nginxws.providers.jelastic import Outlook, Result
from nginxws.provisioning.types import AppOutcome, Outcome, Proved
from nginxws.report.env_status import AppStanding, BalancerStanding, Standing
from nginxws.report.environment import Report, show_outcome, show_plans
from nginxws.report.platform import PlatformNode, PlatformReport
from nginxws.report.progress import Progress
from nginxws.report.text import reporting, show_lines, show_note

PROVIDER = "jelastic"
#: What the provider's steps are called in progress; others are called as everywhere.
_STEPS = {
    "look": "looking at the platform",
    "create": "making the environment",
    "created": "the environment was made",
    "wait": "waiting for the platform",
    "deploy": "waiting for the deployment",
    "deployed": "the application was deployed",
    "read": "reading the balancer's files",
    "write": "writing",
}
#: Steps that take minutes: said also where nobody watches a spinner.
_LONG = ("create", "wait", "deploy")


class Written(NodeOutcome):
    """A balancer that the API wrote to: applied as over SSH, but without a revision."""

    __slots__ = ()

    @property
    def result(self) -> str:
        """What became of it."""
        return "applied" if self.done else super().result


@dataclass(slots=True)
class _Run:
    """One run; ``seen`` are the steps that it came to."""

    environment: Environment
    settings: ChangeSettings
    asked: Asked
    progress: Progress
    down: bool = False
    seen: set[str] = field(default_factory=set)

    def on_step(self, step: str, words: str) -> None:
        self.seen.add(step)
        quiet = self.settings.quiet or self.settings.verbose or sys.stderr.isatty()
        if step in _LONG and not quiet:
            show_note(f"{self.name}: {_STEPS[step]} ({words})")
        self.progress.step(self.name, _STEPS.get(step, step), words)

    @property
    def name(self) -> str:
        return self.asked.settings.env_name

    def outlook(self) -> Outlook:
        """What would be done."""
        return jelastic.plan(self.asked.settings, self.asked.wanted, down=self.down, on_step=self.on_step)

    def ask(self) -> Outlook | None:
        """Show the plan and wait for a yes, where somebody can be asked; what was agreed to."""
        if not self.settings.asks:
            return None
        outlook = self.outlook()
        if outlook.changes:
            self.progress.pause()
            show_lines(self.planned(outlook).lines())
            show_plans(self.planned_parts(outlook), {})
            if not click.confirm(f"Apply this to {self.name} on {self.asked.settings.hoster}?", err=True):
                raise NginxwsError("not confirmed; nothing was changed", hint="--yes asks nothing")
        return outlook

    def change(self) -> tuple[Outcome, PlatformReport]:
        """Do it."""
        agreed = self.ask()
        work = jelastic.take_down if self.down else jelastic.bring_up
        try:
            result = work(self.asked.settings, self.asked.wanted, on_step=self.on_step, agreed=agreed)
        except NginxwsError as error:
            return self.failed(error), self.half_done()
        finally:
            signals.settled()
        return self.done_parts(result), self.done(result)

    # --- what is said of it ---------------------------------------------------------------------

    def planned_parts(self, outlook: Outlook) -> Outcome:
        return Outcome(self.apps(outlook.apps, done=False), (self.balancer(outlook.balancer),))

    def planned(self, outlook: Outlook) -> PlatformReport:
        later = "what the application's files and the balancer lack is known once this is done"
        unknown = (outlook.creates or outlook.deploys) and not self.down
        return PlatformReport(
            PROVIDER,
            self.name,
            outlook.creates,
            outlook.deploys,
            self.archive,
            absent=outlook.environment is None,
            nodes=self.nodes(outlook.environment),
            notes=(later,) if unknown else (),
        )

    def done_parts(self, result: Result) -> Outcome:
        proofs = (
            Proved(written_address(self.environment.manifest, route), route, probe)
            for route, probe in result.proofs
        )
        node = self.balancer(result.balancer, done=True)
        return Outcome(self.apps(result.apps, done=True), (node,), tuple(proofs))

    def done(self, result: Result) -> PlatformReport:
        return PlatformReport(
            PROVIDER,
            self.name,
            result.created,
            result.deployed,
            self.archive,
            done=True,
            reloaded=result.reloaded,
            nodes=self.nodes(result.environment),
            notes=result.notes,
        )

    def failed(self, error: NginxwsError) -> Outcome:
        """The error with the part that it is of; the others are as they were."""
        names = [app.name for app in self.environment.apps]
        apps = tuple(AppOutcome(name, error=error if error.node == name else None) for name in names)
        of_node = error.node == self.asked.balancer and error.node not in names
        node = NodeOutcome(self.asked.balancer, error=error if of_node else None)
        whole = None if of_node or error.node in names else error
        return Outcome(apps, (node,), error=whole)

    def half_done(self) -> PlatformReport:
        """What was made and deployed stays."""
        created, deployed = "created" in self.seen, "deployed" in self.seen
        return PlatformReport(PROVIDER, self.name, created, deployed, self.archive, done=True)

    @property
    def archive(self) -> str:
        archive = self.asked.settings.archive
        return archive.name if archive is not None else ""

    def apps(self, plans: tuple[AppPlan, ...], *, done: bool) -> tuple[AppOutcome, ...]:
        known = {plan.name: plan for plan in plans}
        return tuple(self.app(app, known.get(app.name), done=done) for app in self.environment.apps)

    def app(self, app: WantedApp, plan: AppPlan | None, *, done: bool) -> AppOutcome:
        return AppOutcome(app.name, plan, done=done and plan is not None and not plan.is_noop)

    def balancer(self, plan: NodePlan | None, *, done: bool = False) -> NodeOutcome:
        changed = done and plan is not None and bool(plan.files)
        return Written(self.asked.balancer, plan, written=changed)

    def nodes(self, environment: jelastic.Environment | None) -> tuple[PlatformNode, ...]:
        if environment is None:
            return ()
        hoster, uid = self.asked.settings.hoster, environment.uid
        return tuple(
            PlatformNode(one.id, one.group, one.address, one.ssh_target(hoster, uid))
            for one in environment.nodes
        )


def run(environment: Environment, settings: ChangeSettings, options: dict[str, Any], command: str) -> int:
    """``env up``, ``env plan`` or ``env down``; returns the exit code."""
    down = command == "env down"
    asked = ask_for(environment, options, down=down)
    warm_up()
    with Progress(verbose=settings.verbose, quiet=settings.quiet) as progress:
        work = _Run(environment, settings, asked, progress, down)
        if settings.dry_run:
            outlook = work.outlook()
            outcome, platform = work.planned_parts(outlook), work.planned(outlook)
        else:
            outcome, platform = work.change()
        progress.pause()
    urls = () if down else environment.urls
    report = Report(
        command, outcome, environment.entry.domain, urls, dry_run=settings.dry_run, platform=platform
    )
    code = outcome.code
    if code is ExitCode.DONE and settings.dry_run and settings.detailed_exitcode and report.pending:
        code = ExitCode.CHANGES
    with reporting():
        show_outcome(report, code, settings.output_format, quiet=settings.quiet)
    return code


def look(environment: Environment, options: dict[str, Any], progress: Progress) -> Standing:
    """How the environment stands on the platform. Changes nothing. Raises NginxwsError."""
    settings = ChangeSettings(quiet=options["quiet"], verbose=options["verbose"])
    asked = ask_for(environment, options)
    work = _Run(environment, settings, asked, progress)
    outlook = work.outlook()
    known = {plan.name: plan for plan in outlook.apps}
    now = outlook.now
    return Standing(
        environment.entry.domain,
        environment.urls,
        [_standing(app, known.get(app.name), outlook.listening.get) for app in environment.apps],
        [BalancerStanding(work.balancer(outlook.balancer), "" if now is None else version(now), now)],
        work.planned(outlook),
    )


def _standing(app: WantedApp, plan: AppPlan | None, listening: Callable[[str], bool | None]) -> AppStanding:
    silent = None if listening(app.name) else "nothing listens there, seen from its node"
    return AppStanding(app, AppSnapshot() if plan is not None else None, plan, silent)
