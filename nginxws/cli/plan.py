"""``nginxws plan``: what the manifest would change on its nodes."""

from __future__ import annotations

from typing import Any

import click

from nginxws.cli.options import connection_options, option, review_options, take_over_options


@click.command()
@option(
    "--out", type=click.Path(dir_okay=False), metavar="FILE", help="Save the plan, for `nginxws apply FILE`."
)
@option("--detailed-exitcode", is_flag=True, help="Exit 2 when a node isn't as wanted.")
@option("--overwrite-drift", is_flag=True, help="Replace managed blocks that were edited by hand.")
@take_over_options
@connection_options
@review_options
def plan(**options: Any) -> int:
    """Show what the manifest would change on each of its nodes; nothing is changed.

    Routes that carry our marker and aren't in the manifest go; nothing else is ever removed. A block that
    was edited by hand, and a hand-written location in a route's way, are told and left alone.
    """
    from pathlib import Path

    from nginxws.cli import manifest_file, saved
    from nginxws.cli.desired import Desired, Flags
    from nginxws.cli.targets import ChangeTimes
    from nginxws.deploy import worst
    from nginxws.errors import ExitCode
    from nginxws.report.plans import is_pending, show_plan
    from nginxws.report.progress import Progress
    from nginxws.report.text import reporting

    file = manifest_file.need(options)
    desired = Desired(file, manifest_file.nodes_meant(file, options), Flags.of(options))
    with (
        Progress(verbose=options["verbose"], quiet=options["quiet"]) as progress,
        desired.links(options, ChangeTimes(), progress) as links,
    ):
        seen = desired.see(links, progress, undo=False)
    made = saved.save(desired, seen)
    if options["out"]:
        saved.write(Path(options["out"]), made)
    outcomes = [one.outcome for one in seen]
    code = worst(outcomes)
    pending = any(one.plan is not None and is_pending(one.plan) for one in outcomes)
    if code is ExitCode.DONE and pending and options["detailed_exitcode"]:
        code = ExitCode.CHANGES
    with reporting():
        show_plan(
            outcomes, code, options["output_format"], made, quiet=options["quiet"], places=desired.places()
        )
    return code
