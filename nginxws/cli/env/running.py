"""From the options of ``env up``, ``plan`` and ``down`` to a run of it, and its report."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from nginxws.cli.change import ChangeSettings, settings_from
from nginxws.cli.desired import Desired, Flags
from nginxws.cli.env.changing import Changing, read_sources
from nginxws.cli.env.installing import Installing
from nginxws.cli.env.nodes import Environment
from nginxws.cli.env.parts import Leaving
from nginxws.cli.running import times_from
from nginxws.cli.targets import ChangeTimes
from nginxws.cli.work_tree import describe
from nginxws.errors import ExitCode
from nginxws.report.environment import Report, show_outcome
from nginxws.report.progress import Progress
from nginxws.report.text import reporting


def bring_up(options: dict[str, Any]) -> int:
    """``env up``; returns the exit code."""
    environment = Environment.need(options)
    settings = settings_from(options)
    if environment.provider(options):
        return _provided(environment, settings, options, command="env up")
    return _run(environment, settings, options, _times(environment, settings, options), command="env up")


def show_plan(options: dict[str, Any]) -> int:
    """``env plan``: ``env up`` that changes nothing; returns the exit code."""
    names = ("detailed_exitcode", "output_format", "quiet", "verbose")
    settings = ChangeSettings(dry_run=True, **{name: options[name] for name in names})
    environment = Environment.need(options)
    if environment.provider(options):
        return _provided(environment, settings, options, command="env plan")
    return _run(environment, settings, options, ChangeTimes(), command="env plan")


def take_down(options: dict[str, Any]) -> int:
    """``env down``; returns the exit code."""
    environment = Environment.need(options)
    settings = settings_from(options)
    if environment.provider(options):
        return _provided(environment, settings, options, command="env down")
    times = _times(environment, settings, options)
    return _run(environment, settings, options, times, command="env down", down=True)


def _provided(
    environment: Environment, settings: ChangeSettings, options: dict[str, Any], *, command: str
) -> int:
    """The same by a platform's API."""
    from nginxws.cli.env.provider import run

    return run(environment, settings, options, command)


def _times(environment: Environment, settings: ChangeSettings, options: dict[str, Any]) -> ChangeTimes:
    times = times_from(options)
    if times.message or settings.dry_run:
        return times
    return replace(times, message=describe(environment.file.path))


def _run(
    environment: Environment,
    settings: ChangeSettings,
    options: dict[str, Any],
    times: ChangeTimes,
    *,
    command: str,
    down: bool = False,
) -> int:
    names = list(environment.manifest.nodes)
    kind = Leaving if down else Desired
    with Progress(verbose=settings.verbose, quiet=settings.quiet) as progress:
        changing = Changing(
            environment,
            kind(environment.file, names, Flags.of(options)),
            settings,
            progress,
            None if down else read_sources(environment),
            Installing(environment, options.get("install")),
            wait=0 if down else environment.wait(options),
            parallel=options.get("parallel", 1),
        )
        outcome = changing.run(options, times)
        progress.pause()
    report = Report(
        command,
        outcome,
        environment.entry.domain,
        () if down else environment.urls,
        dry_run=settings.dry_run,
        installs=changing.installing.wanted,
        leaving=changing.installing.leaving,
    )
    code = outcome.code
    if code is ExitCode.DONE and settings.dry_run and settings.detailed_exitcode and report.pending:
        code = ExitCode.CHANGES
    with reporting():
        show_outcome(report, code, settings.output_format, quiet=settings.quiet)
    return code
