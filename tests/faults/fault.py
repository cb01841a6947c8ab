"""What a fault of the interruption matrix is: how it is prepared, done, mended, and what may come of it.

``client.py``, ``network.py`` and ``machine.py`` hold the faults themselves, each in a tuple ``FAULTS``;
``matrix.py`` crosses them with every step of ``variants.py``, and ``rig.py`` runs and judges a cell.

What a fault may rely on (``rig`` is ``faults.rig.Rig``):
``rig.node`` (support.nginx.NginxNode) lies on a tmpfs of its own, mounted at ``rig.disk``: its
configuration, state directory, error log and temporary folders. The change under test writes two files,
``rig.node.site`` (by a rename) and ``rig.shared`` (in place: it is a hard link).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from faults.rig import Rig
    from support.lines import TcpProxy

#: Steps at which nothing live has been touched yet.
BEFORE = ("connect", "snapshot", "lock", "stage 1", "stage 2", "test", "checkpoint")
#: Steps at which live files may differ from what they were, and nobody has said commit.
DURING = ("activate 1", "activate 2", "reload", "prove", "ready", "probe", "restore")
#: The word is out: the new configuration stays, unless storing the revision itself fails.
AFTER = ("commit", "committed", "unlock")


@dataclass(frozen=True, slots=True)
class Hit:
    """A command that stands still at a step, to be struck.

    ``client`` and ``script`` are pids; there is no node script yet at ``connect``. ``proxy`` is what the
    client's SSH connection runs through, None for a client that works locally.
    """

    step: str
    client: int
    script: int | None
    proxy: TcpProxy | None


@dataclass(frozen=True, slots=True)
class Expectation:
    """What may come of a cell, besides what is promised for all.

    ``states`` is a subset of old and new, ``codes`` are exit codes (negative: the signal that ended it).
    ``helped`` allows that the next command has something to put right; ``restarted`` that the operator
    has had to start NGINX again, so that the socket that was open is gone by then.
    """

    states: frozenset[str]
    codes: frozenset[int]
    helped: bool = False
    restarted: bool = False


def expect(states: str, *codes: int, helped: bool = False, restarted: bool = False) -> Expectation:
    """``expect("old new", 0, 4)``."""
    return Expectation(frozenset(states.split()), frozenset(codes), helped, restarted)


def harmless() -> Expectation:
    """The command succeeds as if nothing had happened."""
    return expect("new", 0)


class Fault:
    """One kind of trouble. Subclasses override what they need."""

    name: str
    #: The client reaches the node by real SSH through a proxy of the rig.
    over_ssh = False

    def absent(self, step: str) -> str | None:
        """Why this fault can't be at this step (a rule, told in the table); None where it can."""
        return None

    def arm(self, rig: Rig) -> list[str]:
        """Before the command starts; further command-line options for it."""
        return []

    def strike(self, rig: Rig, hit: Hit) -> None:
        """The command stands at the step; when this returns, it goes on."""

    def heal(self, rig: Rig) -> None:
        """What an operator does when the command has ended: free the disk, start NGINX.

        Called once for every `arm`, whatever came of the cell; before it the live socket was tried.
        """

    def expected(self, step: str) -> Expectation:
        """What may come of it at this step. At ``restore`` the probe has failed before: old, and 4."""
        raise NotImplementedError

    def __str__(self) -> str:
        return self.name
