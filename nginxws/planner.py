"""From what is wanted and a snapshot to a plan: pick the server, render, splice, prove. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from pathlib import Path

from nginxws.config.blocks import BlockId, ManagedBlock, find_blocks
from nginxws.config.document import Document, parse
from nginxws.config.matching import find_same
from nginxws.config.proof import verify
from nginxws.config.servers import ServerBlock, choose_server, inherited
from nginxws.config.shared import foreign_definitions, references
from nginxws.config.splice import Splicer, apply_edits, http_insertion_point, insertion_point
from nginxws.config.tree import ConfigTree, Located, MappingReader, load
from nginxws.equivalence import differences
from nginxws.errors import ConfigError, DriftError, ParseError, RouteConflict, ServerChoiceError, SpliceError
from nginxws.features import CURRENT, Features
from nginxws.plan import Change, Drop, FilePlan, NodePlan, ProbePoint, Put, Wanted
from nginxws.probing import probe_point
from nginxws.render import RenderContext, Rendered, render
from nginxws.route import Route
from nginxws.snapshot import Snapshot

MAPS = BlockId("map", "websocket")
#: Names that the maps block defines.
MAP_NAMES = frozenset({b"nginxws_upgrade", b"nginxws_connection"})
_BUG = "nothing was changed; please report this as a bug"


def make_plan(now: Snapshot, wanted: Sequence[Wanted], *, templates: Path | None = None) -> NodePlan:
    """What has to change on the node so that it has what is wanted, and nothing else.

    ``templates`` is a folder of the user's own templates. Raises ConfigError and
    its kin (ServerChoiceError, RouteConflict, DriftError) when it can't be done
    safely, RenderError for templates, SpliceError if the edit's own proof fails.
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


