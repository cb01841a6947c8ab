"""``--format jps``: a Cloud Scripting manifest for the platform (docs.cloudscripting.com). Pure.

Source of the syntax: the public documentation, pages "Basic Configs", "Actions", "Events", "Placeholders".
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from nginxws.environment.export.emitting import emit
from nginxws.environment.export.heading import heading
from nginxws.environment.export.jobs import AppJob, Ask, BalancerJob, apps, balancers, environment
from nginxws.environment.export.script import Knobs, comment_lines, script
from nginxws.environment.wanted import urls
from nginxws.errors import InvalidInput
from nginxws.manifest.jelastic import JelasticEntry, LayerEntry

#: What stands for the platform's own words until the text is whole.
_DOMAIN, _ADDRESS = "domain.nginxws.invalid", "address.nginxws.invalid"

_USE = """
A Cloud Scripting manifest: import it in the platform's dashboard, or name its URL to the API's install.
It makes the nodes bl and cp, deploys the application, puts the routes on the balancer, and again whenever
the balancer is scaled out or its container redeployed. The platform fills in its own domain and addresses.
Not covered: more than one application, routes that left the manifest, undo, history; the address is that of
the first application node. Where NGINX has several server blocks, the node's `server` says which one.
"""


def export(ask: Ask) -> str:
    """The manifest. Raises InvalidInput where the platform can't have the environment."""
    platform = environment(ask).jelastic
    application = _only_application(ask)
    stand_in = _with_stand_ins(ask)
    job = replace(_only_balancer(stand_in), name="bl")
    app = apps(replace(stand_in, only=None))[0]
    document = _document(ask, job, app, platform)
    text = heading(stand_in, _USE)
    head = "".join(f"# {line}".rstrip() + "\n" for line in comment_lines(text))
    whole = head + emit(document)
    if "${" in whole:
        raise InvalidInput(
            f"{application}: something of the manifest holds ${{, which begins a placeholder of the platform",
            hint="write variables without braces, as in $host",
        )
    return whole.replace(_DOMAIN, "${env.domain}").replace(_ADDRESS, "${nodes.cp[0].intIP}")


def _only_application(ask: Ask) -> str:
    if len(ask.manifest.apps) != 1:
        raise InvalidInput(
            f"the platform's manifest holds one application, and there are {len(ask.manifest.apps)}",
            hint="describe the application in [apps.NAME], and each in a manifest of its own",
        )
    return next(iter(ask.manifest.apps))


def _only_balancer(ask: Ask) -> BalancerJob:
    found = balancers(ask)
    if len(found) != 1:
        raise InvalidInput(
            f"the platform's manifest holds one layer of balancers, and {len(found)} nodes are meant",
            hint=f"say which one with --only: {', '.join(ask.manifest.nodes) or 'the manifest has no nodes'}",
        )
    return found[0]


def _with_stand_ins(ask: Ask) -> Ask:
    """The same, with the platform's domain and the application's address left open."""
    manifest = ask.manifest
    named = {name: app.model_copy(update={"address": _ADDRESS}) for name, app in manifest.apps.items()}
    outside = environment(ask).model_copy(update={"domain": _DOMAIN})
    return replace(ask, manifest=manifest.model_copy(update={"apps": named, "environment": outside}))


def _document(ask: Ask, job: BalancerJob, app: AppJob, platform: JelasticEntry | None) -> dict[str, Any]:
    archive = None if platform is None else platform.archive
    if archive is None and app.release is None:
        raise InvalidInput(
            f"{app.wanted.name} has no source: a new environment would have nothing to run",
            hint='say source = "FOLDER" and target, or archive = "https://…" in [environment.jelastic]',
        )
    restart = [] if app.wanted.restart or app.wanted.service else [_restart("cp")]
    again = [] if platform is None or platform.reload != "restart" else [_restart("bl")]
    deploy = ["deployArchive"] if archive is not None else []
    name = environment(ask).domain if platform is None else platform.env_name
    document: dict[str, Any] = {"type": "install", "name": name}
    if platform is not None and platform.region:
        document["region"] = platform.region
    document |= {
        "nodes": [_layer("bl", "nginx", platform), _layer("cp", None, platform)],
        "onInstall": [*deploy, "applyApplication", *restart, "applyRoutes", *again],
        "onAfterScaleOut [bl]": ["applyRoutes", *again],
        "onAfterRedeployContainer [bl]": ["applyRoutes", *again],
        "onAfterRedeployContainer [cp]": [*deploy, "applyApplication", *restart, "applyRoutes", *again],
        "actions": _actions(job, app, platform),
        "startPage": f"http{'s' if environment(ask).tls else ''}://{_DOMAIN}/",
        "success": "WebSockets: "
        + ", ".join(one.wss or one.ws for one in urls(_with_stand_ins(ask).manifest)),
    }
    return document


def _actions(job: BalancerJob, app: AppJob, platform: JelasticEntry | None) -> dict[str, Any]:
    own_restart = bool(app.wanted.restart or app.wanted.service)
    entry = job.entry
    if platform is not None and platform.nginx_conf and entry.nginx_conf is None:
        entry = entry.model_copy(update={"nginx_conf": platform.nginx_conf})
    restarts = platform is not None and platform.reload == "restart"
    if restarts:  # by the platform, after this: there is nothing to prove yet
        entry = entry.model_copy(update={"reload_command": ":"})
    work = script([], [app], f"The work of {app.wanted.name}.", Knobs(fill=_DOMAIN, waits=own_restart))
    edit = script(
        [replace(job, entry=entry, site=None)],
        [],
        "The work of the balancer.",
        Knobs(300, proves=not restarts),
    )
    actions: dict[str, Any] = {}
    if platform is not None and platform.archive is not None:
        file = platform.archive.partition("?")[0].rpartition("/")[2]
        actions["deployArchive"] = {
            "deploy": [
                {
                    "archive": platform.archive,
                    "name": platform.archive_name or file or "application",
                    "context": platform.context or "ROOT",
                }
            ]
        }
    actions["applyApplication"] = {"cmd [cp]": work, "sayYes": False}
    actions["applyRoutes"] = {"cmd [bl]": edit, "sayYes": False}
    return actions


def _restart(group: str) -> dict[str, Any]:
    """The group's main service again, not its containers."""
    return {"restartNodes": [{"nodeGroup": group, "reboot": False}]}


def _layer(group: str, usual: str | None, platform: JelasticEntry | None) -> dict[str, Any]:
    layer: LayerEntry | None = None
    if platform is not None:
        layer = platform.balancer if group == "bl" else platform.application
    kind = (layer.type if layer is not None else None) or usual
    if kind is None:
        raise InvalidInput(
            "the platform needs to know what kind of node runs the application",
            hint='add [environment.jelastic.application] with type = "nodejs"',
        )
    layer = layer or LayerEntry()
    return {
        "nodeType": kind,
        "nodeGroup": group,
        "count": layer.count,
        "fixedCloudlets": layer.fixed_cloudlets,
        "cloudlets": layer.cloudlets,
    }
