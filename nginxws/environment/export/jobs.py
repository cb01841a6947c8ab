"""What each machine of an environment has to do, worked out of the manifest, for every format alike. Pure."""

from __future__ import annotations

import base64
import gzip
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from nginxws.environment.archive import Entry, entries_of
from nginxws.environment.plan import AppSnapshot, Release, make_app_plan
from nginxws.environment.wanted import WantedApp, WantedFile, wanted_apps
from nginxws.errors import InvalidInput
from nginxws.manifest.environment import EnvironmentEntry
from nginxws.manifest.model import Manifest, NodeEntry
from nginxws.manifest.wanted import WantedRoute, routes_for
from nginxws.render import Rendered, render
from nginxws.route import Match, Route
from nginxws.site import shared_texts
from nginxws.validate import shown

#: What a server block of ours may be called: nothing that ends its directive.
_SERVER = re.compile(r"[A-Za-z0-9.*_-]+|\[[0-9A-Fa-f:.]+\]")
#: Ends the headers of a route whose text stays as it is.
AS_IT_IS = "*"


@dataclass(frozen=True, slots=True)
class Ask:
    """What is exported, besides the manifest.

    ``sources``: what each application's source holds. ``folder``: the manifest's, for templates. ``only``:
    one node or application, for formats that speak of one machine. ``images`` and ``commands``: container
    images, and what they run, by application.
    """

    manifest: Manifest
    sources: Mapping[str, tuple[Entry, ...]] = field(default_factory=dict)
    folder: Path = Path()
    only: str | None = None
    images: Mapping[str, str] = field(default_factory=dict)
    commands: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Proof:
    """How a route is proved with curl. ``host`` None: the server's own name; ``must``: a failure is fatal."""

    host: str | None
    path: str
    expected: int
    must: bool
    headers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class RouteJob:
    """A location of a server block: its text, the headers that it sets itself, and its proof."""

    route: Route
    server: str | None
    own: str
    rendered: Rendered
    proof: Proof | None


@dataclass(frozen=True, slots=True)
class BalancerJob:
    """A balancer: its NGINX, the blocks of http context by id, and its routes.

    ``site`` is the name and port of the server block that may be written where there is none.
    """

    name: str
    entry: NodeEntry
    site: tuple[str, int] | None
    shared: tuple[tuple[str, str], ...]
    routes: tuple[RouteJob, ...]


@dataclass(frozen=True, slots=True)
class AppJob:
    """An application: as it is wanted, and its release, None where nothing is deployed.

    ``places`` are the files of the release that hold an address, by their paths in it.
    """

    wanted: WantedApp
    release: Release | None
    places: Mapping[str, WantedFile]

    @property
    def on_node(self) -> tuple[WantedFile, ...]:
        """Files of the node that are edited in place."""
        return tuple(one for one in self.wanted.files if not one.in_source)

    def data(self, path: str) -> bytes:
        """A file of the release, with the address in it."""
        assert self.release is not None, "asked of what is deployed"
        entries = {one.path: one for one in entries_of(self.release.archive, self.wanted.name)}
        return entries[path].data


def in_lines(release: Release) -> str:
    """A release as gzipped tar in base64, in lines: the same text every time."""
    return base64.encodebytes(gzip.compress(release.archive, mtime=0)).decode()


def balancers(ask: Ask, *, may_make_site: bool = False) -> tuple[BalancerJob, ...]:
    """The balancers that are meant. Raises InvalidInput where routes are not as they must be."""
    names = [name for name in ask.manifest.nodes if ask.only in (None, name)]
    return tuple(_balancer(ask, name, may_make_site) for name in names)


def _balancer(ask: Ask, name: str, may_make_site: bool) -> BalancerJob:
    entry = ask.manifest.nodes[name]
    routes = tuple(_route(ask, wanted) for wanted in routes_for(ask.manifest, name))
    shared: dict[str, str] = {}
    for one in routes:
        shared |= {str(block_id): text for block_id, text in shared_texts(one.rendered)}
    make = may_make_site or entry.install is not None
    return BalancerJob(name, entry, site_of(ask, entry) if make else None, tuple(shared.items()), routes)


