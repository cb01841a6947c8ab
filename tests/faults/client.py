"""Faults of the processes themselves: the command and the node script, ended by signals."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING

from faults.fault import AFTER, BEFORE, Expectation, Fault, Hit, expect

if TYPE_CHECKING:
    from faults.rig import Rig

_NO_SCRIPT = "no node script runs yet"


def send(pid: int | None, number: signal.Signals) -> None:
    """A signal to a process that may just have ended."""
    assert pid is not None
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


class ClientSignal(Fault):
    """The command gets a signal; the node script goes on, and hears no more of it."""

    def __init__(self, number: signal.Signals, *, over_ssh: bool) -> None:
        self.number = number
        self.over_ssh = over_ssh
        self.name = f"client {number.name}{', ssh' if over_ssh else ''}"

    def strike(self, rig: Rig, hit: Hit) -> None:
        send(hit.client, self.number)

    def expected(self, step: str) -> Expectation:
        killed = self.number is signal.SIGKILL
        if step in AFTER:
            codes = [-signal.SIGKILL] if killed else [0]
            return expect("new", *codes, *([0] if step == "unlock" else []))  # it may have ended already
        return expect("old", -signal.SIGKILL if killed else 130)


class ScriptSignal(Fault):
    """The node script gets a signal; the command learns of it."""

    def __init__(self, number: signal.Signals) -> None:
        self.number = number
        self.name = f"script {number.name}"

    def absent(self, step: str) -> str | None:
        return _NO_SCRIPT if step == "connect" else None

    def strike(self, rig: Rig, hit: Hit) -> None:
        send(hit.script, self.number)

    def expected(self, step: str) -> Expectation:
        killed = self.number is signal.SIGKILL
        if step == "snapshot":
            return expect("old", 4, 6)
        if step == "commit" and killed:
            return expect("old", 4)  # the revision isn't stored yet
        if step in AFTER:
            return expect("new", 0)
        if step == "probe" and not killed:
            return expect("old new", 0, 4)  # the word and the signal may cross
        return expect("old", 1, 4) if step in BEFORE else expect("old", 4)


class BothKilled(Fault):
    """A power cut, as far as processes go: what is left is for the next command."""

    name = "both SIGKILL"

    def absent(self, step: str) -> str | None:
        return _NO_SCRIPT if step == "connect" else None

    def strike(self, rig: Rig, hit: Hit) -> None:
        send(hit.script, signal.SIGKILL)
        send(hit.client, signal.SIGKILL)

    def expected(self, step: str) -> Expectation:
        if step in ("committed", "unlock"):
            return expect("new", -signal.SIGKILL, *([0] if step == "unlock" else []), helped=True)
        return expect("old", -signal.SIGKILL, helped=True)


FAULTS: tuple[Fault, ...] = (
    *(
        ClientSignal(number, over_ssh=over_ssh)
        for over_ssh in (False, True)
        for number in (signal.SIGKILL, signal.SIGINT, signal.SIGTERM)
    ),
    ScriptSignal(signal.SIGTERM),
    ScriptSignal(signal.SIGKILL),
    BothKilled(),
)
