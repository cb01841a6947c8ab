"""A manifest as it was read, and where its parts stand."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from nginxws.errors import InvalidInput, ManifestError, Problem

if TYPE_CHECKING:
    from nginxws.inventories.joining import Joined, Sources
    from nginxws.manifest.model import Manifest
    from nginxws.manifest.positions import KeyPath, Positions
    from nginxws.manifest.reading import Join
    from nginxws.manifest.wanted import WantedRoute


@dataclass(frozen=True)
class ManifestFile:
    """A manifest as it was read. ``digest`` is the sha256 of its bytes, in hex.

    ``sources`` are where nodes come from besides it, None for nowhere else; ``joined`` is what that came to,
    and ``manifest`` then has them all.
    """

    path: Path
    text: str
    manifest: Manifest
    digest: str
    sources: Sources | None = None
    joined: Joined | None = None

    @property
    def name(self) -> str:
        """What messages call it: as it was named, or relative to the working directory if it is in it."""
        return str(self.path)

    @cached_property
    def positions(self) -> Positions:
        """Where its parts stand."""
        from nginxws.manifest.positions import Positions

        return Positions.of(self.text)

    @property
    def join(self) -> Join | None:
        """Puts the same nodes into another text of this manifest; None where it has its own alone."""
        sources = self.sources
        return None if sources is None else lambda manifest: sources.join(manifest).manifest

    @property
    def planned_digest(self) -> str:
        """What a saved plan is for: ``digest``, where all nodes are the manifest's own."""
        return self.digest if self.joined is None else self.joined.digest(self.digest)

    def place(self, node: str) -> tuple[str, int]:
        """File and line where a node stands."""
        places = {} if self.joined is None else self.joined.places
        return places.get(node) or (self.name, self.positions.line(("nodes", node)))

    def identity(self, node: str) -> str:
        """The key file that the inventory has for a node, or an empty string."""
        return "" if self.joined is None else self.joined.identities.get(node, "")

    def node_error(self, node: str, error: InvalidInput) -> ManifestError:
        """Something is wrong with what is said of a node."""
        if self.joined is None or node not in self.joined.places:
            return self.error(("nodes", node), error.message, error.hint)
        file, line = self.place(node)
        return ManifestError([Problem(line, node, f"{node}: {error.message}", error.hint)], file=file)

    def line(self, wanted: WantedRoute) -> int:
        """The line, from 1, on which a route's entry begins."""
        return self.positions.line(("routes", wanted.number))

    def error(self, path: KeyPath, message: str, hint: str | None) -> ManifestError:
        """Something is wrong with what stands at a key."""
        from nginxws.manifest.positions import dotted

        return ManifestError(
            [Problem(self.positions.line(path), dotted(path), message, hint)], file=self.name
        )
