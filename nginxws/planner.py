"""From what is wanted and a snapshot to a plan: pick the server, render, splice, prove. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from nginxws.config.blocks import BlockId, ManagedBlock
from nginxws.config.servers import ServerBlock, choose_server, is_called, named, spelling
from nginxws.config.shared import BlockIndex
from nginxws.config.splice import Splicer
from nginxws.config.tree import ConfigTree, MappingReader, load
from nginxws.conflicts import (
    elsewhere,
    refuse_drift,
    refuse_hand_written,
    refuse_unlike,
    taken_over,
)
from nginxws.errorlog import error_logs
from nginxws.errors import DriftError, ParseError, RouteConflict, ServerChoiceError
from nginxws.features import CURRENT, Features
from nginxws.plan import Action, Change, Drop, NodePlan, ProbePoint, Put, Wanted
from nginxws.probing import probe_point
from nginxws.render import RenderContext, Rendered, render
from nginxws.rewriting import Rewriting
from nginxws.sharing import Sharing
from nginxws.site import Home, Site
from nginxws.snapshot import Snapshot

__all__ = ["already_there", "error_logs", "load_tree", "make_plan", "make_whole_plan"]


def make_plan(now: Snapshot, wanted: Sequence[Wanted], *, templates: Path | None = None) -> NodePlan:
    """What has to change on the node so that it has what is wanted, and nothing else.

    ``templates`` is a folder of the user's own templates. What goes is planned before what comes.
    Raises ConfigError and its kin (ServerChoiceError, RouteConflict, DriftError) when it can't be
    done safely, InvalidInput when two of ``wanted`` speak of one location, RenderError for
    templates, SpliceError if the edit's own proof fails.
    """
    return _Planner(now, load_tree(now), templates).plan(wanted)


def make_whole_plan(now: Snapshot, wanted: Sequence[Put], *, overwrite_drift: bool = False) -> NodePlan:
    """What has to change on the node so that its managed routes are the wanted ones, and no others.

    Nothing is ever removed that doesn't carry our marker. A block that was edited by hand is left alone
    unless ``overwrite_drift``, and so is what a hand-written location is in the way of: these are changes
    called ``drift`` and ``conflict``, not errors. Raises ConfigError and its kin for the rest, as
    ``make_plan`` does.
    """
    return _Planner(now, load_tree(now), lenient=True).whole_plan(wanted, overwrite_drift)


def already_there(now: Snapshot, tree: ConfigTree) -> Callable[[Put], bool]:
    """Tells of a route whether a plan of it alone would change nothing; one look at the tree serves them all.

    What it gives raises as ``make_plan`` does.
    """
    return _Planner(now, tree).holds


def load_tree(now: Snapshot) -> ConfigTree:
    """The tree of a snapshot. Raises ConfigError when a file of it is missing or can't be parsed."""
    try:
        tree = load(now.nginx.conf, MappingReader(now.texts()))
        for problem in tree.problems:
            # A missing file is a problem of NGINX's own test; one that can't be parsed may hide a server.
            if isinstance(problem, ParseError) or now.test_failure is not None:
                raise problem
    except ParseError as error:
        hint = f"{error.hint}: the file was so before this command, which changed nothing"
        raise ParseError(error.message, file=error.file, line=error.line, hint=hint) from error
    return tree


