"""Blocks in http context that routes lean on, maps and upstreams, in one run of the planner. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple

from nginxws.config.anchors import Anchor, http_insertion_point, insertion_after, late_map_hash
from nginxws.config.blocks import BlockId, ManagedBlock
from nginxws.config.servers import ServerBlock
from nginxws.config.shared import MAP_NAMES, MAPS, BlockIndex, foreign_definitions, references, unmet
from nginxws.config.splice import Splicer
from nginxws.config.tree import ConfigTree
from nginxws.conflicts import refuse_drift, way_back
from nginxws.errors import ConfigError
from nginxws.render import Rendered
from nginxws.rewriting import Rewriting
from nginxws.site import Site, shared_texts


class Mending(NamedTuple):
    """Whether missing shared blocks come back, or aren't needed any more; which stay missing; what helps."""

    mends: bool
    lacking: tuple[str, ...]
    remedy: str


class _Need(NamedTuple):
    """A shared block that a wanted route leans on."""

    text: str
    site: Site


class Sharing:
    """The shared blocks that there are, and those that will be needed."""

    def __init__(
        self, tree: ConfigTree, rewriting: Rewriting, blocks: Sequence[ManagedBlock], index: BlockIndex
    ) -> None:
        self.tree = tree
        self.rewriting = rewriting
        self.splicers = rewriting.splicers
        self.blocks = blocks
        self.index = index
        self.shared = [block for block in blocks if block.id == MAPS or block.id.kind == "upstream"]
        self.known = {block.id: block for block in self.shared}
        self.needs: dict[BlockId, _Need] = {}

    def intact(self, rendered: Rendered) -> bool:
        """Whether all that the route leans on is there, as it should be."""
        return all(
            block_id in self.known and self.known[block_id].holds(text)
            for block_id, text in shared_texts(rendered)
        )

    def refuse_drifted(self, rendered: Rendered, overwrite_drift: bool) -> None:
        """Before anything is changed for it: a block that the route leans on isn't as we wrote it."""
        for block_id, text in shared_texts(rendered):
            known = self.known.get(block_id)
            if known is not None and not known.holds(text):
                refuse_drift(known, overwrite_drift)

    def need(self, rendered: Rendered, site: Site) -> None:
        """A route of the plan leans on these."""
        for block_id, text in shared_texts(rendered):
            self.needs.setdefault(block_id, _Need(text, site))

    def put(self) -> None:
        """Put in the maps and upstreams that routes need, once."""
        foreign = foreign_definitions(self.tree, self.blocks) if self.needs else []
        if foreign:
            raise ConfigError(
                "this hand-written directive defines a name that nginxws keeps for itself",
                file=foreign[0].file.path,
                line=foreign[0].directive.line,
                hint="rename what begins with nginxws_ there",
            )
        for block_id, need in self.needs.items():
            known = self.known.get(block_id)
            if known is None:
                splicer, anchor = self._room(block_id, need.site)
                splicer.insert(anchor, block_id, need.text)
                self.rewriting.note(splicer, block_id, need.text)
                continue
            if self.splicers[known.file].replace(known, need.text):
                self.rewriting.note(self.splicers[known.file], block_id, need.text)

    def _room(self, block_id: BlockId, site: Site) -> tuple[Splicer, Anchor]:
        """Where a new shared block goes: before the server, the maps after all that sets their hashes."""
        server: ServerBlock = site.server
        late = late_map_hash(server) if block_id == MAPS else None
        if late is None:
            return site.splicer, http_insertion_point(server)
        splicer = self.splicers[late.file.path]
        return splicer, insertion_after(splicer.document, late.directive, splicer.blocks)

    def drop(
        self,
        gone: Collection[ManagedBlock],
        overwrite_drift: bool,
        leaving: Callable[[str], AbstractContextManager[None]],
    ) -> None:
        """Take out the maps and upstreams that nothing needs any more.

        ``leaving`` is around each, by its name: there a hand edit may become a change that leaves it.
        """
        unneeded = [block for block in self.shared if block.id not in self.needs]
        used = references(self.tree, [*gone, *self.shared]) if unneeded else set()
        for block in unneeded:
            names = MAP_NAMES if block.id == MAPS else {block.id.name.encode()}
            if not names & used:
                with leaving(str(block.id)):
                    refuse_drift(block, overwrite_drift)
                    self.splicers[block.file].remove(block)

    def mending(self, *, refused: bool, changing: bool, gone: Collection[ManagedBlock]) -> Mending:
        """What the plan does for routes that lack a shared block.

        ``refused``: NGINX's own test fails; ``changing``: the plan changes files at all.
        """
        missing = unmet(self.tree, self.index, self.known) if refused else []
        left = [(block, need) for block, need in missing if block not in gone and need not in self.needs]
        lacking = (f"{block.file}:{block.line}: {block.id} needs {need}" for block, need in left)
        mends = changing and bool(missing) and not left
        return Mending(mends, tuple(lacking), way_back(missing) if left else "")
