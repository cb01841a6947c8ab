"""From settings to an environment that runs, with its application and its routes, and back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from nginxws.errors import ConnectionFailed, DriftError, InvalidInput, NginxwsError, NodeError, RouteConflict
from nginxws.plan import NodePlan, Put
from nginxws.planner import make_whole_plan
from nginxws.providers.jelastic.balancer import Balancer
from nginxws.providers.jelastic.calls import Platform
from nginxws.providers.jelastic.change import Change, OnStep
from nginxws.providers.jelastic.http import Api, NoAnswer, Refused
from nginxws.providers.jelastic.proof import Failed, Proofs, may_be_unread, prove
from nginxws.providers.jelastic.settings import Archive, Environment, Outlook, Result, Settings, Wanted
from nginxws.providers.jelastic.token import VARIABLE, find_token
from nginxws.providers.jelastic.waiting import RUNNING, until_running
from nginxws.proving import policy_of

#: The steps that ``on_step`` is told of.
STEPS: Final = ("look", "create", "wait", "deploy", "read", "write", "reload", "restart", "probe", "restore")
#: Says on an application node which archive it has; in its user's home, so that a rebuilt node has none.
_MARKER: Final = '"$HOME"/.nginxws-deployed'


def _quiet(_step: str, _words: str) -> None:
    """Nobody wants to know."""


def bring_up(settings: Settings, wanted: Wanted, *, on_step: OnStep = _quiet) -> Result:
    """Make the environment what is wanted, and prove it. What is so already is left alone.

    Created if the account doesn't have it, then waited for; the archive deployed unless the nodes have it;
    the balancer's managed routes made the wanted ones, by an edit that keeps every other byte; reloaded only
    after a write. Errors: see the package. An environment that was made stays, whatever fails after that.
    """
    platform = _platform(settings)
    on_step("look", settings.env_name)
    created = _create(platform, settings, wanted, on_step)
    with _staying("the environment was created, and stays" if created else ""):
        environment = until_running(platform, settings.wait, settings.patience.poll, on_step)
        deployed = _deploy(platform, settings, on_step)
    done = Result(environment, created=created, deployed=deployed)
    if wanted.routes is None:
        return done
    with _staying("the application was deployed, and stays" if deployed else ""):
        return _route(platform, settings, wanted, done, on_step)


def plan(settings: Settings, wanted: Wanted, *, on_step: OnStep = _quiet) -> Outlook:
    """What `bring_up` would do. Changes nothing. Raises as it does before it changes anything."""
    platform = _platform(settings)
    on_step("look", settings.env_name)
    if not platform.exists():
        return Outlook(settings.env_name, True, settings.archive is not None, None)
    environment = platform.environment()
    if environment.status != RUNNING:
        return Outlook(settings.env_name, False, settings.archive is not None, None)
    deploys = settings.archive is not None and not _has(platform, *_application(settings, settings.archive))
    if wanted.routes is None:
        return Outlook(settings.env_name, False, deploys, None)
    _balancer, planned = _planned(platform, settings, wanted.routes(environment), on_step)
    return Outlook(settings.env_name, False, deploys, planned)


def take_down(settings: Settings, wanted: Wanted, *, on_step: OnStep = _quiet) -> Result:
    """Take our routes out of the balancer: its files are as if they had never been there.

    The environment and what was deployed stay: nginxws deletes nothing that holds data. Raises as `bring_up`.
    """
    platform = _platform(settings)
    on_step("look", settings.env_name)
    if not platform.exists():
        gone = Environment(settings.env_name, wanted.domain, 0)
        return Result(gone, notes=("there is no such environment",))
    environment = until_running(platform, settings.wait, settings.patience.poll, on_step)
    balancer, planned = _planned(platform, settings, (), on_step)
    stays = "the environment and its application stay: delete them on the dashboard"
    done = Result(environment, balancer=planned, notes=(stays,))
    if not planned.files:
        return done
    change = Change(balancer, settings, planned, on_step)
    change.carry_out(lambda: None)
    return replace(done, reloaded=settings.reload, notes=(*change.notes, stays))


def _platform(settings: Settings) -> Platform:
    token = settings.token or find_token(settings.hoster, settings.token_variable or VARIABLE)
    return Platform(Api(settings.base, token, settings.patience), settings.env_name, settings.hoster)


@contextmanager
def _staying(what: str) -> Iterator[None]:
    """Errors that come through say what was done and isn't undone."""
    try:
        yield
    except NginxwsError as error:
        if what:
            error.message = f"{error.message} ({what})"
        raise


# --- the environment ----------------------------------------------------------------------------


def _create(platform: Platform, settings: Settings, wanted: Wanted, on_step: OnStep) -> bool:
    """Make the environment unless it is there; whether it was made.

    When no answer comes the account is looked at: a platform that is slow may have begun. Only where
    nothing appears it is asked once more; a second environment of the name can't come of that.
    """
    if platform.exists():
        return False
    layers = [settings.balancer, *((settings.application,) if settings.application is not None else ())]
    lacking = next((layer.group for layer in layers if layer.type is None), None)
    if lacking is not None:
        raise InvalidInput(
            f"there is no environment {settings.env_name}, and none can be made: "
            f"the node type of the group {lacking} isn't said",
            hint='say it like type = "nginx"; the dashboard and the API (GetTemplates) name them',
        )
    on_step("create", settings.env_name)
    _ask_for(platform, lambda: platform.create_environment(layers, region=settings.region, tls=wanted.tls))
    return True


