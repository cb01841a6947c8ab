"""``nginxws.toml`` on this machine: found, read, and written; and the nodes that it names.

Without a manifest none of its libraries is imported: direct use of a node doesn't pay for them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nginxws.cli import targets
from nginxws.cli.manifest_data import ManifestFile as ManifestFile
from nginxws.cli.manifest_path import NAME, path_meant
from nginxws.cli.parameters import said
from nginxws.cli.sources import refuse_unused, sources_meant
from nginxws.cli.targets import Ask, ChangeTimes, Opening, TargetOptions, target_from
from nginxws.errors import InvalidInput, ManifestError, NginxwsError, Problem, StaleError
from nginxws.nodes.link import NodeLink
from nginxws.nodes.prompt import ask_secret, asked_once

if TYPE_CHECKING:
    from nginxws.inventories.joining import Joined, Sources
    from nginxws.manifest.model import Manifest, NodeEntry
    from nginxws.manifest.wanted import WantedRoute
    from nginxws.nodes.options import ProbePolicy
    from nginxws.plan import Put

# --- the file ------------------------------------------------------------------------------------


def find(options: dict[str, Any]) -> ManifestFile | None:
    """The manifest that a command works with, None when there is none or it isn't meant.

    Raises ManifestError for what is wrong in it, InvalidInput for options that exclude each other.
    """
    path = path_meant(options)
    if path is None:
        refuse_unused(options)
        return None
    return read(path, sources_meant(options))


def need(options: dict[str, Any]) -> ManifestFile:
    """The manifest; NginxwsError when there is none, InvalidInput when it isn't meant."""
    found = find(options)
    if found is None and options.get("no_manifest"):
        raise InvalidInput("this command works with a manifest", hint="leave --no-manifest out")
    if found is None:
        raise NginxwsError(
            f"there is no {NAME} here, nor in a folder above",
            hint="write one with `nginxws init`, or name it with --manifest PATH",
        )
    return found


def read(path: Path, sources: Sources | None = None) -> ManifestFile:
    """Read and check a manifest, with the nodes of ``sources``. Raises ManifestError.

    InvalidInput for what is wrong in the environment's variables.
    """
    from nginxws.manifest.reading import MAX_SIZE, parse, refuse_too_long

    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_SIZE + 1)
        refuse_too_long(len(data), str(path))
        text = data.decode()
    except OSError as error:
        raise ManifestError(
            [Problem(1, "", f"cannot read it: {error.strerror}", "`nginxws init` writes a manifest")],
            file=str(path),
        ) from error
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ManifestError(
            [Problem(line, "", "isn't UTF-8 text", "save the file as UTF-8")], file=str(path)
        ) from error
    joined: list[Joined] = []

    def join(manifest: Manifest) -> Manifest:
        assert sources is not None
        joined.append(sources.join(manifest))
        return joined[-1].manifest

    manifest = parse(text, str(path), join if sources is not None else None)
    digest = hashlib.sha256(data).hexdigest()
    return ManifestFile(path, text, manifest, digest, sources, joined[-1] if joined else None)


def write(file: ManifestFile, text: str) -> None:
    """Put an edited text in place of the manifest at once: the same mode, through symlinks.

    Raises StaleError when somebody else has written it since it was read, NginxwsError when it can't be
    written.
    """
    from nginxws import files

    target = file.path.resolve()
    try:
        if hashlib.sha256(target.read_bytes()).hexdigest() != file.digest:
            raise StaleError(
                "somebody else wrote the manifest meanwhile, so it isn't written",
                file=file.name,
                hint="run the same command again: it adds to what stands there now",
            )
        files.replace(target, text.encode())
    except OSError as error:
        raise _unwritable(file, error) from error


def check_writable(file: ManifestFile) -> None:
    """Raise NginxwsError when `write` couldn't, before nodes are changed that then wouldn't be as it says."""
    from nginxws import files

    try:
        files.check_replaceable(file.path.resolve())
    except OSError as error:
        raise _unwritable(file, error, "nothing was changed; ") from error


def _unwritable(file: ManifestFile, error: OSError, state: str = "") -> NginxwsError:
    return NginxwsError(
        f"cannot write it: {error.strerror}",
        file=file.name,
        hint=f"{state}may you write to this folder, and is there space on the disk?",
    )


# --- its nodes -----------------------------------------------------------------------------------


