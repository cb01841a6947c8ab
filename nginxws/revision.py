"""A revision: one applied plan, as the node keeps it. Pure data; ``nodes/history.py`` fills it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from nginxws.errors import NginxwsError

Kind = Literal["apply", "rollback"]


@dataclass(frozen=True, slots=True)
class RevisionFile:
    """One file of a revision, by its real path: sha256 before and after, and the bytes where asked for."""

    path: str
    before: str
    after: str
    old: bytes | None = field(default=None, repr=False)
    new: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Revision:
    """What one applied plan did to a node.

    ``who`` is ``user@host``, ``since`` when it began by the node's clock (Unix time, seconds), ``message``
    why, ``digest`` the sha256 of the manifest that it came from (empty where it had none).
    """

    number: int
    transaction: str = ""
    who: str = ""
    since: int = 0
    message: str = ""
    digest: str = ""
    kind: Kind = "apply"
    files: tuple[RevisionFile, ...] = ()


@dataclass(frozen=True, slots=True)
class History:
    """The revisions that a node keeps, oldest first, and what its processes hold.

    ``serving`` and ``draining`` count NGINX's workers, ``generations`` the reloads that the draining ones are
    left of, ``oldest_seconds`` how long ago the first of these was started. ``established`` counts TCP
    connections by listening port; None where the node can't tell.
    """

    revisions: tuple[Revision, ...] = ()
    serving: int = 0
    draining: int = 0
    generations: int = 0
    oldest_seconds: int = 0
    established: Mapping[int, int] | None = None

    @property
    def newest(self) -> Revision | None:
        """The revision that was applied last."""
        return self.revisions[-1] if self.revisions else None

    def revision(self, wanted: int) -> Revision:
        """One of them. Raises NginxwsError when it isn't kept."""
        for one in self.revisions:
            if one.number == wanted:
                return one
        raise NginxwsError(f"there is no revision {wanted}", hint=self.kept())

    def kept(self) -> str:
        """Which ones there are, as a hint."""
        if not self.revisions:
            return "nothing was applied by nginxws here yet"
        first, last = self.revisions[0].number, self.revisions[-1].number
        which = f"{first} to {last}" if first < last else str(first)
        return f"the node keeps {which}: `nginxws history` lists what is kept"
