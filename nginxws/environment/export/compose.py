"""``--format compose``: NGINX and the applications as services, for `docker compose up`. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from nginxws.environment.export.emitting import emit
from nginxws.environment.export.heading import heading
from nginxws.environment.export.jobs import AppJob, Ask, BalancerJob, apps, balancers, environment, site_of
from nginxws.environment.export.quoting import word
from nginxws.environment.export.script import comment_lines, site_text
from nginxws.errors import InvalidInput
from nginxws.manifest.model import Manifest
from nginxws.manifest.wanted import routes_for
from nginxws.plan import Put
from nginxws.planner import make_plan
from nginxws.snapshot import FileState, NginxInfo, Snapshot

IMAGE = "nginx:stable"
SITE = "/etc/nginx/conf.d/default.conf"
_MAIN = b"events {}\nhttp {\n    include /etc/nginx/conf.d/*.conf;\n}\n"
_ARCHIVES = (".tar", ".tgz", ".zip", ".gz", ".bz2", ".xz")

_USE = """
docker compose up --detach --wait, beside nginxws.toml. After a change: the same again; `docker compose exec
{name} nginx -s reload` instead keeps open WebSockets where only the configuration changed.
{name} is healthy when a real WebSocket handshake through it succeeds.
Not covered: TLS (end it in front of {name}), certificates of TLS backends, releases and undo.
"""


def export(ask: Ask) -> str:
    """The compose file. Raises InvalidInput where an application can't be a container."""
    ask = replace(ask, manifest=_by_service_name(ask.manifest))
    balancer = _only_balancer(ask)
    applications = apps(replace(ask, only=None))
    configs: dict[str, Any] = {f"{balancer.name}_site": {"content": _literal(site(ask, balancer.name))}}
    services: dict[str, Any] = {
        balancer.name: _nginx(ask, balancer, [job.wanted.name for job in applications])
    }
    for job in applications:
        services[job.wanted.name] = _service(ask, job, configs)
    text = heading(ask, _USE.format(name=balancer.name))
    head = "".join(f"# {line}".rstrip() + "\n" for line in comment_lines(text))
    return head + emit({"services": services, "configs": configs})


def _by_service_name(manifest: Manifest) -> Manifest:
    """The manifest in which every application is reached by its name: so do services of a compose file."""
    named = {name: app.model_copy(update={"address": name}) for name, app in manifest.apps.items()}
    return manifest.model_copy(update={"apps": named})


def _only_balancer(ask: Ask) -> BalancerJob:
    found = balancers(ask)
    if len(found) != 1:
        raise InvalidInput(
            f"a compose file holds one balancer, and {len(found)} are meant",
            hint=f"say which one with --only: {', '.join(ask.manifest.nodes) or 'the manifest has no nodes'}",
        )
    return found[0]


def site(ask: Ask, name: str) -> str:
    """The whole site file, with its managed blocks: as `nginxws add-route` would have made it."""
    entry = ask.manifest.nodes[name]
    bare = site_text(*site_of(ask, entry)) + "\n"
    conf = "/etc/nginx/nginx.conf"
    states = (FileState(conf, conf, _MAIN), FileState(SITE, SITE, bare.encode()))
    puts = [
        Put(
            wanted.route,
            templates=None if wanted.options.templates is None else ask.folder / wanted.options.templates,
        )
        for wanted in routes_for(ask.manifest, name)
    ]
    plan = make_plan(Snapshot(name, NginxInfo(conf=conf, main=conf), states), puts)
    return next((file.after for file in plan.files if file.path == SITE), bare.encode()).decode()


def _nginx(ask: Ask, job: BalancerJob, applications: list[str]) -> dict[str, Any]:
    port = site_of(ask, job.entry)[1]
    outside = "" if environment(ask).tls else environment(ask).domain.rpartition(":")[2]
    published = outside if outside.isdigit() else "80"
    service: dict[str, Any] = {
        "image": IMAGE,
        "restart": "unless-stopped",
        "ports": [f"{published}:{port}"],
        "configs": [{"source": f"{job.name}_site", "target": SITE}],
    }
    if applications:
        service["depends_on"] = applications
    tests = list(_health(job, port, site_of(ask, job.entry)[0]))
    if tests:
        service["healthcheck"] = {
            "test": ["CMD", "sh", "-c", _literal(" && ".join(tests))],
            "interval": "10s",
            "timeout": "10s",
            "retries": 6,
        }
    return service


def _health(job: BalancerJob, port: int, name: str) -> Iterator[str]:
    """A handshake for each route; the time limit ends an accepted one, which is no failure."""
    for one in job.routes:
        proof = one.proof
        if proof is None or not proof.must:
            continue
        extra = [f"-H {word(f'{key}: {value}')}" for key, value in proof.headers]
        head = "curl --http1.1 -gs -D - -o /dev/null --max-time 2 -H 'Connection: Upgrade'"
        key = "-H 'Upgrade: websocket' "
        key += "-H 'Sec-WebSocket-Version: 13' -H 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='"
        host = f"-H {word(f'Host: {proof.host or name}')}"
        url = word(f"http://127.0.0.1:{port}{proof.path}")
        yield " ".join([head, key, host, *extra, url, f"| head -n 1 | grep -q ' {proof.expected} '"])


def _service(ask: Ask, job: AppJob, configs: dict[str, Any]) -> dict[str, Any]:
    wanted = job.wanted
    if wanted.name not in ask.images:
        raise InvalidInput(
            f"{wanted.name} needs a container image", hint=f"name it: --image {wanted.name}=IMAGE"
        )
    if job.on_node:
        raise InvalidInput(
            f"{wanted.name}: {job.on_node[0].file} is inside the image, where it can't be edited",
            hint="deploy the file with the application's source",
        )
    service: dict[str, Any] = {"image": ask.images[wanted.name], "restart": "unless-stopped"}
    if wanted.name in ask.commands:
        service["command"] = ["sh", "-c", _literal(ask.commands[wanted.name])]
    service["expose"] = [str(wanted.port)]
    if job.release is None:
        return service
    assert wanted.source is not None
    assert wanted.target is not None
    if wanted.source.endswith(_ARCHIVES):
        raise InvalidInput(
            f"{wanted.name}: a compose file can't mount the archive {wanted.source}",
            hint="unpack it into a folder",
        )
    below = f"{wanted.target}/current"
    source = wanted.source if wanted.source.startswith("/") else f"./{wanted.source}"
    service["working_dir"] = below
    service["volumes"] = [{"type": "bind", "source": _literal(source), "target": below, "read_only": True}]
    service["configs"] = list(_mounted(job, configs))
    return service


def _mounted(job: AppJob, configs: dict[str, Any]) -> Iterator[dict[str, str]]:
    """The files that hold an address, over those of the source."""
    for number, path in enumerate(job.places):
        name = f"{job.wanted.name}_{number}"
        try:
            configs[name] = {"content": _literal(job.data(path).decode())}
        except UnicodeDecodeError as error:
            raise InvalidInput(
                f"{job.wanted.name}: {path} isn't UTF-8 text, so it can't stand in a compose file",
                hint="put the address into a text file",
            ) from error
        yield {"source": name, "target": f"{job.wanted.target}/current/{path}"}


def _literal(text: str) -> str:
    """The text as compose leaves it alone: a dollar sign would begin a variable."""
    return text.replace("$", "$$")
