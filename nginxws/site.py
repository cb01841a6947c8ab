"""What planning asks of one server block, and what its routes lean on in http context. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property, lru_cache
from typing import NamedTuple

from nginxws.config.anchors import Anchor, insertion_point
from nginxws.config.blocks import BlockId, ManagedBlock
from nginxws.config.document import Directive, Document
from nginxws.config.matching import LocationKey, Locations
from nginxws.config.octets import to_text
from nginxws.config.servers import ServerBlock, inherited
from nginxws.config.shared import MAPS, BlockIndex
from nginxws.config.splice import Splicer
from nginxws.errors import InvalidInput
from nginxws.render import Rendered


class Site:
    """A server block and what planning asks of it, found out once however many routes it gets."""

    def __init__(self, server: ServerBlock, splicer: Splicer, index: BlockIndex) -> None:
        self.server = server
        self.splicer = splicer
        self.index = index
        self.claimed: dict[LocationKey, str] = {}

    @cached_property
    def locations(self) -> Locations:
        """The server's locations, as NGINX chooses between them."""
        return Locations.of(self.server)

    @cached_property
    def anchor(self) -> Anchor:
        """Where a new route's block goes."""
        return insertion_point(self.server, self.splicer.blocks)

    @cached_property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """Name and value of every ``proxy_set_header`` that a location here inherits."""
        found = (one.directive.words for one in inherited(self.server, b"proxy_set_header"))
        return tuple((to_text(words[1]), to_text(words[2])) for words in found if len(words) == 3)

    @cached_property
    def routes(self) -> dict[str, ManagedBlock]:
        """Managed routes by path: those in the server block itself, and those in what it includes."""
        server = self.server
        included = (self.index.owner(one) for one in server.locations if one.file is not server.file)
        own = (block for block in self.splicer.blocks if block.server is server.directive)
        blocks = (*(block for block in included if block is not None), *own)
        return {block.id.name: block for block in blocks if block.id.kind == "route"}

    def claim(self, modifier: str, path: str, route: str) -> None:
        """Note that a route of this plan takes a location. Raises InvalidInput when another has it."""
        key = LocationKey("" if modifier == "^~" else modifier, path)
        if key in self.claimed:
            raise InvalidInput(
                f"two wanted routes of {self.server.label} are the location {key}: "
                f"{self.claimed[key]} and {route}",
                hint="leave one of them out",
            )
        self.claimed[key] = route


def shared_texts(rendered: Rendered) -> Iterator[tuple[BlockId, str]]:
    """The blocks in http context that a rendered route leans on."""
    if rendered.maps is not None:
        yield MAPS, rendered.maps
    if rendered.upstream is not None:
        name, text = rendered.upstream
        yield BlockId("upstream", name), text


class Home(NamedTuple):
    """What a managed block is, the file that holds it, and the server it belongs to as that stands now."""

    id: BlockId
    document: Document
    server: Directive


class Whereabouts:
    """Where blocks will be, once ``changed`` has told of every file that gets other bytes."""

    def __init__(self) -> None:
        self._blocks: dict[str, dict[BlockId, list[ManagedBlock]]] = {}

    def changed(self, path: str, blocks: Iterable[ManagedBlock]) -> dict[BlockId, list[ManagedBlock]]:
        """Take the blocks of a file's new text, and give them by what they are."""
        found = self._blocks[path] = {}
        for block in blocks:
            found.setdefault(block.id, []).append(block)
        return found

    def where(self, home: Home, splicer: Splicer) -> str:
        """``file:line`` of the begin marker; ``splicer`` is that of the home's file."""
        path = home.document.name
        known = self._blocks[path] if path in self._blocks else self.changed(path, splicer.blocks)
        blocks = known[home.id]
        if len(blocks) > 1:  # servers keep their order, whatever else changes
            number = _servers(home.document)[id(home.server)]
            blocks = [one for one in blocks if _servers(one.document).get(id(one.server)) == number]
        return f"{blocks[0].file}:{blocks[0].line}"


@lru_cache(maxsize=8)
def _servers(document: Document) -> dict[int, int]:
    """The number of each server block of a file."""
    servers = (one for one in document.walk() if one.name == b"server" and one.body is not None)
    return {id(one): number for number, one in enumerate(servers)}
