"""From the manifest to what a platform's API is asked for: settings, applications, routes."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from nginxws.cli import manifest_file
from nginxws.cli.desired import Desired, Flags
from nginxws.cli.env.nodes import Environment
from nginxws.cli.parameters import said
from nginxws.errors import InvalidInput, NodeError
from nginxws.manifest.environment import AppEntry
from nginxws.manifest.fields import APP_BACKEND
from nginxws.manifest.jelastic import JelasticEntry, LayerEntry
from nginxws.manifest.model import Manifest, NodeEntry
from nginxws.manifest.wanted import routes_for
from nginxws.nodes.options import ProbePolicy
from nginxws.plan import Put
from nginxws.providers import jelastic
from nginxws.providers.jelastic import Archive, Layer, Patience, Settings, Wanted

#: How long calls and waits between looks may be.
PATIENCE = Patience()
#: Options that mean something over SSH alone.
_OVER_SSH = (
    *("install", "reload_command", "max_draining", "inventory", "sudo", "ask_sudo_password"),
    *("sudo_password_fd", "home", "nginx_bin", "state_dir", "message"),
)
_STAND_IN = "localhost"
#: Keys of an application that mean nothing to the platform's API: what is wrong with them, and the way out.
_NOT_THERE = {
    "source": (
        "the platform fetches the application itself: it can't be sent a source",
        "take it out, and put the archive's URL into archive of [environment.jelastic]",
    ),
    "ssh": ("the platform makes this node", "take it out"),
    "address": ("the platform tells this address", "take it out; a backend elsewhere is written HOST:PORT"),
    "sudo": ("the platform's API works as the nodes' login user", "take it out"),
    "state_dir": ("the platform's nodes have no such folder", "take it out"),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What the platform is asked for; ``balancer`` is what the report calls its nodes."""

    settings: Settings
    wanted: Wanted
    balancer: str


def ask_for(environment: Environment, options: dict[str, Any], *, down: bool = False) -> Asked:
    """What the manifest and the options want of the platform.

    Raises ManifestError and InvalidInput for what its API can't do, before anything is asked.
    """
    entry = environment.entry.jelastic
    if entry is None:
        raise environment.file.error(
            ("environment",),
            "--provider jelastic needs [environment.jelastic]",
            'add it, with hoster = "platform.example" and env_name = "chat"',
        )
    _refuse_options(options)
    _refuse(environment, entry)
    settings = _settings(entry, options)
    routing = _Routing(environment, settings, Flags.of(options))
    wanted = Wanted(
        domain=environment.entry.domain,
        routes=(lambda _env: routing.puts([_STAND_IN])) if down else routing.of,
        tls=environment.entry.tls,
        connect=environment.entry.connect,
        policies=ProbePolicy("off") if down else routing.policies(),
        apps=environment.apps,
    )
    return Asked(settings, wanted, settings.balancer.group)


def _refuse_options(options: dict[str, Any]) -> None:
    for name in _OVER_SSH:
        if name in options and said(name):
            raise InvalidInput(
                f"--{name.replace('_', '-')} isn't possible through the platform's API",
                hint="leave it out, or use the nodes over SSH: --provider none",
            )


def _refuse(environment: Environment, entry: JelasticEntry) -> None:
    """What would be ignored, or can't be done."""
    manifest, error = environment.manifest, environment.file.error
    if manifest.nodes:
        raise error(
            ("nodes", next(iter(manifest.nodes))),
            "the platform makes the balancer: with a provider there are no [nodes]",
            "take them out, or use nodes through its SSH gate, with --provider none",
        )
    for name, app in manifest.apps.items():
        key = next((key for key in _NOT_THERE if getattr(app, key)), None)
        if key is not None:
            raise error(("apps", name, key), *_NOT_THERE[key])
        if entry.application is None:
            raise error(
                ("apps", name),
                f"nothing says on which nodes {name} runs",
                'add [environment.jelastic.application], with type = "nodejs" or another of its node types',
            )


def _settings(entry: JelasticEntry, options: dict[str, Any]) -> Settings:
    usual = Settings(hoster=entry.hoster, env_name=entry.env_name)
    wait = options.get("wait") or entry.wait
    made = Settings(
        hoster=entry.hoster,
        env_name=entry.env_name,
        balancer=_layer(entry.balancer, usual.balancer),
        application=None if entry.application is None else _layer(entry.application, Layer("cp")),
        archive=_archive(entry),
        region=entry.region,
        api=entry.api,
        nginx_conf=options.get("nginx_conf") or entry.nginx_conf or usual.nginx_conf,
        reload=entry.reload or usual.reload,
        wait=wait or usual.wait,
        token_variable=entry.token_env,
        patience=PATIENCE,
    )
    timeout = options.get("reload_timeout")
    return made if timeout is None else replace(made, reload_timeout=timeout)


def _layer(entry: LayerEntry, usual: Layer) -> Layer:
    return Layer(
        entry.group or usual.group,
        entry.type or usual.type,
        entry.count,
        entry.fixed_cloudlets,
        entry.cloudlets,
    )


def _archive(entry: JelasticEntry) -> Archive | None:
    if entry.archive is None:
        return None
    usual = Archive(entry.archive)
    name = entry.archive_name or posixpath.basename(urlsplit(entry.archive).path) or usual.name
    return Archive(entry.archive, name, entry.context or usual.context)


@dataclass(frozen=True, slots=True)
class _Routing:
    """The manifest's routes, all of them for the one balancer."""

    environment: Environment
    settings: Settings
    flags: Flags

    def of(self, environment: jelastic.Environment) -> Sequence[Put]:
        """The routes, once it is known where the applications are. Raises NodeError where they aren't."""
        group = "" if self.settings.application is None else self.settings.application.group
        addresses = [one for one in environment.addresses(group) if one]
        if not addresses and self.environment.apps:
            raise NodeError(
                f"the environment has no node of the group {group} with an address",
                hint="is it the application's group? the dashboard shows the groups",
            )
        return self.puts(addresses or [_STAND_IN])

    def puts(self, addresses: Sequence[str]) -> Sequence[Put]:
        """The routes with these addresses for the application's nodes."""
        file = replace(self.environment.file, manifest=self._manifest(addresses))
        routes = routes_for(file.manifest, self.settings.balancer.group)
        return [manifest_file.put_for(file, one, **self.flags.as_dict()) for one in routes]

    def policies(self) -> Any:
        """How they are proved."""
        group = self.settings.balancer.group
        file = replace(self.environment.file, manifest=self._manifest([_STAND_IN]))
        return Desired(file, [group]).policies()[group]

    def _manifest(self, addresses: Sequence[str]) -> Manifest:
        manifest = self.environment.manifest
        routes = (
            one.model_copy(
                update={"backends": tuple(_spread(manifest.apps, one.backends, addresses)), "nodes": None}
            )
            for one in manifest.routes
        )
        nodes = {self.settings.balancer.group: NodeEntry()}
        return manifest.model_copy(update={"routes": tuple(routes), "nodes": nodes})


def _spread(apps: dict[str, AppEntry], backends: Sequence[str], addresses: Sequence[str]) -> list[str]:
    """Backends with ``app:NAME`` replaced by the application's port on each node that runs it."""
    found = []
    for backend in backends:
        match = APP_BACKEND.match(backend)
        app = apps.get(match[1]) if match is not None else None
        if match is None or app is None:
            found.append(backend)
            continue
        found += [f"{_host(one)}:{app.port}{backend[match.end() :]}" for one in addresses]
    return found


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address