def _ask_for(platform: Platform, create: Callable[[], None]) -> None:
    """Create, at most twice, and only where the first call's effect can't be seen."""
    try:
        create()
    except NoAnswer:
        if _appears(platform):
            return
        try:
            create()
        except (NoAnswer, Refused):  # the first may have been heard after all
            if not _appears(platform):
                raise


def _appears(platform: Platform) -> bool:
    """Whether the environment shows up in the account, within the pauses of one call."""
    api = platform.api
    for pause in (0.0, *api.patience.pauses()):
        api.sleep(pause)
        if platform.exists():
            return True
    return False


# --- the application ----------------------------------------------------------------------------


def _application(settings: Settings, archive: Archive) -> tuple[str, str]:
    """The group that is deployed to, and the archive's digest, which its marker holds."""
    if settings.application is None:
        raise InvalidInput(
            "there is an archive and no group of nodes for it", hint="add the application's group"
        )
    told = json.dumps([archive.url, archive.name, archive.context])
    return settings.application.group, hashlib.sha256(told.encode()).hexdigest()


def _has(platform: Platform, group: str, digest: str) -> bool:
    """Whether every node of the group has the archive."""
    ran = platform.run(group, f"cat {_MARKER}")
    return all(one.status == 0 and one.output.strip() == digest for one in ran)


def _deploy(platform: Platform, settings: Settings, on_step: OnStep) -> bool:
    """Have the archive deployed, unless it is; whether it was."""
    archive = settings.archive
    if archive is None:
        return False
    group, digest = _application(settings, archive)
    if _has(platform, group, digest):
        return False
    on_step("deploy", archive.name)
    try:
        platform.deploy(archive, group)
    except NoAnswer as error:
        raise ConnectionFailed(
            f"{error.message}: whether the application was deployed isn't known",
            hint="run the command again when the platform answers: it deploys anew",
        ) from error
    ran = platform.run(group, f"umask 077; printf '%s\\n' {digest} >{_MARKER}")
    if any(one.status != 0 for one in ran):
        raise NodeError(
            f"the application was deployed, and that can't be noted on the nodes of the group {group}",
            hint="is the login user's home writable there? until then each run deploys anew",
        )
    return True


# --- the balancer -------------------------------------------------------------------------------


def _planned(
    platform: Platform, settings: Settings, routes: Sequence[Put], on_step: OnStep
) -> tuple[Balancer, NodePlan]:
    """The balancer as it is, and what would make its managed routes the wanted ones."""
    balancer = Balancer(platform, settings.balancer.group, settings.nginx_conf)
    on_step("read", settings.balancer.group)
    planned = make_whole_plan(balancer.snapshot(), routes)
    for change in planned.blocked:
        kind = DriftError if change.action == "drift" else RouteConflict
        raise kind(
            f"{change.route}: {change.note}",
            node=planned.node,
            hint=f"look at {change.where}; nothing was written to the balancer",
        )
    return balancer, planned


def _route(platform: Platform, settings: Settings, wanted: Wanted, done: Result, on_step: OnStep) -> Result:
    """The balancer's part of a run."""
    assert wanted.routes is not None
    routes = wanted.routes(done.environment)
    balancer, planned = _planned(platform, settings, routes, on_step)
    change = Change(balancer, settings, planned, on_step)
    proofs: list[Proofs] = []
    points = (*planned.probes, *planned.standing)
    if planned.files:
        change.carry_out(lambda: proofs.append(prove(wanted, points, on_step)))
        reloaded = settings.reload
        done = replace(done, reloaded=reloaded)
    else:
        done = _stand(change, wanted, done, proofs, on_step)
    found = tuple(one for proof in proofs for one in proof)
    notes = [*change.notes, *(f"{route}: {result.message}" for route, result in found if not result.ok)]
    if any(policy_of(wanted.policies, point).mode == "off" for point in points):
        notes.append("not every route was proved: its probe is off")
    return replace(done, balancer=planned, proofs=found, notes=tuple(notes))


def _stand(change: Change, wanted: Wanted, done: Result, proofs: list[Proofs], on_step: OnStep) -> Result:
    """Prove routes that are there already. A run that was cut off may have left NGINX without its reload.

    So a balancer that answers as if it didn't know the route is reloaded, once; never restarted.
    """
    points = change.plan.standing
    try:
        proofs.append(prove(wanted, points, on_step))
    except Failed as failed:
        if change.settings.reload != "reload" or not may_be_unread(failed.result):
            raise
        change.look_at_workers()
        change.reload()
        proofs.append(prove(wanted, points, on_step))
        return replace(done, reloaded="reload")
    return done