def site_of(ask: Ask, entry: NodeEntry) -> tuple[str, int]:
    """Name and port of the server block where there is none yet: what the node says, else the domain's.

    Raises InvalidInput for a name that can only be of a server block that is there already.
    """
    name, port = _split(entry.server or "")
    if name and not _SERVER.fullmatch(name):
        raise InvalidInput(
            f"{shown(name)} can't be the name of a server block that is written where there is none",
            hint='say one name in server, like server = "chat.example.com:80"',
        )
    host, outside = _split(environment(ask).domain)
    tls = environment(ask).tls
    return name or host, port or (80 if tls else outside) or 80


def _split(text: str) -> tuple[str, int | None]:
    host, colon, port = text.rpartition(":")
    return (host, int(port)) if colon and port.isdigit() else (text, None)


def environment(ask: Ask) -> EnvironmentEntry:
    """The manifest's environment. Raises InvalidInput without."""
    if ask.manifest.environment is None:
        raise InvalidInput(
            "the manifest has no [environment]", hint='add it, with domain = "chat.example.com"'
        )
    return ask.manifest.environment


def _route(ask: Ask, wanted: WantedRoute) -> RouteJob:
    route, templates = wanted.route, wanted.options.templates
    rendered = render(route, templates=None if templates is None else ask.folder / templates)
    own = [name for name, _value in route.headers] + ([] if route.host is None else ["Host"])
    return RouteJob(
        route,
        wanted.server,
        AS_IT_IS if route.preset == "plain" else " ".join(own),
        rendered,
        _proof(wanted),
    )


def _proof(wanted: WantedRoute) -> Proof | None:
    options, route = wanted.options, wanted.route
    path = options.probe_path or (None if route.match is Match.REGEX else route.path)
    if path is None or options.probe == "off":
        return None
    headers = tuple(
        (name, value) for name, _, value in (one.partition("=") for one in options.probe_header or ())
    )
    secret = any(value.startswith(("@env:", "@file:")) for _name, value in headers)
    must = options.probe != "warn" and not secret
    kept = tuple(one for one in headers if not one[1].startswith(("@env:", "@file:")))
    return Proof(options.probe_host, path, options.probe_expect or 101, must, kept)


def apps(ask: Ask) -> tuple[AppJob, ...]:
    """The applications that are meant, in their order, each file of a source with its address in it.

    Raises InvalidInput for an address that can't be written without nginxws, NginxwsError where one doesn't
    stand in its source exactly once.
    """
    return tuple(_app(ask, one) for one in wanted_apps(ask.manifest) if ask.only in (None, one.name))


def _app(ask: Ask, wanted: WantedApp) -> AppJob:
    for one in wanted.files:
        if not one.in_source and one.pattern is not None:
            raise InvalidInput(
                f"{wanted.name}: {one.file} stands on the node, where a regular expression of the manifest "
                "can't be searched for without nginxws",
                hint="deploy it with the application's source, say a placeholder, or use `nginxws env up`",
            )
    if wanted.source is None:
        return AppJob(wanted, None, {})
    places = {posixpath.normpath(one.file): one for one in wanted.files if one.in_source}
    sent = replace(wanted, files=tuple(places.values()))
    plan = make_app_plan(sent, AppSnapshot(), ask.sources[wanted.name])
    return AppJob(wanted, plan.release, places)


def refuse_unknown(ask: Ask) -> None:
    """Raise InvalidInput for a node or application that the manifest hasn't."""
    names = [*ask.manifest.nodes, *ask.manifest.apps]
    for name in [*([] if ask.only is None else [ask.only]), *ask.images, *ask.commands]:
        if name not in names:
            raise InvalidInput(
                f"no node or application of the manifest is called {name}",
                hint=f"there are: {', '.join(names) or 'none'}",
            )
    both = sorted(set(ask.manifest.nodes) & set(ask.manifest.apps))
    if both:
        raise InvalidInput(f"a node and an application are both called {both[0]}", hint="rename one of them")
