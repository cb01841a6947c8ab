"""add-route and remove-route with a manifest: it is edited, and just that change is applied."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nginxws.cli.manifest_file import (
    ManifestFile,
    check_writable,
    find,
    is_direct,
    links,
    need,
    nodes_meant,
    policy_for,
    put_for,
    write,
)
from nginxws.cli.parameters import said
from nginxws.cli.running import file_meant, run_change, times_from
from nginxws.cli.targets import Ask
from nginxws.errors import ExitCode, InvalidInput, NginxwsError
from nginxws.nodes.link import NodeLink

if TYPE_CHECKING:
    from nginxws.cli.change import Change
    from nginxws.manifest.model import Manifest
    from nginxws.manifest.wanted import WantedRoute
    from nginxws.plan import Drop, Put
    from nginxws.report.manifest import ManifestResult


@dataclass
class ManifestEdit:
    """A manifest's new text, and what became of it. ``places``: file and line by node and route."""

    file: ManifestFile
    after: str
    places: dict[tuple[str, str], tuple[str, int]] = field(default_factory=dict)
    written: bool = False
    held_back: bool = False
    error: NginxwsError | None = None
    _shown: bool = False

    @property
    def changes(self) -> bool:
        """Whether the new text differs at all."""
        return self.after != self.file.text

    @property
    def digest(self) -> str:
        """The sha256 of the new text, in hex: what a revision is said to come from."""
        return hashlib.sha256(self.after.encode()).hexdigest()

    @cached_property
    def diff(self) -> str:
        """The unified diff of the manifest."""
        from nginxws.diff import edits_between, unified

        before = self.file.text.encode()
        name = f"/{self.file.name}".replace("//", "/", 1)  # `diff` writes a/ and b/ before names
        return unified(before, edits_between(before, self.after.encode()), name)

    def show_once(self) -> None:
        """The diff on stdout, the first time that it is asked for."""
        from nginxws.report.text import show_diff

        if not self._shown:
            show_diff(self.diff)
        self._shown = True

    def settle(self, code: ExitCode, *, dry_run: bool, applied: bool = False) -> ExitCode:
        """Write the new text if every node has the change; the exit code of it all.

        ``applied``: nodes were changed, which is to be told when the file then can't be.
        """
        if dry_run or not self.changes:
            return code
        if code is not ExitCode.DONE:
            self.held_back = True
            return code
        try:
            write(self.file, self.after)
            self.written = True
        except NginxwsError as error:
            if applied:
                error.detail = "the nodes have the change already, and the file doesn't say so"
            self.error = error
            return error.code
        return code

    def result(self, *, dry_run: bool) -> ManifestResult:
        """What became of it, for the report."""
        from nginxws.report.manifest import ManifestResult

        pending = dry_run and self.changes
        return ManifestResult(self.file.name, self.diff, self.written, pending, self.held_back, self.error)


def edited_manifest(options: dict[str, Any]) -> ManifestFile | None:
    """The manifest that a command changes, None when it acts on nodes or a file directly.

    Raises InvalidInput for nodes of both kinds, or when there is only a manifest to edit and none is there.
    """
    if options["no_apply"] and file_meant(options) is not None:
        raise InvalidInput(
            "--no-apply is about a manifest, and --file names none", hint="leave one of them out"
        )
    file = find(options) if not options["no_apply"] else need(options)
    if file is None:
        return None
    direct = [name for name in options["nodes"] if is_direct(file, name)]
    if not direct:
        return file
    if len(direct) < len(options["nodes"]) or options["no_apply"]:
        raise InvalidInput(
            f"{direct[0]} isn't a node of {file.name}",
            hint="name nodes of the manifest only, or work without it: --no-manifest",
        )
    return None


def add(file: ManifestFile, path: str, backends: Sequence[str], options: dict[str, Any]) -> int:
    """Put a route into the manifest and on the nodes that it then has it for; returns the exit code."""
    from nginxws.manifest.editing import put_route
    from nginxws.manifest.reading import parse

    meant = _meant(file, options)
    nodes = list(dict.fromkeys(options["nodes"])) or None
    given, server = given_keys(file, options), options["server"]
    after = put_route(file.text, file.name, path, backends, given, nodes=nodes, server=server, join=file.join)
    edit = ManifestEdit(file, after)
    manifest = parse(after, file.name, file.join)
    wanted = {
        node: route
        for node in meant
        if (route := _wanted(manifest, node, path, options["server"])) is not None
    }
    flags = {name: bool(options[name]) for name in ("adopt", "replace", "overwrite_drift")}
    puts: dict[str, list[Put | Drop]] = {
        node: [put_for(file, route, **flags)] for node, route in wanted.items()
    }
    edit.places = {(node, path): (file.name, _line(after, route)) for node, route in wanted.items()}
    proof = next(iter(wanted.values()), None)
    return _run(edit, puts, proof, options)


