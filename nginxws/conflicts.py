"""What stands in a route's way: hand-written locations, and hand edits of managed blocks. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from nginxws.config.blocks import ManagedBlock
from nginxws.config.matching import Locations, location_key
from nginxws.config.servers import ServerBlock
from nginxws.config.tree import Located
from nginxws.equivalence import differences
from nginxws.errors import DriftError, RouteConflict
from nginxws.plan import Put

#: The managed block that a location stands in, None for a hand-written one.
Owner = Callable[[Located], ManagedBlock | None]

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
    """
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
