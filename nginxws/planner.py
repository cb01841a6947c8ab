"""From what is wanted and a snapshot to a plan: pick the server, render, splice, prove. Pure."""

from __future__ import annotations

import posixpath
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from nginxws.config.anchors import Anchor, insertion_after, late_map_hash
from nginxws.config.blocks import BlockId, ManagedBlock
from nginxws.config.document import parse
from nginxws.config.proof import verify
from nginxws.config.servers import ServerBlock, choose_server, named, spelling
from nginxws.config.shared import (
    MAP_NAMES,
    MAPS,
    BlockIndex,
    foreign_definitions,
    references,
    unmet,
)
from nginxws.config.splice import Splicer, apply_edits, http_insertion_point
from nginxws.config.tree import ConfigTree, MappingReader, load
from nginxws.conflicts import elsewhere, refuse_drift, refuse_hand_written, refuse_unlike, taken_over
from nginxws.errorlog import error_logs
from nginxws.errors import ConfigError, ParseError, ServerChoiceError, SpliceError
from nginxws.features import CURRENT, Features
from nginxws.plan import Action, Change, Drop, FilePlan, NodePlan, ProbePoint, Put, Wanted
from nginxws.probing import probe_point
from nginxws.render import RenderContext, Rendered, render
from nginxws.site import Home, Site, Whereabouts, shared_texts
from nginxws.snapshot import Snapshot

__all__ = ["error_logs", "load_tree", "make_plan"]

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


