"""What stands in a route's way: hand-written locations, hand edits of managed blocks, their loss. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Iterable, Sequence
from difflib import get_close_matches

from nginxws.config.blocks import BlockId, ManagedBlock
from nginxws.config.matching import Locations, location_key
from nginxws.config.pcre import matches_everything
from nginxws.config.servers import ServerBlock
from nginxws.config.tree import Located
from nginxws.config.upgrade import passes_upgrade
from nginxws.equivalence import differences
from nginxws.errors import DriftError, RouteConflict
from nginxws.plan import Put
from nginxws.route import Match

#: The managed block that a location stands in, None for a hand-written one.
Owner = Callable[[Located], ManagedBlock | None]

#: Stands for whatever is below a path: a segment that nobody has a location for.
_ANY = "/nginxws.invalid"

_MODIFIERS = ("", "=", "~", "~*")  # "^~" shares its names with ""


def refuse_drift(block: ManagedBlock, overwrite: bool) -> None:
    """Raise DriftError when the block was edited by hand and that isn't to be overwritten."""
    if block.drifted and not overwrite:
        raise DriftError(
            f"the managed block of {block.id} was edited by hand",
            file=block.file,
            line=block.line,
            hint="look at it; --overwrite-drift gives that edit up",
        )


def taken_over(
    want: Put, known: Locations, own: ManagedBlock | None, owner: Owner, gone: Collection[ManagedBlock]
) -> Located | None:
    """The hand-written location that the route may take the place of; None when nothing is in its way.

    ``known`` are the server's locations, ``own`` is the route's managed block where it has one;
    blocks of ``gone`` are in nobody's way.
    Raises RouteConflict when a location is in the way that the route may not replace. Whether an
    adopted one does no more than the route is another question: ``refuse_unlike``.

    A location of another form may be in the way as well: one that would keep the path from the route
    (``location = /ws/`` from a prefix), or one that proxies WebSockets of this very path and would lose
    them to the route without a word (a regex, a nested location). A shorter prefix such as
    ``location /`` never is: a more specific route is an ordinary change.
    """
    found = _same(want, known, own, owner, gone)
    if own is not None or want.route.match is Match.REGEX:
        return found
    for keeper in known.keepers(want.route.modifier, want.route.path):
        block = owner(keeper)
        if block is not None and block in gone:
            continue
        exact = location_key(keeper.directive).modifier == "="
        if block is not None or not exact or found is not None or not want.replace:
            raise _kept(keeper, block, want, alone=exact and found is None)
        found = keeper
    if found is None and not want.replace:
        path = want.route.path
        _refuse_to_shadow(path, path, known, owner)
        if want.route.match is not Match.EXACT:
            _refuse_to_shadow(path, path.removesuffix("/") + _ANY, known, owner)
    return found


def _same(
    want: Put, known: Locations, own: ManagedBlock | None, owner: Owner, gone: Collection[ManagedBlock]
) -> Located | None:
    """The hand-written location that NGINX would call a duplicate of the route's, to be taken over."""
    found: Located | None = None
    for number, (modifier, path) in enumerate(want.route.locations):
        same = known.find_same(modifier, path)
        if same is None:
            continue
        block = owner(same)
        if block is not None and (block is own or block in gone):
            continue
        if block is not None or own is not None or number > 0 or not (want.adopt or want.replace):
            raise _conflict(same, block, own, want, slashless=number > 0)
        found = same
    return found


def _refuse_to_shadow(path: str, uri: str, known: Locations, owner: Owner) -> None:
    """Raise RouteConflict when a hand-written location of another form serves WebSockets of this path.

    ``uri`` is what to look at: the path, or something below it.
    """
    now = known.serve(uri)
    hand = now.location
    if hand is None or now.redirect or owner(hand) is not None:
        return
    key = location_key(hand.directive)
    if key.is_regex:
        meant = not matches_everything(key.raw, caseless=key.modifier == "~*")
    else:
        meant = key.path == path
    if meant and passes_upgrade(known.server, hand):
        raise RouteConflict(
            f"{path} is already served by this hand-written location",
            file=hand.file.path,
            line=hand.directive.line,
            hint=f"take it out by hand, or use --replace: the route then comes before it for {path}, "
            "and it stays where it is",
        )


