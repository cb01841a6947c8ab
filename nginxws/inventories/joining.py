"""A manifest with the nodes that an inventory and the environment's variables add to it. Pure.

What the manifest says of a node stays; then come variables, then the inventory. Of an inventory only those
hosts become nodes that are named, themselves or one of their groups: not all hosts are balancers.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from nginxws.errors import InvalidInput, ManifestError, Problem
from nginxws.inventories import variables
from nginxws.inventories.ansible import Host, Inventory
from nginxws.inventories.hosts import meaning_of
from nginxws.inventories.variables import Told
from nginxws.manifest.fields import NAME
from nginxws.manifest.model import Manifest, NodeEntry
from nginxws.printable import one_line

#: How much of what is wrong in an inventory is told.
MAX_PROBLEMS = 20


@dataclass(frozen=True)
class Sources:
    """Where nodes come from. ``environ`` holds the variables about nodes alone.

    ``named`` are names of hosts and groups that the command line says.
    """

    inventory: Inventory | None = None
    environ: Mapping[str, str] = field(default_factory=dict)
    named: tuple[str, ...] = ()

    def join(self, manifest: Manifest) -> Joined:
        """The manifest with their nodes.

        Raises ManifestError for what is wrong in the inventory, InvalidInput for what is in a variable.
        """
        return _Joining(self, manifest).run()


@dataclass(frozen=True)
class Joined:
    """A manifest with nodes from elsewhere.

    ``identities`` are key files by node (``~`` isn't expanded). ``places`` are file and line of the
    nodes that only the inventory knows.
    """

    manifest: Manifest
    identities: Mapping[str, str] = field(default_factory=dict)
    places: Mapping[str, tuple[str, int]] = field(default_factory=dict)

    def digest(self, manifest: str) -> str:
        """The sha256, in hex, of a manifest's digest and of all that is said of its nodes, in their order."""
        nodes = [
            [name, node.model_dump(mode="json"), self.identities.get(name, "")]
            for name, node in self.manifest.nodes.items()
        ]
        return sha256(json.dumps([manifest, nodes], sort_keys=True).encode()).hexdigest()


class _Joining:
    def __init__(self, sources: Sources, manifest: Manifest) -> None:
        self.manifest = manifest
        self.inventory = sources.inventory or Inventory("", {})
        self.listed = variables.listed(sources.environ)
        self.own = [*manifest.nodes, *(name for name in self.listed if name not in manifest.nodes)]
        self.chosen = {host.name: host for host in self.hosts(sources.named)}
        self.names = [*self.own, *(name for name in self.chosen if name not in self.own)]
        self.told = variables.told(sources.environ, self.names)
        self.identities: dict[str, str] = {}
        self.problems: list[Problem] = []

    def hosts(self, named: Collection[str]) -> Iterator[Host]:
        """The hosts that are named, each by its name or a group; what is a node's name is no group's."""
        names = {*named, *(name for route in self.manifest.routes for name in route.nodes or ())}
        groups = names - set(self.own)
        for host in self.inventory.hosts.values():
            if host.name in names or host.name in self.own or host.groups & groups:
                yield host

    def run(self) -> Joined:
        nodes = {name: self.node(name) for name in self.names}
        if self.problems:
            raise ManifestError(_bounded(self.problems), file=self.inventory.name)
        places = {
            name: (self.inventory.name, host.line)
            for name, host in self.chosen.items()
            if name not in self.own
        }
        manifest = self.manifest.model_copy(update={"nodes": nodes})
        return Joined(manifest, self.identities, places)

    def node(self, name: str) -> NodeEntry:
        entry = self.manifest.nodes.get(name, NodeEntry())
        keys = {key: getattr(entry, key) for key in entry.model_fields_set}
        labels = [*entry.labels]
        for key, (value, variable) in self.variables_of(name):
            if key == "labels":
                labels += self.checked(value, variable)
            elif keys.setdefault(key, value) != value:
                raise _contradiction(name, key, variable)
        host = self.chosen.get(name)
        if host is not None:
            labels += self.labels_of(host)
            keys |= self.meaning(host, set(keys))
        return entry.model_copy(update={**keys, "labels": tuple(dict.fromkeys(labels))})

    def variables_of(self, name: str) -> Iterator[tuple[str, tuple[Any, str]]]:
        told: Told
        for told in (self.listed.get(name, {}), self.told.get(name, {})):
            yield from told.items()

    def meaning(self, host: Host, said: Collection[str]) -> dict[str, Any]:
        found = meaning_of(host, said)
        self.problems += found.problems
        if not NAME.fullmatch(host.name):
            hint = "give it one in the inventory, and its address there as ansible_host"
            words = f"{one_line(host.name)} isn't a name for a node"
            self.problems.append(Problem(host.line, one_line(host.name), words, hint))
        if found.identity:
            self.identities[host.name] = found.identity
        return found.keys

    def labels_of(self, host: Host) -> Iterator[str]:
        """A host's groups that can be labels; not one that is called as the node that it has alone."""
        for group in sorted(host.groups):
            if group in self.names and self.inventory.groups[group] != {group}:
                message = f"{one_line(host.name)}: the group {group} is called as a node is"
                self.problems.append(Problem(host.line, group, message, "rename one of them"))
            elif NAME.fullmatch(group) and group not in self.names:
                yield group

    def checked(self, labels: tuple[str, ...], variable: str) -> tuple[str, ...]:
        """Labels of a variable. Raises InvalidInput for one that is a node's name."""
        if wrong := [one for one in labels if one in self.names]:
            raise InvalidInput(f"{variable}: {wrong[0]} is the name of a node", hint="rename one of them")
        return labels


def _bounded(problems: Collection[Problem]) -> list[Problem]:
    """The problems by line, but not thousands of them: one group variable is every host's."""
    found = sorted(problems, key=lambda one: one.line)
    if len(found) > MAX_PROBLEMS:
        more = len(found) - MAX_PROBLEMS
        found[MAX_PROBLEMS:] = [Problem(found[MAX_PROBLEMS].line, "", f"and {more} more")]
    return found


def _contradiction(name: str, key: str, variable: str) -> InvalidInput:
    return InvalidInput(
        f"{variable} says another {key} of {name} than the manifest, or another variable, does",
        hint="leave one of them out",
    )
