"""What a platform's API has to do with an environment, as text and JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class PlatformNode:
    """A node that the platform made, and where it is reached over SSH."""

    id: int
    group: str
    address: str
    ssh: str


@dataclass(frozen=True, slots=True)
class PlatformReport:
    """The platform's part of a run: what it makes and deploys, or made and deployed when ``done``.

    ``absent``: the account doesn't have the environment. ``reloaded`` is empty where the balancer wasn't told
    to read its files again.
    """

    provider: str
    name: str
    creates: bool = False
    deploys: bool = False
    archive: str = ""
    done: bool = False
    absent: bool = False
    reloaded: str = ""
    nodes: Sequence[PlatformNode] = ()
    notes: Sequence[str] = ()

    @property
    def changes(self) -> bool:
        """Whether something of it changes, or did."""
        return self.creates or self.deploys or bool(self.reloaded)

    def lines(self) -> Iterator[str]:
        """What it does, or did."""
        if self.creates:
            yield f"{self.name}: the environment {'was made' if self.done else 'is to be made'}"
        elif self.absent:
            yield f"{self.name}: there is no such environment"
        if self.deploys:
            yield f"{self.name}: {self.archive} {'was deployed' if self.done else 'is to be deployed'}"
        yield from (f"{self.name}: {note}" for note in self.notes)

    def places(self) -> Iterator[str]:
        """Its nodes, a line each."""
        for node in self.nodes:
            yield f"{self.name}: node {node.id} of {node.group}, {node.address}, {node.ssh}"

    def as_json(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "name": self.provider,
            "environment": self.name,
            "create": self.creates,
            "deploy": self.deploys,
            "reloaded": self.reloaded,
            "nodes": [
                {"id": one.id, "group": one.group, "address": one.address, "ssh": one.ssh}
                for one in self.nodes
            ],
            "notes": list(self.notes),
        }
