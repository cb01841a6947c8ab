"""Files of a group's nodes, which are to have the same: read and written as text, proved as bytes.

File.Read gives text of one node. So what was read or written is held against the checksums that every node
of the group computes of its own files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from nginxws.errors import NodeError
from nginxws.providers.jelastic.calls import Platform


def unlike(platform: Platform, group: str, wanted: Mapping[str, str]) -> list[str]:
    """The paths whose sha256 isn't the wanted one on every node."""
    found = platform.sums(group, list(wanted))
    return [path for path, digest in wanted.items() if any(one.get(path) != digest for one in found)]


def read(platform: Platform, group: str, paths: Sequence[str]) -> dict[str, bytes | None]:
    """Each file's bytes, None where no node has it.

    Raises NodeError when nodes differ, or when text can't be told from bytes.
    """
    if not paths:
        return {}
    sums = platform.sums(group, paths)
    return {path: _read(platform, group, path, [one.get(path) for one in sums]) for path in paths}


def _read(platform: Platform, group: str, path: str, sums: Sequence[str | None]) -> bytes | None:
    if not any(sums):
        return None
    data = platform.read(group, path).encode("utf-8", "surrogatepass")
    if any(one != hashlib.sha256(data).hexdigest() for one in sums):
        raise differing(group, path)
    return data


def differing(group: str, path: str, node: str | None = None) -> NodeError:
    """The error for a file that isn't the same on each node."""
    return NodeError(
        f"the file's text isn't the same on each node of the group {group}, or isn't UTF-8",
        node=node,
        file=path,
        hint="make the nodes alike, or use them over SSH: there bytes are bytes",
    )


def write(platform: Platform, group: str, path: str, data: bytes, node: str | None = None) -> None:
    """Write a file on every node, and read it back: text by the API, its checksum by every node.

    Raises NodeError when it isn't there as it was sent.
    """
    text = data.decode("utf-8")
    platform.write(group, path, text)
    digest = hashlib.sha256(data).hexdigest()
    if platform.read(group, path) != text or unlike(platform, group, {path: digest}):
        raise NodeError(
            "the platform didn't write the file as it was sent",
            node=node,
            file=path,
            hint="is there space on the node's disk, and may its login user write it?",
        )
