"""What would change on a node: plain data. ``planner.py`` makes it, ``deploy.py`` carries it out."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from nginxws.config.splice import Edit
from nginxws.diff import unified
from nginxws.route import Route

Action = Literal["add", "change", "remove", "unchanged", "drift", "conflict"]


@dataclass(frozen=True, slots=True)
class Put:
    """A route that is wanted.

    ``adopt`` takes over an equivalent hand-written location, ``replace`` any;
    ``overwrite_drift`` replaces a managed block that was edited by hand.
    ``server`` is ``NAME[:PORT]``, None for that of ``domain`` (``NAME[:PORT]`` too) where there is such a
    ``server_name``, else for the only one that serves. ``templates`` is a folder of the
    user's own for this route, None for those of the whole plan.
    """

    route: Route
    adopt: bool = False
    replace: bool = False
    overwrite_drift: bool = False
    server: str | None = None
    templates: Path | None = None
    domain: str | None = None


@dataclass(frozen=True, slots=True)
class Drop:
    """A path whose managed route is to go.

    With ``managed_only`` it needn't be there: a hand-written location of that path is left without a word,
    and so is a server that isn't there any more.
    """

    path: str
    overwrite_drift: bool = False
    server: str | None = None
    managed_only: bool = False


Wanted = Put | Drop


@dataclass(frozen=True, slots=True)
class Change:
    """What happens to one route: in which server, at which ``file:line``; ``note`` is for the user.

    A ``drift`` (the block was edited by hand) or ``conflict`` (a hand-written location is in the way) is
    left as it is, and ``note`` says what it is. ``where`` is the route's begin marker, in the file as it
    will be; for a route that goes, as it was.
    """

    action: Action
    route: str
    server: str = ""
    where: str = ""
    note: str = ""


@dataclass(frozen=True)
class FilePlan:
    """One file's bytes before and after, and the edits between them."""

    path: str
    real: str
    before: bytes
    after: bytes
    edits: Sequence[Edit] = field(repr=False)

    @cached_property
    def diff(self) -> str:
        """The unified diff of this file."""
        return unified(self.before, self.edits, self.path)


@dataclass(frozen=True, slots=True)
class ProbePoint:
    """Where and how a route is proved from the node itself.

    ``address`` and ``port`` are those of a listener, ``host`` is the name to ask
    for. ``problem`` says why no probe can be made, None when one can. ``host`` is
    None where no name follows from the configuration: any that the user gives will do. So is an empty
    ``path``. ``server`` is what was said of the route's server, as in `Put`.
    """

    route: str
    path: str
    host: str | None
    address: str = "127.0.0.1"
    port: int = 80
    tls: bool = False
    proxy_protocol: bool = False
    problem: str | None = None
    server: str | None = None


@dataclass(frozen=True)
class NodePlan:
    """Everything that would change on one node; no ``files`` means nothing to do.

    ``base`` holds the real path and sha256 of every file the plan was made from,
    ``contexts`` where each file stands (for the crossplane gate), ``error_logs``
    where NGINX reports a failed reload. ``probes`` prove the routes that change,
    ``standing`` those that are there already. ``mends`` says that NGINX's own test fails, that managed routes
    lean on shared blocks (maps, upstreams) that are missing, and that after this plan none does: that may be
    all the test complains of. ``lacking`` tells, a line each, which routes would still miss one, and
    ``remedy`` the commands that put that right.
    """

    node: str
    changes: tuple[Change, ...]
    files: tuple[FilePlan, ...]
    probes: tuple[ProbePoint, ...] = ()
    standing: tuple[ProbePoint, ...] = ()
    base: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    contexts: dict[str, frozenset[tuple[str, ...]]] = field(default_factory=dict, repr=False)
    error_logs: tuple[str, ...] = ()
    test_refused: bool = False
    mends: bool = False
    lacking: tuple[str, ...] = ()
    remedy: str = ""

    @property
    def blocked(self) -> tuple[Change, ...]:
        """What the plan leaves as it is, though it isn't what is wanted: drift and conflicts."""
        return tuple(change for change in self.changes if change.action in ("drift", "conflict"))

    @cached_property
    def diff(self) -> str:
        """The unified diff of all files."""
        return "".join(file.diff for file in self.files)

    def as_json(self) -> dict[str, Any]:
        """The contract's form of one node: changes, files with their sha256, diff."""
        return {
            "changes": [
                {
                    "action": change.action,
                    "route": change.route,
                    "server": change.server,
                    "where": change.where,
                    "note": change.note,
                }
                for change in self.changes
            ],
            "files": [
                {
                    "path": file.path,
                    "before": hashlib.sha256(file.before).hexdigest(),
                    "after": hashlib.sha256(file.after).hexdigest(),
                }
                for file in self.files
            ],
            "diff": self.diff,
        }
