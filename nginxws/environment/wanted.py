"""What the environment is to be: its applications, the addresses written into them, its URLs. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass

from nginxws.errors import InvalidInput
from nginxws.manifest.apps import app_paths, apps_of, file_on_node, in_order
from nginxws.manifest.environment import AddressEntry, AppEntry, EnvironmentEntry
from nginxws.manifest.model import Manifest
from nginxws.manifest.wanted import address_of

#: Seconds that an application has for its port after a restart, where the manifest says nothing.
READY_TIMEOUT = 30


@dataclass(frozen=True, slots=True)
class WantedFile:
    """A file in which a WebSocket address is to stand, found by ``pattern`` or ``placeholder``.

    ``file`` is what the manifest says, ``value`` the address. ``in_source``: it is rewritten before it is
    sent. ``on_node`` is its absolute path on the node.
    """

    file: str
    pattern: bytes | None
    placeholder: bytes | None
    value: str
    in_source: bool = False
    on_node: str = ""


@dataclass(frozen=True, slots=True)
class WantedApp:
    """An application as the manifest wants it.

    ``host`` and ``port`` are what balancers connect to (IPv6 in brackets), ``source`` is relative to the
    manifest, ``target`` a folder of the node, ``keep`` the number of releases. ``ready_timeout`` is in
    seconds. ``after`` names the applications that come before this one.
    """

    name: str
    host: str
    port: int
    source: str | None
    target: str | None
    keep: int
    service: str | None
    restart: str | None
    ready_timeout: int
    files: tuple[WantedFile, ...]
    after: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Url:
    """Where a route is reached from outside.

    ``app`` is the application behind it, None where none of the manifest is. ``ws`` is the address over
    plain HTTP, ``wss`` the one over TLS, None where the environment has no TLS.
    """

    app: str | None
    path: str
    ws: str
    wss: str | None


def wanted_apps(manifest: Manifest) -> tuple[WantedApp, ...]:
    """The applications in the order in which they come up: that of the manifest, but for ``after``.

    The manifest is one that ``manifest.reading`` took: then nothing is raised.
    """
    return tuple(_wanted_app(manifest, name, manifest.apps[name]) for name in in_order(manifest)[0])


def _wanted_app(manifest: Manifest, name: str, app: AppEntry) -> WantedApp:
    return WantedApp(
        name=name,
        host=address_of(name, app),
        port=app.port,
        source=app.source,
        target=None if app.target is None else posixpath.normpath(app.target),
        keep=app.keep,
        service=app.service,
        restart=app.restart,
        ready_timeout=app.ready_timeout or READY_TIMEOUT,
        files=tuple(_wanted_file(manifest, name, app, entry) for entry in app.websocket),
        after=app.after,
    )


def _wanted_file(manifest: Manifest, name: str, app: AppEntry, entry: AddressEntry) -> WantedFile:
    in_source = app.source is not None and not entry.file.startswith("/")
    return WantedFile(
        file=posixpath.normpath(entry.file) if in_source else entry.file,
        pattern=_bytes(entry.pattern),
        placeholder=_bytes(entry.placeholder),
        value=written_address(manifest, entry.path or app_paths(manifest, name)[0]),
        in_source=in_source,
        on_node=file_on_node(app, entry),
    )


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else text.encode()


def written_address(manifest: Manifest, path: str) -> str:
    """The address that is written into applications. Raises InvalidInput without ``[environment]``."""
    environment = _environment(manifest)
    return f"{'wss' if environment.tls else 'ws'}://{environment.domain}{path}"


def urls(manifest: Manifest) -> tuple[Url, ...]:
    """The addresses of the routes that applications serve; where none does, of all routes.

    A route that is a regular expression has one only where it says ``probe_path``. Raises InvalidInput
    without ``[environment]``.
    """
    environment = _environment(manifest)
    found = list(dict.fromkeys(_served(manifest)))
    ours = [(app, path) for app, path in found if app is not None]
    host, tls = environment.domain, environment.tls
    # A port that is said is TLS's where there is TLS: plain HTTP is then at its own.
    plain = _without_port(host) if tls else host
    return tuple(
        Url(app, path, f"ws://{plain}{path}", f"wss://{host}{path}" if tls else None)
        for app, path in ours or found
    )


def _served(manifest: Manifest) -> Iterator[tuple[str | None, str]]:
    for entry in manifest.routes:
        match = entry.match or manifest.defaults.match
        path = entry.path if match != "regex" else (entry.probe_path or "").partition("?")[0]
        if path:
            yield next(iter(apps_of(entry)), None), path


def _without_port(domain: str) -> str:
    host, _colon, port = domain.rpartition(":")
    return host if port.isdigit() and host else domain


def _environment(manifest: Manifest) -> EnvironmentEntry:
    if manifest.environment is None:
        raise InvalidInput(
            "the manifest has no [environment]", hint='add it, with domain = "chat.example.com"'
        )
    return manifest.environment
