"""Routes into every server block of a file, alone and all at once, and out again: the bytes must return."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from support.splices import verify_bytes

from corpus.tokens import Broken
from nginxws.config.anchors import http_insertion_point, insertion_point
from nginxws.config.blocks import BlockId
from nginxws.config.document import Document, parse
from nginxws.config.servers import ServerBlock
from nginxws.config.splice import Splicer
from nginxws.config.tree import MappingReader, load
from nginxws.errors import NginxwsError, SpliceError

# A leading dot is out of every glob, so that `include *.conf` in the file doesn't find the file itself.
NAME = "/corpus/.file.conf"
BODY = """location ^~ {path} {{
    proxy_pass http://127.0.0.1:8080;
    proxy_set_header Upgrade $nginxws_upgrade;
}}"""
UPSTREAM = "upstream {name} {{\n    server 127.0.0.1:8080;\n}}"

ALONE = 25
"""Servers tried one by one, spread over the file; the rest take part in the run with all at once."""
LARGE = 200_000
"""Bytes beyond which three are enough, taken out in one go: each try parses the file several times."""


@dataclass(slots=True)
class Result:
    """``servers``: how many were found; ``problems``: why no route could be put in, no byte changed."""

    servers: int = 0
    problems: list[str] = field(default_factory=list)


def check_reversible(data: bytes) -> Result:
    """Raises Broken where the bytes don't come back, or where the splice's own proof fails."""
    result = Result()
    try:
        tree = load(NAME, MappingReader({NAME: data}))
        servers = tree.http_servers()
        result.servers = len(servers)
        document = tree.main_file.document
        alone = 3 if len(data) > LARGE else ALONE
        for server in servers[:: -(-len(servers) // alone) or 1]:
            _there_and_back(document, [server], f"server of line {server.line}")
        if servers:
            _there_and_back(document, servers, "all servers at once")
    except SpliceError as error:
        raise Broken(f"the splice's own proof failed: {error}") from error
    except NginxwsError as error:
        result.problems.append(str(error).removeprefix(NAME))
    return result


def _there_and_back(document: Document, servers: Sequence[ServerBlock], where: str) -> None:
    """In: two routes a server and an upstream. Out: everything in one go, then one by one in both orders."""
    splicer = Splicer(document)
    known = {block.id for block in splicer.blocks}
    added = []
    for server in servers:
        for path in ("/nginxws-corpus/", "/nginxws-corpus/two/"):
            added.append(BlockId("route", path))
            splicer.insert(insertion_point(server, splicer.blocks), added[-1], BODY.format(path=path))
    added.append(BlockId("upstream", "nginxws_corpus"))
    splicer.insert(http_insertion_point(servers[0]), added[-1], UPSTREAM.format(name=added[-1].name))
    if known & set(added):
        raise Broken("the file holds the corpus check's own blocks")
    spliced = splicer.apply()
    verify_bytes(document.data, spliced, NAME)
    in_place = [
        directive
        for directive in parse(spliced, NAME).walk()
        if directive.words[:2] == (b"location", b"^~") and directive.args[1].startswith(b"/nginxws-corpus/")
    ]
    if len(in_place) != 2 * len(servers) or any(
        d.parent is None or d.parent.name != b"server" for d in in_place
    ):
        raise Broken(f"{where}: the routes aren't where they belong")
    few = len(added) <= 7 and len(document.data) <= LARGE
    orders: list[int | None] = [None, 0, -1] if few else [None]
    for which in orders:
        if _without(spliced, set(added), which) != document.data:
            raise Broken(f"{where}: put in and taken out, the file is another one")


def _without(data: bytes, ids: set[BlockId], which: int | None) -> bytes:
    """The bytes without these blocks: all at once, or one after the other from either end."""
    while True:
        splicer = Splicer(parse(data, NAME))
        ours = [block for block in splicer.blocks if block.id in ids]
        if not ours:
            return data
        for block in ours if which is None else [ours[which]]:
            splicer.remove(block)
        data = splicer.apply()