class _Planner:
    """One run: collects changes per file, then turns them into proved edits."""

    def __init__(self, now: Snapshot, tree: ConfigTree, templates: Path | None) -> None:
        self.now = now
        self.tree = tree
        self.templates = templates
        self.features = Features.from_dash_v(now.nginx.dash_v) if now.nginx.dash_v else CURRENT
        self.splicers = {path: Splicer(file.document) for path, file in tree.files.items()}
        self.blocks = [block for splicer in self.splicers.values() for block in splicer.blocks]
        self.changes: list[Change] = []
        self.probes: list[ProbePoint] = []
        self.gone: list[ManagedBlock] = []
        self.needs: dict[BlockId, tuple[str, ServerBlock]] = {}
        self.written: dict[str, list[tuple[BlockId, str]]] = {}

    def plan(self, wanted: Sequence[Wanted]) -> NodePlan:
        for one in wanted:
            if isinstance(one, Put):
                self.put(one)
            else:
                self.drop(one)
        if any(change.action != "unchanged" for change in self.changes):
            self.share()
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

    # --- one route ---------------------------------------------------------------------------

    def put(self, want: Put) -> None:
        route = want.route
        server = choose_server(self.tree, want.server)
        rendered = self.rendered(route, server)
        block_id = BlockId("route", route.path)
        block = self.block_in(server, block_id)
        hand = self.conflict(want, server, rendered, block)
        splicer = self.splicers[server.file.path]
        if block is not None:
            refuse_drift(block, want.overwrite_drift)
            action = "change" if splicer.replace(block, rendered.location) else "unchanged"
            if action == "change":
                self.gone.append(block)
        elif hand is not None:
            action = "change"
            self.splicers[hand.file.path].adopt(hand.directive, block_id, rendered.location)
        else:
            action = "add"
            splicer.insert(insertion_point(server, splicer.blocks), block_id, rendered.location)
        place = hand.file.path if hand is not None else server.file.path
        self.written.setdefault(place, []).append((block_id, rendered.location))
        self.record(action, route.path, server)
        self.need(rendered, server)
        if action != "unchanged":
            self.probes.append(probe_point(route, server, want.server))

    def rendered(self, route: Route, server: ServerBlock) -> Rendered:
        headers = tuple(
            _header(located)
            for located in inherited(server, b"proxy_set_header")
            if len(located.directive.words) == 3
        )
        return render(route, RenderContext(headers, self.features), self.templates)

    def block_in(self, server: ServerBlock, block_id: BlockId) -> ManagedBlock | None:
        found = (block for block in self.blocks if block.id == block_id and block.server is server.directive)
        return next(found, None)

    def conflict(
        self, want: Put, server: ServerBlock, rendered: Rendered, own: ManagedBlock | None
    ) -> Located | None:
        """The hand-written location that the route takes the place of, or None. Raises RouteConflict."""
        taken: Located | None = None
        for number, (modifier, path) in enumerate(want.route.locations):
            same = find_same(server, modifier, path)
            if same is None or (own is not None and _holds(own, same)):
                continue
            owner = next((block for block in self.blocks if _holds(block, same)), None)
            if owner is not None or number > 0 or not (want.adopt or want.replace):
                raise _conflict(same, owner, want)
            if not want.replace and (unlike := differences(same, server, rendered.location)):
                raise RouteConflict(
                    "the hand-written location does more than the route would",
                    file=same.file.path,
                    line=same.directive.line,
                    detail="\n".join(unlike),
                    hint="add options until the route does the same, or use --replace to give these up",
                )
            taken = same
        return taken

    def drop(self, want: Drop) -> None:
        block_id = BlockId("route", want.path)
        found = [block for block in self.blocks if block.id == block_id]
        if want.server is not None:
            server = choose_server(self.tree, want.server)
            found = [block for block in found if block.server is server.directive]
        if len(found) > 1:
            raise self.which(want.path, found)
        if not found:
            self.refuse_hand_written(want)
            self.changes.append(Change("unchanged", want.path))
            return
        block = found[0]
        refuse_drift(block, want.overwrite_drift)
        self.splicers[block.file].remove(block)
        self.gone.append(block)
        server_label = next((s.label for s in self.tree.http_servers() if s.directive is block.server), "")
        self.changes.append(Change("remove", want.path, server_label, f"{block.file}:{block.line}"))

    def which(self, path: str, found: Sequence[ManagedBlock]) -> ServerChoiceError:
        places = "\n".join(f"  {block.file}:{block.line}" for block in found)
        return ServerChoiceError(
            f"{len(found)} servers have a managed route {path}",
            hint=f"say which by --server NAME:PORT:\n{places}",
        )

    def refuse_hand_written(self, want: Drop) -> None:
        """Silence would be a lie where a location for this path goes on serving."""
        for server in self.tree.http_servers():
            same = find_same(server, "", want.path) or find_same(server, "=", want.path)
            if same is not None and not any(_holds(block, same) for block in self.blocks):
                raise RouteConflict(
                    f"{want.path} is served by a hand-written location, which nginxws doesn't touch",
                    file=same.file.path,
                    line=same.directive.line,
                    hint="take it out by hand; only managed routes are removed",
                )

    def record(self, action: str, path: str, server: ServerBlock) -> None:
        # mypy can't narrow a str to the literal; the three callers' words are among its values.
        self.changes.append(Change(action, path, server.label, server.where))  # type: ignore[arg-type]

    # --- what routes share -------------------------------------------------------------------

    def need(self, rendered: Rendered, server: ServerBlock) -> None:
        if rendered.maps is not None:
            self.needs.setdefault(MAPS, (rendered.maps, server))
        if rendered.upstream is not None:
            name, text = rendered.upstream
            self.needs.setdefault(BlockId("upstream", name), (text, server))

    def share(self) -> None:
        """Put in the maps and upstreams that routes need, once; take out those that none needs any more."""
        foreign = foreign_definitions(self.tree, self.blocks)
        if foreign and self.needs:
            raise ConfigError(
                "this hand-written directive defines a name that nginxws keeps for itself",
                file=foreign[0].file.path,
                line=foreign[0].directive.line,
                hint="rename what begins with nginxws_ there",
            )
        shared = {block.id: block for block in self.blocks if block.id.kind != "route"}
        for block_id, (text, server) in self.needs.items():
            known = shared.get(block_id)
            if known is None:
                splicer = self.splicers[server.file.path]
                splicer.insert(http_insertion_point(server), block_id, text)
                self.written.setdefault(server.file.path, []).append((block_id, text))
            elif self.splicers[known.file].replace(known, text):
                self.gone.append(known)
        used = references(self.tree, [*self.gone, *shared.values()])
        for block_id, block in shared.items():
            names = MAP_NAMES if block_id == MAPS else {block_id.name.encode()}
            if block_id not in self.needs and not names & used:
                self.splicers[block.file].remove(block)

    # --- the files, proved -------------------------------------------------------------------

    def files(self) -> Iterator[FilePlan]:
        reals = {file.path: file.real for file in self.now.files}
        for path, splicer in self.splicers.items():
            edits = splicer.edits()
            if not edits:
                continue
            before = splicer.document
            data = apply_edits(before.data, edits)
            try:
                after = parse(data, path)
            except ParseError as error:
                raise SpliceError(
                    f"the change would break the file: {error.message}", file=path, line=error.line, hint=_BUG
                ) from error
            verify(before, after, taken=splicer.taken)
            self.prove_idempotent(path, after)
            yield FilePlan(path, reals[path], before.data, data, edits)

    def prove_idempotent(self, path: str, after: Document) -> None:
        """Spliced twice is spliced once: every block written is found again, and holds what it should."""
        found: dict[BlockId, list[ManagedBlock]] = {}
        for block in find_blocks(after):
            found.setdefault(block.id, []).append(block)
        for block_id, body in self.written.get(path, ()):
            if not any(block.holds(body) for block in found.get(block_id, ())):
                raise SpliceError(f"the block {block_id} can't be found again", file=path, hint=_BUG)


