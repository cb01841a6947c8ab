"""From what is wanted and a snapshot to a plan: pick the server, render, splice, prove. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from nginxws.config.blocks import BlockId, ManagedBlock, find_blocks
from nginxws.config.document import Document, parse
from nginxws.config.matching import LocationKey, Locations
from nginxws.config.proof import verify
from nginxws.config.servers import ServerBlock, choose_server, inherited, named, spelling
from nginxws.config.shared import BlockIndex, foreign_definitions, references
from nginxws.config.splice import Anchor, Splicer, apply_edits, http_insertion_point, insertion_point
from nginxws.config.tree import ConfigTree, Located, MappingReader, load
from nginxws.conflicts import refuse_drift, refuse_hand_written, refuse_unlike, taken_over
from nginxws.errorlog import error_logs
from nginxws.errors import ConfigError, InvalidInput, ParseError, ServerChoiceError, SpliceError
from nginxws.features import CURRENT, Features
from nginxws.plan import Action, Change, Drop, FilePlan, NodePlan, ProbePoint, Put, Wanted
from nginxws.probing import probe_point
from nginxws.render import RenderContext, Rendered, render
from nginxws.snapshot import Snapshot

__all__ = ["error_logs", "load_tree", "make_plan"]

MAPS = BlockId("map", "websocket")
#: Names that the maps block defines.
MAP_NAMES = frozenset({b"nginxws_upgrade", b"nginxws_connection"})
_BUG = "nothing was changed; please report this as a bug"


def make_plan(now: Snapshot, wanted: Sequence[Wanted], *, templates: Path | None = None) -> NodePlan:
    """What has to change on the node so that it has what is wanted, and nothing else.

    ``templates`` is a folder of the user's own templates. What goes is planned before what comes.
    Raises ConfigError and its kin (ServerChoiceError, RouteConflict, DriftError) when it can't be
    done safely, InvalidInput when two of ``wanted`` speak of one location, RenderError for
    templates, SpliceError if the edit's own proof fails.
    """
    return _Planner(now, load_tree(now), templates).plan(wanted)


def load_tree(now: Snapshot) -> ConfigTree:
    """The tree of a snapshot. Raises ConfigError when a file of it is missing or can't be parsed."""
    tree = load(now.nginx.conf, MappingReader(now.texts()))
    for problem in tree.problems:
        # A missing file is a problem of NGINX's own test; one that can't be parsed may hide a server.
        if isinstance(problem, ParseError) or now.test_failure is not None:
            raise problem
    return tree


class _Site:
    """A server block and what planning asks of it, found out once however many routes it gets."""

    def __init__(self, server: ServerBlock, splicer: Splicer, index: BlockIndex) -> None:
        self.server = server
        self.splicer = splicer
        self.index = index
        self.claimed: dict[LocationKey, str] = {}

    @cached_property
    def locations(self) -> Locations:
        return Locations.of(self.server)

    @cached_property
    def anchor(self) -> Anchor:
        return insertion_point(self.server, self.splicer.blocks)

    @cached_property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """Name and value of every ``proxy_set_header`` that a location here inherits."""
        found = (one.directive.words for one in inherited(self.server, b"proxy_set_header"))
        return tuple((_text(words[1]), _text(words[2])) for words in found if len(words) == 3)

    @cached_property
    def routes(self) -> dict[str, ManagedBlock]:
        """Managed routes by path: those in the server block itself, and those that its includes bring."""
        owners = map(self.index.owner, self.server.locations)
        blocks = [*(block for block in owners if block is not None), *self.splicer.blocks]
        return {
            block.id.name: block
            for block in blocks
            if block.id.kind == "route" and block.server in (None, self.server.directive)
        }

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


class _Need(NamedTuple):
    """A shared block that a wanted route leans on."""

    text: str
    site: _Site
    overwrite_drift: bool


