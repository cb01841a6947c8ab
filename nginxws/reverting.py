"""Our blocks of one file made what they were in an earlier text of it; everybody else's bytes stay. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from nginxws.config.anchors import (
    Anchor,
    http_insertion_point,
    insertion_after,
    insertion_point,
    late_map_hash,
)
from nginxws.config.blocks import BlockId, ManagedBlock, find_blocks
from nginxws.config.document import Directive, Document, parse
from nginxws.config.octets import to_text
from nginxws.config.proof import verify
from nginxws.config.shared import MAPS
from nginxws.config.splice import Edit, Splicer, apply_edits
from nginxws.config.tree import ConfigTree
from nginxws.conflicts import refuse_drift
from nginxws.errors import ConfigError, DriftError

#: A block, and what tells its server from others that have one of the same name; no words where none has.
_Place = tuple[BlockId, tuple[bytes, ...]]
_Key = Callable[[ManagedBlock], _Place]


def reverting(tree: ConfigTree, path: str, then: Document, *, overwrite_drift: bool = False) -> list[Edit]:
    """Edits of a file of the tree after which it has the blocks that it had ``then``.

    Raises DriftError when a block that would go was edited by hand and that isn't to be given up, or one
    that would come back had been; ConfigError when the server that it was in can't be told any more;
    SpliceError when the edit's own proof fails.
    """
    document = tree.files[path].document
    splicer = Splicer(document)
    old = find_blocks(then)
    key = _places(splicer.blocks, old)
    ours, theirs = {key(block): block for block in splicer.blocks}, {key(block): block for block in old}
    for place, block in ours.items():
        if place not in theirs:
            refuse_drift(block, overwrite_drift)
            splicer.remove(block)
        elif not block.holds(body := _body(theirs[place])):
            refuse_drift(block, overwrite_drift)
            _refuse_edited_then(theirs[place])
            splicer.replace(block, body)
    for place, block in theirs.items():
        if place not in ours:
            _refuse_edited_then(block)
            splicer.insert(_anchor(tree, path, block, splicer.blocks), block.id, _body(block))
    edits = splicer.edits()
    verify(document, parse(apply_edits(document.data, edits), path), known=splicer.blocks)
    return edits


def _places(*texts: Sequence[ManagedBlock]) -> _Key:
    """How blocks of two texts are matched: by name, and by server where one text has two of that name."""
    several = {id_ for blocks in texts for id_, n in Counter(block.id for block in blocks).items() if n > 1}
    return lambda block: (block.id, _called(block.server) if block.id in several else ())


def _called(server: Directive | None) -> tuple[bytes, ...]:
    """What tells a server from the others of its file, whatever else is changed in it."""
    children = () if server is None else server.children
    telling = (child for child in children if child.name in (b"listen", b"server_name"))
    return tuple(sorted(b" ".join(child.words) for child in telling))


def _refuse_edited_then(block: ManagedBlock) -> None:
    """Only what nginxws wrote comes back as its own: a hand edit of then would pass for that."""
    if block.drifted:
        raise DriftError(
            f"the managed block of {block.id} had been edited by hand then, and can't come back as ours",
            file=block.file,
            hint="`nginxws history show REVISION` prints it; nothing was changed",
        )


def _anchor(tree: ConfigTree, path: str, block: ManagedBlock, known: Sequence[ManagedBlock]) -> Anchor:
    """Where a block that comes back goes, by the rules for a new one."""
    servers = {id(server.directive): server for server in tree.http_servers()}  # one may be included twice
    here = [server for server in servers.values() if server.file.path == path]
    if block.server is not None:
        called = _called(block.server)
        meant = [server for server in here if _called(server.directive) == called]
        if len(meant := meant or here) == 1:
            return insertion_point(meant[0], known)
        raise _no_server(path, block)
    if not here:
        raise _no_server(path, block)
    first = min(here, key=lambda server: server.directive.start)
    late = late_map_hash(first) if block.id == MAPS else None
    if late is not None and late.file.path == path:
        return insertion_after(late.file.document, late.directive, known)
    return http_insertion_point(first)


def _no_server(path: str, block: ManagedBlock) -> ConfigError:
    return ConfigError(
        f"which server the block of {block.id} was in can't be told any more",
        file=path,
        hint="nothing was changed; put the route on anew with add-route",
    )


def _body(block: ManagedBlock) -> str:
    """A block's lines as a template would have them: without the indentation of its place."""
    lines = block.body.replace(b"\r\n", b"\n").split(b"\n")
    bare = (line.removeprefix(block.indent) for line in lines)
    text = b"\n".join(_spaces(line) for line in bare)
    return to_text(text)


def _spaces(line: bytes) -> bytes:
    tabs = len(line) - len(line.lstrip(b"\t"))
    return b"    " * tabs + line[tabs:]
