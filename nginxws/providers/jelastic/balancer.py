"""The balancer's configuration, read over the API: its files byte for byte, its program, its workers.

The name of the platform's own file varies by brand: the main file's includes lead to it.
File.Read gives text of one node. So what was read is held against the checksums that every node of the group
computes of its own files: only then it is the bytes that all of them have.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
import shlex
from collections.abc import Collection, Mapping
from typing import Final

from nginxws.config.readers import MappingReader
from nginxws.config.tree import load
from nginxws.errors import NodeError
from nginxws.printable import clean
from nginxws.providers.jelastic import texts
from nginxws.providers.jelastic.calls import Platform, Ran
from nginxws.snapshot import FileState, NginxInfo, Snapshot

#: Files below the main file's folder; more than that is no configuration.
_MAX_FILES: Final = 20000
_RULE: Final = "-- nginxws --"
_WORKER: Final = re.compile(r"^\s*([0-9]+)\s+nginx: worker process(?! is shutting down)", re.M)

Workers = tuple[frozenset[int], ...]
"""Pids of the workers that take connections, for each node of the group."""


class Balancer:
    """The nodes of one group, which are to have the same configuration."""

    def __init__(self, platform: Platform, group: str, nginx_conf: str) -> None:
        self.platform = platform
        self.group = group
        self.main = nginx_conf

    def snapshot(self) -> Snapshot:
        """All files that NGINX would read, proved by checksums of every node. Changes nothing.

        Raises NodeError when nodes differ, or when text can't be told from bytes; ConfigError and its kin.
        """
        reader = _ApiReader(self)
        tree = load(self.main, reader)
        states = tuple(
            FileState(name, posixpath.normpath(name), file.document.data) for name, file in tree.files.items()
        )
        wrong = self.unlike({state.path: state.sha256 for state in states})
        if wrong:
            raise texts.differing(self.group, wrong[0], self.group)
        info = NginxInfo(conf=self.main, main=self.main, dash_v=reader.dash_v)
        return Snapshot(self.group, info, states)

    def unlike(self, wanted: Mapping[str, str]) -> list[str]:
        """The paths whose sha256 isn't the wanted one on every node."""
        return texts.unlike(self.platform, self.group, wanted)

    def workers(self) -> Workers:
        """The workers that take connections now."""
        return tuple(
            frozenset(int(pid) for pid in _WORKER.findall(ran.output))
            for ran in self.run("ps -eo pid=,args=")
        )

    def run(self, command: str, *, repeat: bool = True) -> tuple[Ran, ...]:
        """A command on every node of the group; its status is the caller's to look at."""
        return self.platform.run(self.group, command, repeat=repeat)


class _ApiReader:
    """Files of the balancer as ``config.tree`` wants to read them; names are listed once."""

    def __init__(self, balancer: Balancer) -> None:
        self._balancer = balancer
        folder = posixpath.dirname(balancer.main)
        listed = f"find -L {shlex.quote(folder)} -type f 2>/dev/null | head -n {_MAX_FILES}"
        told = balancer.run(f"nginx -V; printf '%s\\n' {shlex.quote(_RULE)}; {listed}")
        parts = [ran.output.partition(f"{_RULE}\n") for ran in told]
        self.dash_v = clean(parts[0][0])
        self._listings = [MappingReader(dict.fromkeys(part[2].splitlines(), b"")) for part in parts]
        self._folder = folder.rstrip("/") + "/"

    def read(self, path: str) -> bytes | None:
        if not self._is_there(path):
            return None
        body = self._balancer.platform.read(self._balancer.group, path)
        return body.encode("utf-8", "surrogatepass")

    def _is_there(self, path: str) -> bool:
        if posixpath.normpath(path).startswith(self._folder):
            return self._listings[0].read(path) is not None
        return self._balancer.run(f"test -f {shlex.quote(path)}")[0].status == 0

    def glob(self, pattern: str) -> list[str]:
        found = [listing.glob(pattern) for listing in self._listings]
        if any(one != found[0] for one in found):
            raise NodeError(
                f"nodes of the group {self._balancer.group} have different files for {clean(pattern)}",
                node=self._balancer.group,
                hint="make the nodes alike, or use them one by one over SSH",
            )
        return found[0]

    def cost(self, pattern: str) -> int:
        return self._listings[0].cost(pattern)


def digests(files: Mapping[str, bytes]) -> dict[str, str]:
    """sha256 of each file's bytes."""
    return {path: hashlib.sha256(data).hexdigest() for path, data in files.items()}


def renewed(before: Workers, now: Workers) -> bool:
    """Whether each node has workers, and none of those that it had."""
    return len(now) == len(before) and all(
        new and not new & old for old, new in zip(before, now, strict=True)
    )


def all_have(workers: Collection[frozenset[int]]) -> bool:
    """Whether NGINX's workers can be seen on each node."""
    return bool(workers) and all(workers)