class _Planner:
    """One run: collects changes per file, then turns them into proved edits."""

    def __init__(self, now: Snapshot, tree: ConfigTree, templates: Path | None) -> None:
        self.now = now
        self.tree = tree
        self.templates = templates
        self.features = Features.from_dash_v(now.nginx.dash_v) if now.nginx.dash_v else CURRENT
        self.splicers = {path: Splicer(file.document) for path, file in tree.files.items()}
        self.blocks = [block for splicer in self.splicers.values() for block in splicer.blocks]
        self.index = BlockIndex(self.blocks)
        self.shared = [block for block in self.blocks if block.id == MAPS or block.id.kind == "upstream"]
        self.known = {block.id: block for block in self.shared}
        self.sites: dict[int, _Site] = {}
        self.chosen: dict[str | None, ServerBlock] = {}
        self.changes: list[Change] = []
        self.probes: list[ProbePoint] = []
        self.gone: list[ManagedBlock] = []
        self.needs: dict[BlockId, _Need] = {}
        self.written: dict[str, list[tuple[BlockId, str]]] = {}

    def plan(self, wanted: Sequence[Wanted]) -> NodePlan:
        for drop in (one for one in wanted if isinstance(one, Drop)):
            self.drop(drop)
        for put in (one for one in wanted if isinstance(one, Put)):
            self.put(put)
        if any(change.action != "unchanged" for change in self.changes):
            self.put_shared()
            self.drop_shared(any(one.overwrite_drift for one in wanted))
        return NodePlan(
            node=self.now.node,
            changes=tuple(self.changes),
            files=tuple(self.files()),
            probes=tuple(self.probes),
            base=tuple((file.real, file.sha256) for file in self.now.files),
            contexts={path: file.contexts for path, file in self.tree.files.items()},
            error_logs=error_logs(self.now, self.tree),
            test_refused=self.now.test_failure is not None,
        )

    def site(self, server: ServerBlock) -> _Site:
        return self.sites.setdefault(
            id(server.directive), _Site(server, self.splicers[server.file.path], self.index)
        )

    # --- one route ---------------------------------------------------------------------------

    def put(self, want: Put) -> None:
        route = want.route
        if want.server not in self.chosen:
            self.chosen[want.server] = choose_server(self.tree, want.server)
        site = self.site(self.chosen[want.server])
        for modifier, path in route.locations:
            site.claim(modifier, path, route.path)
        rendered = render(route, RenderContext(site.headers, self.features), self.templates)
        action = self.write(want, site, rendered)
        self.changes.append(Change(action, route.path, site.server.label, site.server.where))
        for block_id, text in _shared_texts(rendered):
            self.needs.setdefault(block_id, _Need(text, site, want.overwrite_drift))
        if action != "unchanged":
            self.probes.append(probe_point(route, site.server, want.server))

    def write(self, want: Put, site: _Site, rendered: Rendered) -> Action:
        """Put the route's block where it belongs: over its own, over a hand-written location, or anew."""
        block_id = BlockId("route", want.route.path)
        block = site.routes.get(want.route.path)
        block = None if block in self.gone else block
        hand = taken_over(want, site.server, site.locations, block, self.owner)
        splicer = site.splicer if block is None else self.splicers[block.file]
        if block is not None:
            refuse_drift(block, want.overwrite_drift)
            if not splicer.replace(block, rendered.location):
                return "unchanged" if self.intact(rendered) else "change"
            self.gone.append(block)
        elif hand is not None:
            if not want.replace:
                refuse_unlike(hand, site.server, rendered.location)
            splicer = self.splicers[hand.file.path]
            splicer.adopt(hand.directive, block_id, rendered.location)
        else:
            splicer.insert(site.anchor, block_id, rendered.location)
        self.note(splicer, block_id, rendered.location)
        return "add" if block is None and hand is None else "change"

    def owner(self, located: Located) -> ManagedBlock | None:
        """The managed block that a location stands in, unless it goes in this plan."""
        return self.index.owner(located)