def remove(file: ManifestFile, paths: Sequence[str], options: dict[str, Any]) -> int:
    """Take routes out of the manifest and off the nodes that it has them for; returns the exit code."""
    from nginxws.manifest.editing import drop_route
    from nginxws.plan import Drop

    meant, server = _meant(file, options), options["server"]
    nodes = list(dict.fromkeys(options["nodes"])) or None
    after = file.text
    drops: dict[str, list[Put | Drop]] = {}
    for path in dict.fromkeys(paths):
        after = drop_route(after, file.name, path, nodes=nodes, server=server, join=file.join)
        had = {node: _all_wanted(file.manifest, node, path, server) for node in meant}
        for node in [node for node in meant if had[node]] or meant:
            servers = {route.server for route in had[node]} or {server}
            drops.setdefault(node, []).extend(
                Drop(path, overwrite_drift=options["overwrite_drift"], server=one)
                for one in sorted(servers, key=str)
            )
    in_order = {node: drops[node] for node in meant if node in drops}
    return _run(ManifestEdit(file, after), in_order, None, options)


def _meant(file: ManifestFile, options: dict[str, Any]) -> list[str]:
    """The nodes meant; none is fine where only the manifest is edited."""
    if options["no_apply"] and not options["nodes"] and not file.manifest.nodes:
        return []
    return nodes_meant(file, options)


def _all_wanted(manifest: Manifest, node: str, path: str, server: str | None) -> list[WantedRoute]:
    from nginxws.manifest.wanted import routes_for

    found = [route for route in routes_for(manifest, node) if route.route.path == path]
    return [route for route in found if server in (None, route.server)]


def _wanted(manifest: Manifest, node: str, path: str, server: str | None) -> WantedRoute | None:
    return next(iter(_all_wanted(manifest, node, path, server)), None)


def _line(text: str, wanted: WantedRoute) -> int:
    from nginxws.manifest.positions import Positions

    return Positions.of(text).line(("routes", wanted.number))


def _run(
    edit: ManifestEdit,
    wanted: Mapping[str, list[Put | Drop]],
    proof: WantedRoute | None,
    options: dict[str, Any],
) -> int:
    """Carry the change out on the nodes, then write the manifest."""

    def make() -> Change:
        from nginxws.cli.change import Change, settings_from
        from nginxws.planner import make_plan

        return Change(
            lambda now: make_plan(now, wanted[now.node]),
            settings_from(options),
            **({} if policy is None else {"policy": policy}),
            manifest=edit,
        )

    if edit.changes and not options["dry_run"]:
        check_writable(edit.file)
    nodes = [] if options["no_apply"] else list(wanted)
    unproved = proof is None or not nodes or options["dry_run"]
    policy = None if unproved or proof is None else policy_for(proof, edit.file.path.parent)
    return run_change(make, options, partial(_links, edit, nodes, options))


def _links(edit: ManifestEdit, nodes: list[str], options: dict[str, Any], ask: Ask) -> list[NodeLink]:
    found = links(edit.file, nodes, options, times_from(options), ask) if nodes else []
    for link in found:
        link.options = replace(link.options, digest=edit.digest)
    return found


def given_keys(file: ManifestFile, options: dict[str, Any]) -> dict[str, Any]:
    """The route options that were given, as keys of an entry."""
    from nginxws.manifest.model import RouteOptions

    found = {}
    for parameter in click.get_current_context().command.params:
        key = parameter.opts[0].lstrip("-").replace("-", "_")
        name = str(parameter.name)
        if isinstance(parameter, click.Option) and key in RouteOptions.model_fields and said(name):
            found[key] = _value(file, key, options[name])
    return found


def _value(file: ManifestFile, key: str, value: Any) -> Any:
    """An option's value as a manifest has it."""
    from nginxws.cli.options import Fetched
    from nginxws.validate import format_duration

    if key in ("header", "probe_header"):
        return [one.text if isinstance(one, Fetched) else "=".join(one) for one in value]
    if key.endswith("_timeout"):
        return format_duration(value)
    if key == "templates" and not Path(value).is_absolute():
        return Path(os.path.relpath(value, file.path.resolve().parent)).as_posix()
    return value
