"""``env status``: every part looked at, nothing changed, nothing waited for."""

from __future__ import annotations

from typing import Any

from nginxws.cli import manifest_file
from nginxws.cli.desired import Desired
from nginxws.cli.env import parts
from nginxws.cli.env.changing import Sources, read_sources
from nginxws.cli.env.nodes import AppNode, Environment
from nginxws.cli.env.parts import SeenApp
from nginxws.cli.targets import ChangeTimes, Opening, target_from
from nginxws.environment.plan import AppPlan, AppSnapshot, make_app_plan
from nginxws.environment.standing import stand
from nginxws.errors import ExitCode, NginxwsError
from nginxws.nodes.prompt import ask_secret, asked_once
from nginxws.provisioning.ports import listens
from nginxws.report.env_status import AppStanding, BalancerStanding, Standing, show_standing
from nginxws.report.progress import Progress
from nginxws.report.text import reporting


def show_status(options: dict[str, Any]) -> int:
    """Look at everything; returns the exit code."""
    environment = Environment.need(options)
    if environment.provider(options):
        from nginxws.cli.env.provider import look
    else:
        look = _look_at_nodes
    with Progress(verbose=options["verbose"], quiet=options["quiet"]) as progress:
        standing = look(environment, options, progress)
        progress.pause()
    code = standing.code
    if code is ExitCode.DONE and options["detailed_exitcode"] and not standing.as_wanted:
        code = ExitCode.CHANGES
    with reporting():
        show_standing(standing, code, options["output_format"], quiet=options["quiet"])
    return code


def _look_at_nodes(environment: Environment, options: dict[str, Any], progress: Progress) -> Standing:
    sources = read_sources(environment)
    desired = Desired(environment.file, list(environment.manifest.nodes))
    opening = Opening(target_from(options), ChangeTimes(), asked_once(progress.asking(ask_secret)))

    def plan(node: AppNode, now: AppSnapshot) -> AppPlan:
        return make_app_plan(node.wanted, now, sources.get(node.wanted.name))

    found = manifest_file.opened(environment.file, desired.names, opening)
    with desired.entered(found) as links, environment.app_nodes(opening) as nodes:
        lost = parts.reach(links, nodes, 0, progress)
        there = [node for node in nodes if node.link not in lost]
        looking = parts.see_apps(there, plan, progress, undo=False, deployed=True)
        seen = desired.see([link for link in links if link not in lost], progress, undo=False)
        apps = {one.node.wanted.name: _app(one, sources) for one in looking()}
        balancers = {one.link.name: BalancerStanding(one.outcome, one.nginx, one.now) for one in seen}
    return Standing(
        environment.entry.domain,
        environment.urls,
        [apps.get(one.wanted.name) or AppStanding(one.wanted, error=lost[one.link]) for one in nodes],
        [balancers.get(one.name) or BalancerStanding.lost(one.name, lost[one]) for one in links],
    )


def _app(one: SeenApp, sources: Sources) -> AppStanding:
    wanted, now, plan = one.node.wanted, one.now, one.outcome.plan
    try:
        silent = listens(one.node.link, wanted)
    except NginxwsError as error:
        silent = error.message
    files = () if now is None else stand(wanted, now, plan, sources.get(wanted.name))
    return AppStanding(wanted, now, plan, silent, one.outcome.error, files)
