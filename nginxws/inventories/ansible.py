"""What ``ansible-inventory --list`` prints: hosts, their groups and variables. Pure.

Ansible has expanded ranges, groups of groups and group variables by then; templates in values it hasn't.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from nginxws.errors import ManifestError, Problem
from nginxws.printable import one_line

#: Bytes of an inventory; a thousand hosts with a hundred variables each take about four million.
MAX_SIZE = 16 * 1024 * 1024
MAX_HOSTS = 10_000
#: Members of all groups together, those of groups in groups included.
MAX_MEMBERS = 1_000_000

_MADE_BY = "make it with `ansible-inventory --list > inventory.json`"
#: Variables that say something to us; others are never looked at.
_READ = ("ansible_", "nginxws_")


@dataclass(frozen=True)
class Host:
    """One host. ``groups`` are all that it is in, ``line`` is where its variables stand, from 1."""

    name: str
    groups: frozenset[str]
    variables: Mapping[str, Any]
    line: int


@dataclass(frozen=True)
class Inventory:
    """An inventory; ``name`` is what errors call it. Hosts stand in the order of Ansible's groups."""

    name: str
    hosts: Mapping[str, Host]

    @cached_property
    def groups(self) -> Mapping[str, frozenset[str]]:
        """The hosts of every group that has any."""
        found: dict[str, set[str]] = {}
        for host in self.hosts.values():
            for group in host.groups:
                found.setdefault(group, set()).add(host.name)
        return {group: frozenset(found[group]) for group in sorted(found)}


def parse(text: str, name: str) -> Inventory:
    """Read an inventory. Raises ManifestError for what isn't one."""
    if len(text) > MAX_SIZE:
        raise _wrong(name, f"longer than {MAX_SIZE} bytes", "is it the right file?")
    try:
        data = json.loads(text.removeprefix("\ufeff"))
    except RecursionError as error:
        raise _wrong(name, "nested too deeply", _MADE_BY) from error
    except ValueError as error:
        line = error.lineno if isinstance(error, json.JSONDecodeError) else 1
        raise _wrong(name, "isn't JSON", _MADE_BY, line) from error
    return _Reader(text, name, data).inventory()


def _wrong(name: str, message: str, hint: str, line: int = 1) -> ManifestError:
    return ManifestError([Problem(line, "", message, hint)], file=name)


class _Reader:
    def __init__(self, text: str, name: str, data: Any) -> None:
        self.name = name
        top = self.table(data, "the whole")
        self.variables = self.table(self.table(top.get("_meta"), "_meta").get("hostvars"), "_meta.hostvars")
        self.groups = {group: self.table(one, group) for group, one in top.items() if group != "_meta"}
        self.members = {group: self.names(one, group, "hosts") for group, one in self.groups.items()}
        self.children = {group: self.names(one, group, "children") for group, one in self.groups.items()}
        self.lines = dict(_lines(text))

    def table(self, value: Any, what: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _wrong(self.name, f"{one_line(what)} isn't an object", _MADE_BY)
        return value

    def names(self, group: Mapping[str, Any], name: str, key: str) -> list[str]:
        found = group.get(key, [])
        if not isinstance(found, list) or not all(isinstance(one, str) and one for one in found):
            raise _wrong(self.name, f"{key} of {one_line(name)} isn't a list of names", _MADE_BY)
        return found

    def inventory(self) -> Inventory:
        for group, content in self.groups.items():
            if any(key.startswith(_READ) for key in self.table(content.get("vars", {}), f"vars of {group}")):
                message = f"the group {one_line(group)} has variables of its own, which hosts then lack"
                raise _wrong(self.name, message, f"{_MADE_BY}, without --export")
        groups = self.groups_by_host()
        if len(groups) > MAX_HOSTS:
            raise _wrong(self.name, f"more than {MAX_HOSTS} hosts", "is it the right file?")
        return Inventory(self.name, {host: self.host(host, groups[host]) for host in groups})

    def host(self, name: str, groups: set[str]) -> Host:
        variables = self.table(self.variables.get(name, {}), f"_meta.hostvars of {name}")
        return Host(name, frozenset(groups), variables, self.lines.get(name, 1))

    def groups_by_host(self) -> dict[str, set[str]]:
        """Every host's groups: the hosts of ``all`` as Ansible goes through them, then any others."""
        found: dict[str, set[str]] = {
            host: set() for group in self.walk("all") for host in self.members.get(group, ())
        }
        left = MAX_MEMBERS
        for group in self.groups:
            for below in self.walk(group):
                members = self.members.get(below, [])
                left -= 1 + len(members)
                if left < 0:
                    raise _wrong(self.name, "its groups are too many in one another", "is it the right file?")
                for host in members:
                    found.setdefault(host, set()).add(group)
        for host in self.variables:
            found.setdefault(host, set())
        for groups in found.values():
            groups.add("all")
        return found

    def walk(self, top: str) -> Iterator[str]:
        """A group and all below it, each once, a group before those in it."""
        seen: set[str] = set()
        waiting = [top]
        while waiting:
            group = waiting.pop()
            if group not in seen:
                seen.add(group)
                yield group
                waiting += reversed(self.children.get(group, []))


def _lines(text: str) -> Iterator[tuple[str, int]]:
    """The line of every key at the depth at which ``ansible-inventory`` writes hosts; a later one wins.

    For messages only: in a file that was written otherwise there are none, and all is on line 1.
    """
    indent = " " * 12 + '"'
    for number, line in enumerate(text.split("\n"), start=1):
        if line.startswith(indent) and line.endswith('": {'):
            yield line.removeprefix(indent).removesuffix('": {'), number
