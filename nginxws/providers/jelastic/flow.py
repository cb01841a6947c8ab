"""From settings to an environment that runs, with its application and its routes, and back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from nginxws.environment.plan import AppPlan
from nginxws.errors import DriftError, Interrupted, NginxwsError, RouteConflict, StaleError
from nginxws.plan import Drop, NodePlan, Put
from nginxws.planner import make_plan, make_whole_plan
from nginxws.providers.jelastic.application import Applications
from nginxws.providers.jelastic.balancer import Balancer
from nginxws.providers.jelastic.calls import Platform
from nginxws.providers.jelastic.change import Change, OnStep
from nginxws.providers.jelastic.creating import application, create, deploy, has
from nginxws.providers.jelastic.http import Api
from nginxws.providers.jelastic.proof import Proofs, Unproved, may_be_unread, prove
from nginxws.providers.jelastic.settings import Environment, Outlook, Result, Settings, Wanted
from nginxws.providers.jelastic.token import VARIABLE, find_token
from nginxws.providers.jelastic.waiting import RUNNING, until_running
from nginxws.proving import policy_of
from nginxws.snapshot import Snapshot

#: The steps that ``on_step`` is told of.
STEPS: Final = (
    *("look", "create", "created", "wait", "deploy", "deployed", "up", "read"),
    *("write", "reload", "restart", "probe", "restore"),
)


def _quiet(_step: str, _words: str) -> None:
    """Nobody wants to know."""


def bring_up(
    settings: Settings, wanted: Wanted, *, on_step: OnStep = _quiet, agreed: Outlook | None = None
) -> Result:
    """Make the environment what is wanted, and prove it. What is so already is left alone.

    Created if the account doesn't have it, then waited for; the archive deployed unless the nodes have it;
    the address in the applications' files made the wanted one, and they restarted if it wasn't; the
    balancer's managed routes made the wanted ones, by an edit that keeps every other byte; reloaded only
    after a write. ``agreed`` is what somebody said yes to: StaleError if it would be something else by now.
    Errors: see the package. An environment that was made, and what was deployed, stays whatever fails then.
    """
    platform = _platform(settings)
    on_step("look", settings.env_name)
    created = create(platform, settings, wanted, on_step)
    with _staying("the environment was created, and stays" if created else ""):
        environment = until_running(platform, settings.wait, settings.patience.poll, on_step)
        deployed = deploy(platform, settings, on_step)
    done = Result(environment, created=created, deployed=deployed)
    with _staying("the application was deployed, and stays" if deployed else ""):
        apps = _applications(platform, settings, wanted, on_step)
        if deployed:
            apps.await_ports(wanted.apps)
        apps.plan()
        return _carry_out(apps, wanted, replace(done, apps=apps.plans), agreed)


def plan(settings: Settings, wanted: Wanted, *, down: bool = False, on_step: OnStep = _quiet) -> Outlook:
    """What `bring_up` would do, or with ``down`` `take_down`. Changes nothing; raises as they do."""
    platform = _platform(settings)
    on_step("look", settings.env_name)
    deploys = settings.archive is not None and not down
    if not platform.exists():
        return Outlook(settings.env_name, not down, deploys, None)
    environment = platform.environment()
    found = Outlook(settings.env_name, False, deploys, None, environment=environment)
    if environment.status != RUNNING:
        return found
    if settings.archive is not None and not down:
        found = replace(found, deploys=not has(platform, *application(settings, settings.archive)))
    apps = _applications(platform, settings, wanted, on_step)
    if not found.deploys:
        apps.plan(down=down)
    found = replace(found, apps=apps.plans, listening=apps.listening())
    if wanted.routes is None:
        return found
    balancer, now, planned = _planned(apps, wanted, environment, down=down)
    workers = dict.fromkeys(balancer.workers()[0], False)
    return replace(found, balancer=planned, now=replace(now, workers=workers))


def take_down(
    settings: Settings, wanted: Wanted, *, on_step: OnStep = _quiet, agreed: Outlook | None = None
) -> Result:
    """Take our part back: the routes out of the balancer, our addresses out of the applications' files.

    All of these files are as if nginxws had never been there. The environment and what was deployed stay:
    nginxws deletes nothing that holds data. Raises as `bring_up`.
    """
    platform = _platform(settings)
    on_step("look", settings.env_name)
    if not platform.exists():
        gone = Environment(settings.env_name, wanted.domain, 0)
        return Result(gone, notes=("there is no such environment",))
    environment = until_running(platform, settings.wait, settings.patience.poll, on_step)
    apps = _applications(platform, settings, wanted, on_step)
    apps.plan(down=True)
    balancer, _now, planned = _planned(apps, wanted, environment, down=True)
    _as_agreed(agreed, apps.plans, planned)
    stays = "the environment and its application stay: delete them on the dashboard"
    done = Result(environment, balancer=planned, notes=(stays,), apps=apps.plans)
    with apps.changed(down=True):
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
    except KeyboardInterrupt:
        raise Interrupted(
            f"interrupted{f' ({what})' if what else ''}", hint="running the command again goes on from there"
        ) from None


def _applications(platform: Platform, settings: Settings, wanted: Wanted, on_step: OnStep) -> Applications:
    group = settings.application.group if settings.application is not None else ""
    return Applications(platform, group, wanted.apps, settings, on_step)


def _as_agreed(agreed: Outlook | None, apps: Sequence[AppPlan], balancer: NodePlan | None) -> None:
    """Raise StaleError unless this is what was agreed to, as far as that was known."""
    if agreed is None:
        return
    same_apps = not agreed.apps or [one.diff for one in agreed.apps] == [one.diff for one in apps]
    same_balancer = agreed.balancer is None or balancer is None or agreed.balancer.diff == balancer.diff
    if not (same_apps and same_balancer):
        raise StaleError("the nodes changed since the plan was shown", hint="run the command again")


# --- the balancer -------------------------------------------------------------------------------


def _planned(
    apps: Applications, wanted: Wanted, environment: Environment, *, down: bool
) -> tuple[Balancer, Snapshot, NodePlan]:
    """The balancer, as it is, and what would make its managed routes the wanted ones, or take those out."""
    settings = apps.settings
    balancer = Balancer(apps.platform, settings.balancer.group, settings.nginx_conf)
    apps.on_step("read", settings.balancer.group)
    routes = wanted.routes(environment) if wanted.routes is not None else ()
    now = balancer.snapshot()
    planned = _make(now, routes, down=down)
    for change in planned.blocked:
        kind = DriftError if change.action == "drift" else RouteConflict
        raise kind(
            f"{change.route}: {change.note}",
            node=planned.node,
            hint=f"look at {change.where}; nothing was written to the balancer",
        )
    return balancer, now, planned


def _make(now: Snapshot, routes: Sequence[Put], *, down: bool) -> NodePlan:
    if not down:
        return make_whole_plan(now, routes, overwrite_drift=any(one.overwrite_drift for one in routes))
    return make_plan(
        now, [Drop(one.route.path, one.overwrite_drift, one.server, managed_only=True) for one in routes]
    )


def _carry_out(apps: Applications, wanted: Wanted, done: Result, agreed: Outlook | None) -> Result:
    """Applications, then the balancer, which is planned for before anything is written; all or nothing."""
    if wanted.routes is None:
        _as_agreed(agreed, apps.plans, None)
        with apps.changed():
            return done
    balancer, _now, planned = _planned(apps, wanted, done.environment, down=False)
    _as_agreed(agreed, apps.plans, planned)
    with apps.changed():
        return _route(Change(balancer, apps.settings, planned, apps.on_step), wanted, done, apps.on_step)


def _route(change: Change, wanted: Wanted, done: Result, on_step: OnStep) -> Result:
    """The balancer's part of a run."""
    planned = change.plan
    proofs: list[Proofs] = []
    points = (*planned.probes, *planned.standing)
    if planned.files:
        change.carry_out(lambda: proofs.append(prove(wanted, points, on_step)))
        done = replace(done, reloaded=change.settings.reload)
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
    except Unproved as failed:
        if change.settings.reload != "reload" or not may_be_unread(failed.result):
            raise
        change.look_at_workers()
        change.reload()
        proofs.append(prove(wanted, points, on_step))
        return replace(done, reloaded="reload")
    return done
