"""Put routes into every server block of a file, alone and all at once, and take them out: the bytes must return."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tokens import Broken

from nginxws.config.document import Document, parse
from nginxws.config.servers import ServerBlock
from nginxws.config.splice import BlockId, Splicer, http_insertion_point, insertion_point, verify
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
"""Servers tried one by one, spread over the file; a file with more gets the rest in the run with all at once."""


@dataclass(slots=True)
class Result:
    """``servers``: how many were found; ``problems``: why a route couldn't be put in, with no byte changed."""

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
        for server in servers[:: max(1, len(servers) // ALONE)]:
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
    verify(document.data, spliced, NAME)
    if len(spliced) <= len(document.data):
        raise Broken(f"{where}: nothing was put in")
    orders = [None] if len(added) > 7 else [None, 0, -1]
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
