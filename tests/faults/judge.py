"""The promise, held against what a cell of the interruption matrix has left behind."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from faults.fault import Expectation
from support.nginx import wait_for

if TYPE_CHECKING:
    from faults.rig import Rig

#: What a command must have said, by its exit code: the printed words tell the same as the code.
WORDS = {
    0: r"/ws/",
    1: r"error: (?!.*(restored|live))",
    4: r"everything was restored|the node is as it was",
    5: r"the restore failed|not running any more|somebody edited",
    6: r"error: ",
    7: r"nothing was touched|locked by|undone first",
    130: r"error: interrupted\n|nothing was changed|the node is as it was|undone by the node itself",
}
#: Seconds after the node script's end in which the lock is free: its last tools end.
HELD = 5
#: What each exit code says of the configuration.
MEANS = {0: "new", 1: "old", 4: "old", 7: "old", 130: "old"}


@dataclass
class Outcome:
    """How a command with a fault in it ended, and what was wrong afterwards."""

    code: int | None
    output: str
    state: str  # "old" or "new" when the configuration is whole
    helped: bool  # the next command had something to put right
    took: float = 0.0  # seconds from the fault to the command's end
    violations: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.state}{'+' if self.helped else ''} {self.code}"


def judge(
    rig: Rig, wanted: Expectation, code: int | None, output: str, took: float = 0.0, alone: bool = True
) -> Outcome:
    """Wait until the node has come to rest, let the next command help, then hold it to the promise.

    ``alone`` says whether the live socket talked before anybody mended anything.
    """
    wrong: list[str] = [] if alone else ["a live socket was dead before anybody mended anything"]
    try:
        wait_for(rig.unlocked, "the lock", HELD)
    except AssertionError:
        wrong.append("the lock is held, and nobody is at work")
    helped = not rig.at_rest()
    if helped and (trouble := rig.help()):
        wrong.append(f"the next command can't put it right: {trouble}")
    outcome = Outcome(code, output, rig.state(), helped, took, wrong)
    wrong += _node(rig, wanted, outcome)
    wrong += _words(wanted, outcome)
    return outcome


def _node(rig: Rig, wanted: Expectation, outcome: Outcome) -> Iterator[str]:
    if outcome.helped and not wanted.helped:
        yield "the node script did not clean up by itself"
    if outcome.state not in ("old", "new"):
        yield f"neither the old nor the new configuration: {outcome.state}"
    elif outcome.state not in wanted.states:
        yield f"{outcome.state}, which is not what should come of it"
    if left := rig.temporaries():
        yield f"left behind: {left}"
    if not rig.at_rest():
        yield "locked, or something pending"
    if not wanted.restarted and not rig.live_echoes():
        yield "a live socket is dead"


def _words(wanted: Expectation, outcome: Outcome) -> Iterator[str]:
    """The exit code, and what was printed, must say what the node is like."""
    code, said = outcome.code, outcome.output.strip()
    if code is None:
        yield f"the command did not end: {said}"
    elif code not in wanted.codes:
        yield f"exit code {code}: {said}"
    elif code in WORDS and not re.search(WORDS[code], said):
        yield f"exit code {code}, but it says: {said}"
    if code is not None and MEANS.get(code, outcome.state) != outcome.state:
        yield f"exit code {code} isn't true of {outcome.state}: {said}"
    if "bug of nginxws" in said or "Traceback" in said:
        yield f"a bug: {said}"
