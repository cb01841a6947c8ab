"""The flow of ``nginxws apply``: plan every node, compare or ask, roll out, report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from nginxws.cli import manifest_file, saved, signals
from nginxws.cli.carrying import Carrying
from nginxws.cli.change import ChangeSettings, settings_from
from nginxws.cli.desired import Desired, Flags, Seen
from nginxws.cli.parameters import stands_there
from nginxws.cli.running import times_from
from nginxws.cli.targets import ChangeTimes
from nginxws.cli.work_tree import describe
from nginxws.counting import count
from nginxws.deploy import NodeOutcome, worst
from nginxws.errors import ExitCode, InvalidInput, NginxwsError
from nginxws.planfile import PlanFile
from nginxws.report.plans import is_pending, show_applied, show_plan, show_plans
from nginxws.report.progress import Progress
from nginxws.report.text import reporting
from nginxws.rollout import roll_out


def run(planfile: str | None, options: dict[str, Any]) -> int:
    """Carry out a manifest, or a saved plan of it; returns the exit code."""
    file = manifest_file.need(options)
    if planfile is None:
        plan = None
        desired = Desired(file, manifest_file.nodes_meant(file, options), Flags.of(options))
    else:
        _refuse_shaping()
        plan = saved.read(Path(planfile))
        names = saved.nodes_of(plan, planfile, file, options["max_age"])
        desired = Desired(file, names, Flags.of(dict(plan.options)))
    settings = settings_from(options)
    times = times_from(options)
    if not times.message and not settings.dry_run:
        times = replace(times, message=describe(file.path))
    with Progress(verbose=settings.verbose, quiet=settings.quiet) as progress:
        return _Apply(desired, plan, settings, progress).run(options, times)


def _refuse_shaping() -> None:
    """With a saved plan, what shapes a plan was said when it was made."""
    said = [
        next(word for word in parameter.opts if word.startswith("--"))
        for parameter in click.get_current_context().command.params
        if parameter.name in ("nodes", "overwrite_drift", "adopt", "replace") and stands_there(parameter.name)
    ]
    if said:
        raise InvalidInput(
            f"a saved plan is carried out as it is: {', '.join(said)} can't change it",
            hint="say that when the plan is made: `nginxws plan --out FILE`",
        )


@dataclass(slots=True)
class _Apply:
    """One run. ``plan`` is the saved plan, None without."""

    desired: Desired
    plan: PlanFile | None
    settings: ChangeSettings
    progress: Progress

    def run(self, options: dict[str, Any], times: ChangeTimes) -> int:
        policies = {} if self.settings.dry_run else self.desired.policies()
        with self.desired.links(options, times, self.progress) as links:
            # What was cut short is left alone where a saved plan might not fit any more.
            undo = self.plan is None and not self.settings.dry_run
            seen = [self.judged(one) for one in self.desired.see(links, self.progress, undo=undo)]
            if self.settings.dry_run:
                return self.show_dry(seen)
            firm = self.plan is not None or self.settings.asks
            carrying = Carrying(self.desired, self.settings, self.progress, firm)
            seen = [carrying.vetted(one, policies) for one in seen]
            if any(one.outcome.error is not None for one in seen):
                return self.finish([_spared(one.outcome) for one in seen])
            self.ask(seen)
            tasks = [carrying.task(one, policies[one.link.name]) for one in seen]
            how = {"parallel": options["parallel"], "on_failure": options["on_failure"]}
            outcomes = roll_out(tasks, **how)
            signals.settled()
        return self.finish(outcomes)

    def judged(self, one: Seen) -> Seen:
        """With an error where the node isn't as it was when the plan was saved."""
        return one if self.plan is None else replace(one, outcome=saved.compared(self.plan, one))

    def ask(self, seen: Sequence[Seen]) -> None:
        """Show the plans and wait for a yes, where somebody can be asked. Raises NginxwsError for a no."""
        changing = [one.outcome for one in seen if one.outcome.plan is not None and one.outcome.plan.files]
        if self.plan is not None or not self.settings.asks or not changing:
            return
        self.progress.pause()
        show_plans([one.outcome for one in seen])
        if not click.confirm(f"Apply this to {count(len(changing), 'node')}?", err=True):
            raise NginxwsError("not confirmed; nothing was changed", hint="--yes asks nothing")

    def show_dry(self, seen: Sequence[Seen]) -> int:
        outcomes = [one.outcome for one in seen]
        code = worst(outcomes)
        pending = any(one.plan is not None and is_pending(one.plan) for one in outcomes)
        if code is ExitCode.DONE and pending and self.settings.detailed_exitcode:
            code = ExitCode.CHANGES
        self.progress.pause()
        with reporting():
            show_plan(
                outcomes,
                code,
                self.settings.output_format,
                saved.save(self.desired, seen),
                quiet=self.settings.quiet,
                places=self.desired.places(),
            )
        return code

    def finish(self, outcomes: Sequence[NodeOutcome]) -> int:
        code = worst(outcomes)
        self.progress.pause()
        with reporting():
            show_applied(
                outcomes,
                code,
                self.settings.output_format,
                quiet=self.settings.quiet,
                places=self.desired.places(),
            )
        return code


def _spared(outcome: NodeOutcome) -> NodeOutcome:
    """A node without an error of its own, when another's keeps everything from being begun."""
    if outcome.error is not None:
        return outcome
    error = NginxwsError(
        "not tried: nothing is begun while another node can't be done",
        node=outcome.node,
        hint="put that one right, or leave it out with --node",
    )
    return replace(outcome, error=error, skipped=True)