def _header(located: Located) -> tuple[str, str]:
    name, value = located.directive.words[1:]
    return name.decode("utf-8", "surrogateescape"), value.decode("utf-8", "surrogateescape")


def _holds(block: ManagedBlock, located: Located) -> bool:
    span = block.span
    return block.document is located.file.document and span.start <= located.directive.start < span.end


def refuse_drift(block: ManagedBlock, overwrite: bool) -> None:
    """Raise DriftError when the block was edited by hand and that isn't to be overwritten."""
    if block.drifted and not overwrite:
        raise DriftError(
            f"the managed block of {block.id.name} was edited by hand",
            file=block.file,
            line=block.line,
            hint="look at it; --overwrite-drift gives that edit up",
        )


def _conflict(same: Located, owner: ManagedBlock | None, want: Put) -> RouteConflict:
    if owner is not None:
        message, hint = f"the managed route {owner.id.name} serves this already", "remove that route first"
    elif same.directive.args[:1] == (b"=",) and want.route.locations[0][0] != "=":
        message, hint = "a hand-written location serves the path without its slash", "leave --slashless out"
    else:
        message = f"{want.route.path} is already served by this hand-written location"
        hint = "--adopt takes it over if the route does all it does; --replace puts the route in its place"
    return RouteConflict(message, file=same.file.path, line=same.directive.line, hint=hint)


def error_logs(now: Snapshot, tree: ConfigTree) -> tuple[str, ...]:
    """The files of the main-level ``error_log``, where NGINX says why a reload failed."""
    found = []
    for located in tree.expand(tree.main_file.document.directives, tree.main_file):
        if located.directive.name == b"error_log" and located.directive.args:
            name = located.directive.args[0].decode("utf-8", "surrogateescape")
            if not name.startswith(("stderr", "syslog:", "memory:")):
                found.append(posixpath.join(now.nginx.prefix or _built_prefix(now), name))
    return tuple(found) or _built_log(now)


def _built_prefix(now: Snapshot) -> str:
    return _argument(now, "--prefix=") or "/usr/share/nginx"


def _built_log(now: Snapshot) -> tuple[str, ...]:
    path = _argument(now, "--error-log-path=")
    return (posixpath.join(_built_prefix(now), path),) if path and path != "stderr" else ()


def _argument(now: Snapshot, flag: str) -> str:
    words = (word for word in now.nginx.dash_v.split() if word.startswith(flag))
    return next(words, flag).removeprefix(flag)