class _Need(NamedTuple):
    """A shared block that a wanted route leans on."""

    text: str
    site: Site
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
        self.sites: dict[int, Site] = {}
        self.chosen: dict[str | None, ServerBlock] = {}
        self.changes: list[Change] = []
        self.probes: list[ProbePoint] = []
        self.standing: list[ProbePoint] = []
        self.gone: set[ManagedBlock] = set()
        self.needs: dict[BlockId, _Need] = {}
        self.written: dict[str, list[tuple[BlockId, str]]] = {}
        self.homes: dict[int, Home] = {}
        self.whereabouts = Whereabouts()

    def plan(self, wanted: Sequence[Wanted]) -> NodePlan:
        for drop in (one for one in wanted if isinstance(one, Drop)):
            self.drop(drop)
        for put in (one for one in wanted if isinstance(one, Put)):
            self.put(put)
        if any(change.action != "unchanged" for change in self.changes):
            self.put_shared()
            self.drop_shared(any(one.overwrite_drift for one in wanted))
        files = tuple(self.files())
        mends, lacking = self.mending(files)
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
            mends=mends,
            lacking=lacking,
        )

    def site(self, server: ServerBlock) -> Site:
        key = id(server.directive)
        if key not in self.sites:
            self.sites[key] = Site(server, self.splicers[server.file.path], self.index)
        return self.sites[key]

    # --- one route ---------------------------------------------------------------------------

    def put(self, want: Put) -> None:
        route = want.route
        if want.server not in self.chosen:
            self.chosen[want.server] = choose_server(self.tree, want.server)
        site = self.site(self.chosen[want.server])
        for modifier, path in route.locations:
            site.claim(modifier, path, route.path)
        rendered = render(route, RenderContext(site.headers, self.features), self.templates)
        action, splicer = self.write(want, site, rendered)
        home = Home(BlockId("route", route.path), splicer.document, site.server.directive)
        self.homes[len(self.changes)] = home
        self.changes.append(Change(action, route.path, site.server.label))
        for block_id, text in shared_texts(rendered):
            self.needs.setdefault(block_id, _Need(text, site, want.overwrite_drift))
        point = probe_point(route, site.server, want.server)
        (self.standing if action == "unchanged" else self.probes).append(point)

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
                return "unchanged" if self.intact(rendered) else "change", splicer
            self.gone.add(block)
        elif hand is not None:
            if not want.replace:
                refuse_unlike(hand, site.server, rendered.location)
            splicer = self.splicers[hand.file.path]
            splicer.adopt(hand.directive, block_id, rendered.location)
        else:
            splicer.insert(site.anchor, block_id, rendered.location)
        self.note(splicer, block_id, rendered.location)
        return "add" if block is None and hand is None else "change", splicer

    def note(self, splicer: Splicer, block_id: BlockId, body: str) -> None:
        """Remember what the file will have to hold."""
        self.written.setdefault(splicer.document.name, []).append((block_id, body))

    def drop(self, want: Drop) -> None:
        servers = self.tree.http_servers() if want.server is None else named(self.tree, want.server)
        sites = [self.site(server) for server in servers]
        found = {site.routes[want.path]: site for site in sites if want.path in site.routes}
        if len(found) > 1:
            raise self.which(want.path, found)
        if not found:
            refuse_hand_written(want.path, (site.locations for site in sites), self.index.owner)
            self.changes.append(Change("unchanged", want.path, note=elsewhere(want.path, self.blocks)))
        for block, site in found.items():
            refuse_drift(block, want.overwrite_drift)
            self.splicers[block.file].remove(block)
            self.gone.add(block)
            self.changes.append(Change("remove", want.path, site.server.label, f"{block.file}:{block.line}"))

    def which(self, path: str, found: Mapping[ManagedBlock, Site]) -> ServerChoiceError:
        servers = self.tree.http_servers()
        places = "".join(
            f"\n  --server {shlex.quote(spelling(servers, site.server))}  ({block.file}:{block.line})"
            for block, site in found.items()
        )
        return ServerChoiceError(
            f"{len(found)} servers have a managed route {path}", hint=f"say which one{places}"
        )

    # --- what routes share -------------------------------------------------------------------

    def intact(self, rendered: Rendered) -> bool:
        """Whether all that the route leans on is there, as it should be."""
        return all(
            block_id in self.known and self.known[block_id].holds(text)
            for block_id, text in shared_texts(rendered)
        )

    def put_shared(self) -> None:
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
                splicer, anchor = self.room(block_id, need.site)
                splicer.insert(anchor, block_id, need.text)
                self.note(splicer, block_id, need.text)
                continue
            refuse_drift(known, need.overwrite_drift)
            if self.splicers[known.file].replace(known, need.text):
                self.note(self.splicers[known.file], block_id, need.text)

    def room(self, block_id: BlockId, site: Site) -> tuple[Splicer, Anchor]:
        """Where a new shared block goes: before the server, the maps after all that sets their hashes."""
        late = late_map_hash(site.server) if block_id == MAPS else None
        if late is None:
            return site.splicer, http_insertion_point(site.server)
        splicer = self.splicers[late.file.path]
        return splicer, insertion_after(splicer.document, late.directive, splicer.blocks)

    def drop_shared(self, overwrite_drift: bool) -> None:
        """Take out the maps and upstreams that nothing needs any more."""
        unneeded = [block for block in self.shared if block.id not in self.needs]
        used = references(self.tree, [*self.gone, *self.shared]) if unneeded else set()
        for block in unneeded:
            names = MAP_NAMES if block.id == MAPS else {block.id.name.encode()}
            if not names & used:
                refuse_drift(block, overwrite_drift)
                self.splicers[block.file].remove(block)

    def mending(self, files: Sequence[FilePlan]) -> tuple[bool, tuple[str, ...]]:
        """Whether shared blocks that were missing come back or aren't needed any more; what stays missing."""
        missing = unmet(self.tree, self.index, self.known) if self.now.test_failure is not None else []
        left = [(block, need) for block, need in missing if block not in self.gone and need not in self.needs]
        lacking = (f"{block.file}:{block.line}: {block.id} needs {need}" for block, need in left)
        return bool(files and missing and not left), tuple(lacking)

    # --- the files, proved -------------------------------------------------------------------

    def files(self) -> Iterator[FilePlan]:
        reals = {posixpath.normpath(file.path): file.real for file in self.now.files}
        changed: dict[str, str] = {}
        for path, splicer in self.splicers.items():
            edits = splicer.edits()
            if not edits:
                continue
            real = reals[posixpath.normpath(path)]
            if real in changed:
                raise ConfigError(
                    f"it is the same file as {changed[real]}, and both would change",
                    file=path,
                    hint="include it under one name only",
                )
            changed[real] = path
            before = splicer.document
            data = apply_edits(before.data, edits)
            self.prove(splicer, data)
            yield FilePlan(path, real, before.data, data, edits)

    def prove(self, splicer: Splicer, data: bytes) -> None:
        """The bytes outside our blocks are as before; spliced twice is spliced once. Else SpliceError."""
        path = splicer.document.name
        try:
            after = parse(data, path)
        except ParseError as error:
            raise SpliceError(
                f"the change would break the file: {error.message}", file=path, line=error.line, hint=_BUG
            ) from error
        blocks = verify(splicer.document, after, taken=splicer.taken, known=splicer.blocks)
        found = self.whereabouts.changed(path, blocks)
        for block_id, body in self.written.get(path, ()):
            if not any(block.holds(body) for block in found.get(block_id, ())):
                raise SpliceError(f"the block {block_id} can't be found again", file=path, hint=_BUG)

    def placed(self, number: int, change: Change) -> Change:
        """The change with its ``file:line`` as that will be."""
        home = self.homes.get(number)
        if home is None:
            return change
        return replace(change, where=self.whereabouts.where(home, self.splicers[home.document.name]))
