"""The flow of every changing command: snapshot, plan, check, show, ask, apply, report.

``Change`` is one command's run over its nodes. Nodes are taken one after the
other, and what happened on each is kept for the report.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nginxws.cli import signals
from nginxws.deploy import NodeOutcome, apply, check_plan, refuse_stopped, worst
from nginxws.errors import ConnectionFailed, ExitCode, Interrupted, NginxwsError, StaleError
from nginxws.nodes.link import NodeLink
from nginxws.nodes.options import ProbePolicy
from nginxws.nodes.reading import Reading, read_node
from nginxws.plan import NodePlan
from nginxws.printable import one_line
from nginxws.proving import Policies, check_provable, prove_standing
from nginxws.report.outcome import show_outcomes
from nginxws.report.progress import Progress
from nginxws.report.text import reporting, show_diff, show_pending, show_recovered
from nginxws.snapshot import Snapshot

if TYPE_CHECKING:
    from nginxws.cli.manifest_edit import ManifestEdit

#: Makes one node's plan from its snapshot.
MakePlan = Callable[[Snapshot], NodePlan]


@dataclass(frozen=True, slots=True)
class ChangeSettings:
    """The values of ``change_options`` and ``output_options`` that steer the flow."""

    dry_run: bool = False
    detailed_exitcode: bool = False
    yes: bool = False
    lock_timeout: int = 30
    output_format: str = "text"
    quiet: bool = False
    verbose: bool = False

    @property
    def asks(self) -> bool:
        """Whether a question can and should be put to somebody."""
        terminal = all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout))
        return terminal and not self.yes and self.output_format == "text"


@dataclass(slots=True)
class Change:
    """One changing command: what it makes of a snapshot, and how its routes are proved."""

    make: MakePlan
    settings: ChangeSettings
    policy: Policies = field(default_factory=ProbePolicy)
    manifest: ManifestEdit | None = None
    _applying: bool = field(default=False, init=False)
    _done: NodeOutcome | None = field(default=None, init=False)  # of the node at hand, once it is committed
    _asked: bool = field(default=False, init=False)  # to stop, when a node was done already

    def on_nodes(self, readings: Sequence[tuple[NodeLink, Reading]], progress: Progress) -> int:
        """Carry the change out on each node, which is being read already; returns the exit code.

        What fails on one node is not tried on the next, unless that one couldn't be reached; a dry run
        asks them all.
        """
        warm_up()
        outcomes: list[NodeOutcome] = []
        for number, (link, reading) in enumerate(readings, 1):
            with link:
                if self._stops(outcomes):
                    error = _interrupted(link.name, applying=False) if self._asked else _not_tried(link.name)
                    outcomes.append(NodeOutcome(link.name, error=error, skipped=True))
                else:
                    read = partial(self._on_node, link, reading.result, progress)
                    outcomes.append(read(last=number == len(readings)))
        signals.settled()
        progress.pause()
        return self._finish(outcomes)

    def _stops(self, outcomes: Sequence[NodeOutcome]) -> bool:
        """Whether the nodes that are left are spared what befell the last one."""
        if self._asked:
            return True
        error = outcomes[-1].error if outcomes else None
        if error is None or isinstance(error, Interrupted):
            return error is not None
        return not self.settings.dry_run and not isinstance(error, ConnectionFailed)

    def on_file(self, path: str) -> int:
        """Carry the change out on a file here; returns the exit code."""
        from nginxws import files

        plan: NodePlan | None = None
        try:
            before = files.snapshot(path)
            plan = self.make(before)
            old = check_plan(before, plan) if plan.files else ()
            if not plan.files or self.settings.dry_run:
                return self._finish([NodeOutcome(path, plan, findings=old)])
            self._ask(plan, None)
            files.write(plan.files)
        except NginxwsError as error:
            error.node = None if error.file else path  # no node here, and the file's name once
            return self._finish([NodeOutcome(path, plan, error=error)])
        return self._finish([NodeOutcome(path, plan, written=True, findings=old)])

    def _on_node(
        self, link: NodeLink, read: Callable[[], Snapshot], progress: Progress, *, last: bool = True
    ) -> NodeOutcome:
        on_step = progress.on_node(link.name)
        deadline = time.monotonic() + self.settings.lock_timeout
        tries = 0
        while True:
            try:
                return self._once(link, read, progress, last)
            except StaleError as error:
                # Somebody else was faster. Nobody has seen the plan yet, so plan anew.
                if self.settings.asks or not error.again or time.monotonic() > deadline:
                    error.node = error.node or link.name
                    return NodeOutcome(link.name, error=error)
                tries += 1  # the more rivals there are, the longer the pauses that spread them best
                time.sleep(random.uniform(0.05, min(0.25 * tries, 3.0)))  # nosec B311  # noqa: S311 (no secret)
                read = partial(read_node, link, on_step, undo=not self.settings.dry_run)
            except NginxwsError as error:
                error.node = error.node or link.name
                return NodeOutcome(link.name, error=error)
            except (KeyboardInterrupt, click.Abort):
                if self._done is not None:  # too late for this node
                    self._asked = True
                    return self._done
                return NodeOutcome(link.name, error=_interrupted(link.name, applying=self._applying))

    def _once(
        self, link: NodeLink, read: Callable[[], Snapshot], progress: Progress, last: bool
    ) -> NodeOutcome:
        self._applying, self._done = False, None
        on_step = progress.on_node(link.name)
        now = read()
        if now.recovered:
            progress.pause()
            show_recovered(now)
        refuse_stopped(now)
        plan = self.make(now)
        if not plan.files:
            proofs = () if self.settings.dry_run else prove_standing(link, plan, self.policy, on_step)
            return NodeOutcome(link.name, plan, standing=proofs)
        old = check_plan(now, plan)
        if self.settings.dry_run:
            progress.pause()
            show_pending(now)
            return NodeOutcome(link.name, plan, findings=old)
        check_provable(link, plan, self.policy)
        self._ask(plan, progress)
        self._applying = True
        # A signal just after the commit must not make the report untrue.
        done = apply(link, plan, self.policy, on_step, on_committed=signals.hold)
        self._done = NodeOutcome(link.name, plan, applied=done, findings=old)
        self._asked = not last and signals.release()
        return self._done

    def _ask(self, plan: NodePlan, progress: Progress | None) -> None:
        """Show the diff and wait for a yes, where somebody can be asked. Raises NginxwsError for a no."""
        if not self.settings.asks:
            return
        if progress is not None:
            progress.pause()
        if self.manifest is not None:
            self.manifest.show_once()
        show_diff(plan.diff)
        if not click.confirm(f"Apply this to {one_line(plan.node)}?", err=True):
            raise NginxwsError("not confirmed; nothing was changed")

    def _finish(self, outcomes: list[NodeOutcome]) -> int:
        code, dry_run, edit = worst(outcomes), self.settings.dry_run, self.manifest
        pending = any(outcome.plan and outcome.plan.files and not outcome.done for outcome in outcomes)
        if edit is not None:
            applied = any(outcome.done for outcome in outcomes)
            code = edit.settle(code, dry_run=dry_run, applied=applied)
            pending = pending or edit.changes
        if code is ExitCode.DONE and dry_run and self.settings.detailed_exitcode and pending:
            code = ExitCode.CHANGES
        with reporting():
            show_outcomes(
                outcomes,
                code,
                self.settings.output_format,
                quiet=self.settings.quiet,
                manifest=None if edit is None else edit.result(dry_run=dry_run),
                places=None if edit is None else edit.places,
            )
        return code


def _not_tried(node: str) -> NginxwsError:
    return NginxwsError(
        "not tried: an earlier node failed", node=node, hint="run the command again when that one is well"
    )


def _interrupted(node: str, *, applying: bool) -> Interrupted:
    if not applying:
        return Interrupted("interrupted; nothing was changed", node=node)
    return Interrupted(
        "interrupted; a change that wasn't committed is undone by the node itself",
        node=node,
        hint="`nginxws recover` says what became of it",
    )


def warm_up() -> None:
    """Import what the plan and the proof need, while the node is busy with the snapshot."""
    from nginxws.nodes.probe import handshake
    from nginxws.templating import load

    for module in ("crossplane", "nginxws.planner"):
        import_module(module)
    load(None)  # compiles the templates
    handshake.warm_up()


def settings_from(options: dict[str, Any]) -> ChangeSettings:
    """Take the flow's values out of a command's options."""
    names = ("dry_run", "detailed_exitcode", "yes", "lock_timeout", "output_format", "quiet", "verbose")
    return ChangeSettings(**{name: options[name] for name in names})


def templates_from(options: dict[str, Any]) -> Path | None:
    """The user's folder of templates, if one was named."""
    folder = options.get("templates")
    return Path(folder) if folder else None