def nodes_meant(file: ManifestFile, options: dict[str, Any]) -> list[str]:
    """The manifest's nodes that ``--node NAME|LABEL`` selects, in its order; all of them without.

    Raises InvalidInput for what isn't a node or label of the manifest, ManifestError when it has no nodes.
    """
    from nginxws.manifest.wanted import chosen_nodes

    if not file.manifest.nodes:
        hosts = 'name hosts or groups of the inventory at a route, as in nodes = ["balancers"]; "all" is one'
        inventory = file.sources is not None and file.sources.inventory is not None
        raise file.error(("nodes",), "no nodes", hosts if inventory else "add one: [nodes.lb1]")
    try:
        return chosen_nodes(file.manifest, options["nodes"] or None)
    except InvalidInput as error:
        error.file = file.name
        error.hint = f"{error.hint} (--no-manifest: any node)"
        raise


def is_direct(file: ManifestFile, name: str) -> bool:
    """Whether a value of ``--node`` means a node that the manifest has nothing to say of."""
    return ("://" in name or name == "local") and name not in file.manifest.nodes


def links(
    file: ManifestFile,
    names: Sequence[str],
    options: dict[str, Any],
    times: ChangeTimes | None = None,
    ask: Ask = ask_secret,
) -> list[NodeLink]:
    """A link for each of these nodes, called as the manifest calls it; none is connected yet.

    What the command line or its environment says wins over the manifest. Raises ManifestError for what
    a node's entry says and can't be, InvalidInput for what the command line says.
    """
    return opened(file, names, Opening(target_from(options), times or ChangeTimes(), asked_once(ask)))


def opened(file: ManifestFile, names: Sequence[str], opening: Opening) -> list[NodeLink]:
    """As `links`, where more than these nodes share what the command line says."""
    from nginxws.manifest.wanted import target

    line = opening.said
    found = []
    for name in names:
        if is_direct(file, name):
            found.append(opening.link(name, name, line))
            continue
        entry = file.manifest.nodes[name]
        over = replace(_over(line, entry), identity=file.identity(name))
        try:
            found.append(opening.link(name, target(name, entry), over, entry.reload_command or ""))
        except InvalidInput as error:
            opening.link(name, "local", line)  # raises if it is the command line's own value
            raise file.node_error(name, error) from error
    return found


def open_meant(
    options: dict[str, Any], times: ChangeTimes | None = None, ask: Ask = ask_secret
) -> list[NodeLink]:
    """A link for every node that TARGET means: ``--node``, else the manifest's nodes, else this machine."""
    file = find(options)
    if file is None or (not options["nodes"] and not file.manifest.nodes):
        return targets.open_links(target_from(options), times, ask)
    direct = [name for name in dict.fromkeys(options["nodes"]) if is_direct(file, name)]
    others = [name for name in options["nodes"] if name not in direct]
    chosen = nodes_meant(file, {**options, "nodes": others}) if others or not direct else []
    return links(file, [*chosen, *direct], options, times, ask)


def _over(line: TargetOptions, entry: NodeEntry) -> TargetOptions:
    """What the command line says, and for the rest the manifest's entry."""
    return replace(
        line,
        sudo=line.sudo if said("sudo") else entry.sudo,
        home=line.home or entry.home or "",
        nginx_conf=line.nginx_conf or entry.nginx_conf or "",
        nginx_bin=line.nginx_bin or entry.nginx_bin or "",
        state_dir=line.state_dir or entry.state_dir or "",
    )


# --- its routes ----------------------------------------------------------------------------------


def policy_for(wanted: WantedRoute, folder: Path | None = None) -> ProbePolicy:
    """How a route of the manifest is proved. Fetches the values of ``@env:`` and ``@file:`` headers.

    Their paths are relative to ``folder``, the manifest's. Raises InvalidInput.
    """
    from nginxws.cli.running import checked_policy
    from nginxws.nodes.options import ProbePolicy
    from nginxws.nodes.probe.headers import parse_probe_header

    options, usual = wanted.options, ProbePolicy()

    def fetch(path: str) -> bytes:
        with ((folder or Path()) / path).open("rb") as stream:
            return stream.read(1 << 16)

    policy = ProbePolicy(
        mode=options.probe or usual.mode,
        path=options.probe_path,
        host=options.probe_host,
        headers=tuple(parse_probe_header(text, read=fetch) for text in options.probe_header or ()),
        expect=options.probe_expect or usual.expect,
        url=options.probe_url,
        timeout=usual.timeout if options.probe_timeout is None else options.probe_timeout,
    )
    return checked_policy(policy, wanted.route)


def put_for(file: ManifestFile, wanted: WantedRoute, **flags: bool) -> Put:
    """The route as the planner takes it; ``flags`` are adopt, replace, overwrite_drift."""
    from nginxws.plan import Put

    folder = wanted.options.templates
    templates = None if folder is None else file.path.parent / folder
    environment = file.manifest.environment
    domain = None if environment is None else environment.domain
    return Put(wanted.route, server=wanted.server, templates=templates, domain=domain, **flags)
