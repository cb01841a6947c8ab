"""What nodes keep of application files that nginxws edited: the original, and checksums of our text.

In ``~/.nginxws-addresses`` of the nodes' login user: ``KEY.original`` is the text before us, ``KEY.record``
one line: KEY, checksums of what nginxws wrote (with commas), the application, the path. KEY is the path's
sha256. ``unread`` after the checksums: the application wasn't restarted since.
A record whose checksums aren't those of the file is of an older text: the file was deployed anew.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from nginxws.environment.plan import AppSnapshot, FileState
from nginxws.environment.wanted import WantedApp
from nginxws.errors import NodeError
from nginxws.printable import excerpt
from nginxws.providers.jelastic import texts
from nginxws.providers.jelastic.calls import Platform

_FOLDER: Final = '"$HOME"/.nginxws-addresses'
_LINE: Final = re.compile(r"([0-9a-f]{64}) ([0-9a-f,]+)(,unread)? (\S+) (/.*)")
_QUOTED: Final = 2000  # characters of a program's words
_HOME: Final = "-- home --"


@dataclass(frozen=True, slots=True)
class Record:
    """An edited file: the checksums that our text may have, its application and path.

    ``unread``: the application may not have been restarted since.
    """

    sums: tuple[str, ...]
    app: str
    path: str
    unread: bool = False

    @property
    def key(self) -> str:
        """What its files are called."""
        return hashlib.sha256(self.path.encode()).hexdigest()

    @property
    def line(self) -> str:
        unread = ",unread" if self.unread else ""
        return f"{self.key} {','.join(self.sums)}{unread} {self.app} {self.path}"


def look(
    platform: Platform, group: str, apps: Sequence[WantedApp]
) -> tuple[dict[str, AppSnapshot], list[Record]]:
    """Each application's files as they are on every node, and the records of unread ones. Changes nothing.

    Raises NodeError when nodes differ, or when text can't be told from bytes.
    """
    home, records = _records(platform, group)
    paths = {file.on_node: app.name for app in apps for file in app.files}
    paths |= {one.path: one.app for one in records.values() if one.app in {app.name for app in apps}}
    found = texts.read(platform, group, list(paths))
    known = {path: records[path] for path, data in found.items() if _is_ours(records.get(path), data)}
    kept = texts.read(platform, group, [f"{home}/{one.key}.original" for one in known.values()])
    originals = {path: kept[f"{home}/{one.key}.original"] for path, one in known.items()}
    states = {
        path: FileState(path, data, None if originals.get(path) == data else originals.get(path))
        for path, data in found.items()
    }
    snapshots = {
        app.name: AppSnapshot(files=tuple(states[path] for path, of in paths.items() if of == app.name))
        for app in apps
    }
    return snapshots, [one for one in known.values() if one.unread]


def _is_ours(record: Record | None, data: bytes | None) -> bool:
    return record is not None and data is not None and hashlib.sha256(data).hexdigest() in record.sums


def _records(platform: Platform, group: str) -> tuple[str, dict[str, Record]]:
    """The folder, and its records by path."""
    command = f"find {_FOLDER} -name '*.record' -exec cat {{}} + 2>/dev/null; echo {shlex.quote(_HOME)}; "
    ran = platform.run(group, f"{command}printf '%s\\n' {_FOLDER}")
    parts = [one.output.partition(f"{_HOME}\n") for one in ran]
    if any(sorted(part[0].splitlines()) != sorted(parts[0][0].splitlines()) for part in parts):
        raise NodeError(
            f"nodes of the group {group} have different files of nginxws in ~/.nginxws-addresses",
            node=platform.env_name,
            hint="make the nodes alike: a clone of one that is right will do",
        )
    matches = [match for line in parts[0][0].splitlines() if (match := _LINE.fullmatch(line))]
    found = {
        match[5]: Record(tuple(match[2].split(",")), match[4], match[5], match[3] is not None)
        for match in matches
    }
    return parts[0][2].strip(), found


def keep(platform: Platform, group: str, record: Record, *, original: bool) -> None:
    """Store a record on every node; ``original``: the file as it is now is the original. Raises NodeError."""
    base = f"{_FOLDER}/{record.key}"
    copy = f"cp -p -- {shlex.quote(record.path)} {base}.original && " if original else ""
    told = f"printf '%s\\n' {shlex.quote(record.line)} >{base}.tmp && mv {base}.tmp {base}.record"
    _run(platform, group, f"umask 077; mkdir -p {_FOLDER} && {copy}{told}")


def forget(platform: Platform, group: str, path: str) -> None:
    """Remove a file's record from every node. Raises NodeError."""
    base = f"{_FOLDER}/{Record((), '', path).key}"
    _run(
        platform,
        group,
        f"rm -f {base}.record {base}.original; rmdir {_FOLDER} 2>/dev/null; ! test -e {base}.record",
    )


def _run(platform: Platform, group: str, command: str) -> None:
    failed = next((one for one in platform.run(group, command) if one.status != 0), None)
    if failed is not None:
        raise NodeError(
            f"the original text can't be kept on the nodes of the group {group}",
            node=platform.env_name,
            detail=excerpt(failed.output, _QUOTED) or None,
            hint="is the login user's home writable there, and is there space?",
        )


def with_sums(record: Record, *data: bytes) -> Record:
    """The record of a file that has one of these texts."""
    return replace(record, sums=tuple(hashlib.sha256(one).hexdigest() for one in data))
