"""Blocks in and out of one file, as tests want it, and the proof of a change on bytes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from nginxws.config.anchors import Anchor, http_insertion_point, insertion_point
from nginxws.config.blocks import BlockId, ManagedBlock, find_blocks
from nginxws.config.document import Directive, Document, Span, parse
from nginxws.config.proof import cut, verify
from nginxws.config.servers import ServerBlock
from nginxws.config.splice import Edit, Splicer
from nginxws.config.tree import MappingReader, load
from nginxws.errors import ParseError, SpliceError


def insert_block(document: Document, anchor: Anchor, block_id: BlockId, body: str) -> Edit:
    """One new block."""
    splicer = Splicer(document)
    splicer.insert(anchor, block_id, body)
    return splicer.edits()[0]


def replace_block(document: Document, block: ManagedBlock, body: str) -> Edit | None:
    """Another body for one block; None when it holds this one already: spliced twice is spliced once."""
    splicer = Splicer(document)
    return splicer.edits()[0] if splicer.replace(block, body) else None


def remove_block(document: Document, block: ManagedBlock) -> Edit:
    """One block taken out."""
    splicer = Splicer(document)
    splicer.remove(block)
    return splicer.edits()[0]


def replace_directive(
    document: Document, directive: Directive, block_id: BlockId, body: str
) -> tuple[Edit, Span]:
    """A block in the place of a hand-written directive: the edit, and the foreign bytes it takes out."""
    splicer = Splicer(document)
    splicer.adopt(directive, block_id, body)
    return splicer.edits()[0], splicer.taken[0]


def strip(document: Document, taken: Sequence[Span] = ()) -> bytes:
    """The document's bytes without its managed blocks, and without the ``taken`` spans."""
    return cut(document.data, [*(block.span for block in find_blocks(document)), *taken])


def verify_bytes(before: bytes, after: bytes, name: str, *, taken: Sequence[Span] = ()) -> None:
    """``verify`` for bytes; a result that can't be parsed is a SpliceError as well."""
    try:
        result = parse(after, name)
    except ParseError as error:
        raise SpliceError(f"the change would break the file: {error.message}", hint="see it") from error
    verify(parse(before, name), result, taken=taken)


MAPS = "map $http_upgrade $nginxws_upgrade {\n    default '';\n}"
INCLUDED = {"sites.inc": b"location /a { }", "ssl.inc": b"ssl_protocols TLSv1.3;"}


def location(path: str, note: str = "1.1") -> str:
    return f"location ^~ {path} {{\n    proxy_pass http://10.0.0.5:8080;\n    proxy_http_version {note};\n}}"


def route(path: str) -> BlockId:
    return BlockId("route", path)


def first_server(data: bytes) -> ServerBlock:
    return load("site.conf", MappingReader({**INCLUDED, "site.conf": data})).http_servers()[0]


def put(data: bytes, *paths: str, maps: bool = False) -> bytes:
    """Blocks at the server's insertion point, all in one go."""
    server = first_server(data)
    splicer = Splicer(server.file.document)
    anchor = insertion_point(server, splicer.blocks)
    for path in paths:
        splicer.insert(anchor, route(path), location(path))
    if maps:
        splicer.insert(http_insertion_point(server), BlockId("map", "websocket"), MAPS)
    return splicer.apply()


def take(data: bytes, *ids: BlockId) -> bytes:
    """Blocks taken out, all in one go."""
    splicer = Splicer(parse(data, "site.conf"))
    for block in splicer.blocks:
        if block.id in ids:
            splicer.remove(block)
    return splicer.apply()


def written(data: bytes) -> list[str]:
    return [str(block.id) for block in find_blocks(parse(data, "site.conf"))]


def check(before: bytes, after: bytes, taken: Sequence[Span] = ()) -> None:
    """What must hold for every result."""
    verify_bytes(before, after, "site.conf", taken=taken)
    document = parse(after, "site.conf")
    assert not any(block.drifted for block in find_blocks(document))
    for block in find_blocks(document):
        lines = after[block.span.start : block.span.end].strip().split(b"\n")
        assert all(line.strip() for line in lines)
        assert all(one != other for one, other in pairwise(lines))