def refuse_unlike(hand: Located, server: ServerBlock, rendered: str) -> None:
    """Raise RouteConflict when the hand-written location does what the rendered one wouldn't."""
    if unlike := differences(hand, server, rendered):
        raise RouteConflict(
            "the hand-written location does more than the route would",
            file=hand.file.path,
            line=hand.directive.line,
            detail="\n".join(unlike),
            hint="add options until the route does the same, or use --replace to give these up",
        )


def refuse_hand_written(path: str, servers: Iterable[Locations], owner: Owner) -> None:
    """Raise RouteConflict when a hand-written location has this path.

    Silence would be a lie where a location goes on serving what was to be removed.
    """
    for known in servers:
        for modifier in _MODIFIERS:
            same = known.find_same(modifier, path)
            if same is not None and owner(same) is None:
                raise RouteConflict(
                    f"{path} is served by a hand-written location, which nginxws doesn't touch",
                    file=same.file.path,
                    line=same.directive.line,
                    hint="take it out by hand; only managed routes are removed",
                )


def elsewhere(path: str, blocks: Sequence[ManagedBlock]) -> str:
    """Where a route that isn't in the wanted server may be instead, in words; empty: nowhere."""
    routes = [block for block in blocks if block.id.kind == "route"]
    for block in routes:
        if block.id.name == path:
            return f"it is in another server ({block.file}:{block.line})"
    paths = {block.id.name for block in routes}
    slashless = path.rstrip("/")
    close = [one for one in (slashless, f"{slashless}/") if one in paths]
    close = close or get_close_matches(path, paths, n=1, cutoff=0.65)
    return f"did you mean {close[0]}?" if close else ""


def way_back(missing: Iterable[tuple[ManagedBlock, BlockId]]) -> str:
    """The commands that put missing shared blocks back; ``missing``: routes' blocks, and what they need.

    Only the command that made a route knows its backends, and puts back what that route needs.
    """
    needs: dict[str, set[BlockId]] = {}
    for block, need in missing:
        needs.setdefault(block.id.name, set()).add(need)
    every = set().union(*needs.values())
    for path, own in needs.items():
        if own == every:
            command = f"nginxws add-route {shlex.quote(path)} …"
            return f"`{command}` puts back what is missing: run it first, with what it was added with"
    gone = shlex.join(needs)
    return (
        "no single route needs all that is missing: "
        f"`nginxws remove-route {gone}` takes out the routes that can't be loaded; then add them again"
    )


def _kept(keeper: Located, block: ManagedBlock | None, want: Put, *, alone: bool) -> RouteConflict:
    """The conflict with a location that would keep the path; ``alone``: the route could replace it."""
    key, path = location_key(keeper.directive), want.route.path
    if block is not None:
        return _conflict(keeper, block, None, want, slashless=False)
    if key.is_regex:
        message = f"{path} would never get to the route: this hand-written regex wins over a plain prefix"
        hint = "use --match priority, which no regex wins over, or take the location out by hand"
    else:
        message = f"{path} is already served by this hand-written location, whose exact match comes first"
        hint = "--replace puts the route in its place, for the paths below it as well"
        hint = hint if alone else "take it out by hand first"
    return RouteConflict(message, file=keeper.file.path, line=keeper.directive.line, hint=hint)


def _conflict(
    same: Located, block: ManagedBlock | None, own: ManagedBlock | None, want: Put, *, slashless: bool
) -> RouteConflict:
    if block is not None:
        message = f"the managed route {block.id.name} serves {location_key(same.directive)} already"
        hint = f"run `nginxws remove-route {block.id.name}` first"
    elif slashless:
        message = "a hand-written location serves the path without its slash"
        hint = "leave --slashless out"
    elif own is not None:
        message = f"besides the managed route, this hand-written location has the path {want.route.path}"
        hint = "take one of them out first: the location by hand, the route with remove-route"
    else:
        message = f"{want.route.path} is already served by this hand-written location"
        hint = "--adopt takes it over if the route does all it does; --replace puts the route in its place"
    return RouteConflict(message, file=same.file.path, line=same.directive.line, hint=hint)
