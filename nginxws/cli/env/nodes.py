"""The manifest's environment: its applications as links, and its addresses to be proved."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from nginxws.cli import manifest_file
from nginxws.cli.manifest_file import ManifestFile
from nginxws.cli.parameters import said
from nginxws.cli.targets import Opening, TargetOptions, who_am_i
from nginxws.environment.wanted import Url, WantedApp, urls, wanted_apps
from nginxws.errors import InvalidInput
from nginxws.nodes.link import NodeLink
from nginxws.nodes.provision.options import AppOptions

if TYPE_CHECKING:
    from nginxws.manifest.environment import AppEntry, EnvironmentEntry
    from nginxws.manifest.model import Manifest
    from nginxws.nodes.options import ProbePolicy
    from nginxws.nodes.provision.install import Site
    from nginxws.plan import ProbePoint
    from nginxws.provisioning.outside import Address

#: Seconds to wait for SSH where nobody says.
WAIT = 120
#: Seconds that a node may need for its own part, besides the times that it is told.
_WORK = 60


@dataclass(frozen=True, slots=True)
class AppNode:
    """An application, and the link to the node that runs it."""

    wanted: WantedApp
    link: NodeLink
    options: AppOptions


@dataclass(frozen=True, slots=True)
class Environment:
    """A manifest with an environment."""

    file: ManifestFile
    entry: EnvironmentEntry
    apps: tuple[WantedApp, ...]

    @classmethod
    def need(cls, options: dict[str, Any]) -> Environment:
        """The manifest's environment. Raises NginxwsError where there is no manifest, or none in it."""
        file = manifest_file.need(options)
        entry = file.manifest.environment
        if entry is None:
            raise file.error(
                ("environment",),
                "there is no [environment]",
                'add one, with the name that browsers use: domain = "chat.example.com"',
            )
        return cls(file, entry, wanted_apps(file.manifest))

    @property
    def manifest(self) -> Manifest:
        """What the file says."""
        return self.file.manifest

    @property
    def urls(self) -> tuple[Url, ...]:
        """Where its routes are reached."""
        return urls(self.manifest)

    def wait(self, options: dict[str, Any]) -> int:
        """Seconds to wait for SSH: the command line's, else the manifest's, else two minutes."""
        given: int | None = options.get("wait")
        if given is not None:
            return given
        return WAIT if self.entry.wait is None else self.entry.wait

    def provider(self, options: dict[str, Any]) -> bool:
        """Whether a platform makes the nodes: the command line says so, else the manifest."""
        given: str | None = options.get("provider")
        return given == "jelastic" if given is not None else self.entry.provider is not None

    @property
    def connect(self) -> tuple[str, int] | None:
        """Where the domain is reached from here, None for where DNS says."""
        from nginxws.nodes.probe.types import split_host

        if self.entry.connect is None:
            return None
        host, port = split_host(self.entry.connect)
        return host, port or (443 if self.entry.tls else 80)

    @property
    def site(self) -> Site:
        """The server block of an NGINX that was just installed."""
        from nginxws.nodes.probe.types import split_host
        from nginxws.nodes.provision.install import Site

        host, port = split_host(self.entry.domain)
        return Site(host, 80 if port is None else port)

    def install_link(self, name: str, opening: Opening) -> NodeLink:
        """A further link to a balancer, for what installs NGINX there."""
        from nginxws.manifest.wanted import target
        from nginxws.nodes.script import provision

        entry = self.manifest.nodes[name]
        line = replace(opening.said, sudo=opening.said.sudo if said("sudo") else entry.sudo)
        line = replace(line, identity=self.file.identity(name))
        return opening.link(name, target(name, entry), line, "", provision.script)

    @contextlib.contextmanager
    def app_nodes(self, opening: Opening) -> Iterator[list[AppNode]]:
        """Every application with its link, hung up at the end; none is connected yet."""
        from nginxws.manifest.wanted import target
        from nginxws.nodes.script import provision

        found = []
        with contextlib.ExitStack() as stack:
            for wanted in self.apps:
                entry = self.manifest.apps[wanted.name]
                line = _over(opening.said, entry)
                try:
                    link = opening.link(wanted.name, target(wanted.name, entry), line, "", provision.script)
                    options = self._options(wanted, line, opening)
                except InvalidInput as error:
                    opening.link(wanted.name, "local", opening.said)  # raises if it is the command line's own
                    raise self.file.error(("apps", wanted.name), error.message, error.hint) from error
                found.append(AppNode(wanted, stack.enter_context(link), options))
            yield found

    def _options(self, wanted: WantedApp, line: TargetOptions, opening: Opening) -> AppOptions:
        times = opening.times
        return AppOptions.of(
            wanted,
            state_dir=line.state_dir,
            who=who_am_i(),
            message=times.message,
            lock_timeout=times.lock_timeout,
            confirm_timeout=self._longest(opening),
            ignore_editors=times.ignore_editors,
        )

    def _longest(self, opening: Opening) -> int:
        """Seconds that an application may be held: all that the others take, one after the other."""
        times = opening.times
        a_node = times.lock_timeout + 4 * times.reload_timeout + times.confirm_timeout + _WORK
        apps = sum(one.ready_timeout + times.lock_timeout + 2 * _WORK for one in self.apps)
        return times.confirm_timeout + apps + len(self.manifest.nodes) * a_node

    def addresses(self, policies: Mapping[str, Callable[[ProbePoint], ProbePolicy]]) -> Sequence[Address]:
        """The addresses to try from here: those that `env url` prints, but for routes that aren't proved."""
        from nginxws.environment.wanted import written_address
        from nginxws.manifest.wanted import routes_for
        from nginxws.plan import ProbePoint
        from nginxws.provisioning.outside import Address

        paths = {one.path for one in self.urls}
        found: dict[str, Address] = {}
        for node, policy_for in policies.items():
            for one in routes_for(self.manifest, node):
                path = one.route.path
                policy = policy_for(ProbePoint(path, path, None, server=one.server))
                tried = policy.path or path
                if policy.mode != "off" and not paths.isdisjoint({path, tried.partition("?")[0]}):
                    url = written_address(self.manifest, tried)
                    found.setdefault(url, Address(url, path, policy))
        return list(found.values())


def _over(line: TargetOptions, entry: AppEntry) -> TargetOptions:
    """What the command line says, and for the rest the application's entry; nothing of NGINX."""
    return replace(
        line,
        sudo=line.sudo if said("sudo") else entry.sudo,
        home="",
        nginx_conf="",
        nginx_bin="",
        state_dir=line.state_dir or entry.state_dir or "",
    )