class _Planner:
    """One run: collects changes per file, then turns them into proved edits."""

    def __init__(
        self, now: Snapshot, tree: ConfigTree, templates: Path | None = None, *, lenient: bool = False
    ) -> None:
        self.now = now
        self.tree = tree
        self.templates = templates
        self.features = Features.from_dash_v(now.nginx.dash_v) if now.nginx.dash_v else CURRENT
        self.lenient = lenient
        self.rewriting = Rewriting(tree)
        self.splicers = self.rewriting.splicers
        self.blocks = [block for splicer in self.splicers.values() for block in splicer.blocks]
        self.index = BlockIndex(self.blocks)
        self.sharing = Sharing(tree, self.rewriting, self.blocks, self.index)
        self.sites: dict[int, Site] = {}
        self.chosen: dict[str | None, ServerBlock] = {}
        self.changes: list[Change] = []
        self.probes: list[ProbePoint] = []
        self.standing: list[ProbePoint] = []
        self.gone: set[ManagedBlock] = set()
        self.homes: dict[int, Home] = {}

    def plan(self, wanted: Sequence[Wanted]) -> NodePlan:
        for drop in (one for one in wanted if isinstance(one, Drop)):
            self.drop(drop)
        for put in (one for one in wanted if isinstance(one, Put)):
            self.put(put)
        if any(change.action != "unchanged" for change in self.changes):
            self.share(any(one.overwrite_drift for one in wanted))
        return self.finished()

    def whole_plan(self, wanted: Sequence[Put], overwrite_drift: bool) -> NodePlan:
        settled = {block for want in wanted if (block := self.own_block(want)) is not None}
        for server in {id(one.directive): one for one in self.tree.http_servers()}.values():
            for path, block in self.site(server).routes.items():
                if block not in settled:
                    settled.add(block)  # servers may share it, by an include
                    with self.leaving(path):
                        self.take_out(block, self.site(server), overwrite_drift)
        for want in wanted:
            with self.leaving(want.route.path):
                self.put(want)
        if any(change.action not in ("unchanged", "drift", "conflict") for change in self.changes):
            self.share(overwrite_drift)
        return self.finished()

    def own_block(self, want: Put) -> ManagedBlock | None:
        """The managed block that a wanted route has already."""
        return self.site(self.server(want)).routes.get(want.route.path)

    @contextmanager
    def leaving(self, path: str) -> Iterator[None]:
        """Where that is wanted, a hand edit or a hand-written location becomes a change that leaves it."""
        try:
            yield
        except (DriftError, RouteConflict) as error:
            if not self.lenient:
                raise
            action: Action = "drift" if isinstance(error, DriftError) else "conflict"
            where = f"{error.file}:{error.line}"
            said = "; ".join([error.message, *(error.detail or "").splitlines(), error.hint or ""])
            self.changes.append(Change(action, path, where=where, note=said))

    def share(self, overwrite_drift: bool) -> None:
        """The blocks that routes lean on: those that are needed in, the others out."""
        self.sharing.put()
        self.sharing.drop(self.gone, overwrite_drift, self.leaving)

    def finished(self) -> NodePlan:
        """All that was collected, as a plan."""
        files = tuple(self.rewriting.files(self.now))
        mending = self.sharing.mending(
            refused=self.now.test_failure is not None, changing=bool(files), gone=self.gone
        )
        return NodePlan(
            node=self.now.node,
            changes=tuple(self.placed(number, change) for number, change in enumerate(self.changes)),
            files=files,
            probes=tuple(self.probes),
            standing=tuple(self.standing),
            base=tuple((file.real, file.sha256) for file in self.now.files),
            contexts={path: file.contexts for path, file in self.tree.files.items()},
            error_logs=error_logs(self.now, self.tree),
            test_refused=self.now.test_failure is not None,
            mends=mending.mends,
            lacking=mending.lacking,
            remedy=mending.remedy,
        )

    def site(self, server: ServerBlock) -> Site:
        key = id(server.directive)
        if key not in self.sites:
            self.sites[key] = Site(server, self.splicers[server.file.path], self.index)
        return self.sites[key]

    def server(self, want: Put) -> ServerBlock:
        """The server block that is meant, chosen once."""
        wanted = want.server
        if wanted is None and want.domain is not None and is_called(self.tree, want.domain):
            wanted = want.domain
        if wanted not in self.chosen:
            self.chosen[wanted] = choose_server(self.tree, wanted)
        return self.chosen[wanted]

    # --- one route ---------------------------------------------------------------------------

    def put(self, want: Put) -> None:
        route = want.route
        site = self.site(self.server(want))
        for modifier, path in route.locations:
            site.claim(modifier, path, route.path)
        context = RenderContext(site.headers, self.features)
        rendered = render(route, context, want.templates or self.templates)
        self.sharing.refuse_drifted(rendered, want.overwrite_drift)
        action, splicer = self.write(want, site, rendered)
        home = Home(BlockId("route", route.path), splicer.document, site.server.directive)
        self.homes[len(self.changes)] = home
        self.changes.append(Change(action, route.path, site.server.label))
        self.sharing.need(rendered, site)
        point = probe_point(route, site.server, want.server)
        (self.standing if action == "unchanged" else self.probes).append(point)

    def holds(self, want: Put) -> bool:
        """Whether the route is there already, just so, with all that it leans on. Nothing is noted."""
        block = self.own_block(want)
        if block is None:
            return False
        context = RenderContext(self.site(self.server(want)).headers, self.features)
        rendered = render(want.route, context, want.templates or self.templates)
        return block.holds(rendered.location) and self.sharing.intact(rendered)

    def write(self, want: Put, site: Site, rendered: Rendered) -> tuple[Action, Splicer]:
        """Put the route's block where it belongs: over its own, over a hand-written location, or anew.

        What that is called, and the file's splicer.
        """
        block_id = BlockId("route", want.route.path)
        block = site.routes.get(want.route.path)
        block = None if block in self.gone else block
        hand = taken_over(want, site.locations, block, self.index.owner, self.gone)
        splicer = site.splicer if block is None else self.splicers[block.file]
        if block is not None:
            refuse_drift(block, want.overwrite_drift)
            if not splicer.replace(block, rendered.location):
                return "unchanged" if self.sharing.intact(rendered) else "change", splicer
            self.gone.add(block)
        elif hand is not None:
            if not want.replace:
                refuse_unlike(hand, site.server, rendered.location)
            splicer = self.splicers[hand.file.path]
            splicer.adopt(hand.directive, block_id, rendered.location)
        else:
            splicer.insert(site.anchor, block_id, rendered.location)
        self.rewriting.note(splicer, block_id, rendered.location)
        return "add" if block is None and hand is None else "change", splicer

    def drop(self, want: Drop) -> None:
        sites = [self.site(server) for server in self.meant(want)]
        found = {site.routes[want.path]: site for site in sites if want.path in site.routes}
        if len(found) > 1:
            raise self.which(want.path, found)
        if not found:
            if not want.managed_only:
                refuse_hand_written(want.path, (site.locations for site in sites), self.index.owner)
            self.changes.append(Change("unchanged", want.path, note=elsewhere(want.path, self.blocks)))
        for block, site in found.items():
            self.take_out(block, site, want.overwrite_drift)

    def meant(self, want: Drop) -> Sequence[ServerBlock]:
        """The servers that a route may have to leave."""
        if want.server is None:
            return self.tree.http_servers()
        try:
            return named(self.tree, want.server)
        except ServerChoiceError:
            if not want.managed_only:
                raise
            return ()

    def take_out(self, block: ManagedBlock, site: Site, overwrite_drift: bool) -> None:
        """Remove a managed route."""
        refuse_drift(block, overwrite_drift)
        self.splicers[block.file].remove(block)
        self.gone.add(block)
        where = f"{block.file}:{block.line}"
        self.changes.append(Change("remove", block.id.name, site.server.label, where))

    def which(self, path: str, found: Mapping[ManagedBlock, Site]) -> ServerChoiceError:
        servers = self.tree.http_servers()
        places = "".join(
            f"\n  --server {shlex.quote(spelling(servers, site.server))}  ({block.file}:{block.line})"
            for block, site in found.items()
        )
        return ServerChoiceError(
            f"{len(found)} servers have a managed route {path}", hint=f"say which one{places}"
        )

    def placed(self, number: int, change: Change) -> Change:
        """The change with its ``file:line`` as that will be."""
        home = self.homes.get(number)
        return change if home is None else replace(change, where=self.rewriting.where(home))
