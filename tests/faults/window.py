"""The confirm window: the line freezes when the node waits for a word, and stays frozen."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass

from faults.network import TcpFrozen
from faults.rig import Rig
from faults.variants import Mutation
from support.lines import TcpProxy
from support.nginx import wait_for

#: What the command is told, and after how long it takes a silent line for a dead one (ssh_config); seconds.
CONFIRM, RELOAD, CONNECT, PATIENCE = 1, 3, 2, 2
#: Seconds that a busy machine may take on top: for a restore, and for a command to end.
RESTORES, SLACK = 7, 10


@dataclass(frozen=True, slots=True)
class Window:
    """When, in seconds from the freeze, the node had restored, and the command had ended and how."""

    restored: float | None
    ended: float
    code: int | None
    output: str
    state: str

    def violations(self) -> list[str]:
        """What the node did wrong."""
        if self.restored is None or self.restored > CONFIRM + 1 + RESTORES:
            return [f"restored after {self.restored} s, with a confirm timeout of {CONFIRM} s"]
        return [] if self.state == "old" else [self.state]

    def trouble(self) -> list[str]:
        """What the command did wrong: it must end, in time, and say what the node does by itself."""
        if self.code is None:
            return [f"still running after {self.ended:.0f} s"]
        true = self.code == 6 and "was not confirmed, so the node restores itself after 1 s" in self.output
        return [] if true else [f"exit code {self.code}: {self.output}"]


def freeze(
    rig: Rig,
    mutations: Sequence[Mutation] = (),
    broken: str = "",
    *,
    step: str = "ready",
    state: str = "old",
) -> Window:
    """Freeze the line at a step, until the files are in this state; nobody helps the node meanwhile."""
    with contextlib.closing(TcpProxy(rig.server.port)) as proxy:
        argv = rig.add_route("--node", "node", "--ssh-config", str(rig.ssh_config(proxy.port)))
        began = rig.start_stopping([*argv, *TcpFrozen().arm(rig)], step, mutations, broken)
        try:
            wait_for(began.reached.exists, "the node being ready", 30)
            proxy.freeze()
        finally:
            began.go()
        frozen = time.monotonic()
        restored: float | None = None
        with contextlib.suppress(AssertionError):
            wait_for(lambda: rig.files() == state and rig.at_rest(), "the node's own restore", 20)
            restored = time.monotonic() - frozen
        left = CONFIRM + RELOAD + CONNECT + PATIENCE + SLACK - (time.monotonic() - frozen)
        code = rig.finish_soon(began.pid, max(left, 0.0))
        ended = time.monotonic() - frozen
        return Window(restored, ended, code, began.output.read_text(), rig.state())


def confirm_window(rig: Rig, mutations: Sequence[Mutation]) -> list[str]:
    """A node that hears nothing for --confirm-timeout restores by itself."""
    return freeze(rig, mutations).violations()


def frozen_client(rig: Rig, mutations: Sequence[Mutation], broken: str = "") -> list[str]:
    """A command on a frozen line ends in bounded time, and says what the node does."""
    return freeze(rig, mutations, broken).trouble()
