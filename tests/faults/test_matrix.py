"""The transaction, interrupted at every step by every fault: all of the product, nothing picked by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from faults.rig import Rig
from faults.variants import STEPS

FAULTS = (
    "client SIGKILL", "client SIGKILL, over ssh", "client SIGINT", "client SIGTERM",
    "script SIGTERM", "script SIGKILL", "both SIGKILL", "tcp cut", "sshd killed",
)  # fmt: skip

pytestmark = [pytest.mark.nginx, pytest.mark.sshd]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("step", STEPS)
def test_interrupted(rig: Rig, step: str, fault: str, record_property: Callable[[str, object], None]) -> None:
    record_property("step", step)
    record_property("fault", fault)
    outcome = rig.run(step, fault)
    record_property("outcome", f"{outcome.state}{'+' if outcome.helped else ''} {outcome.code}")
    assert outcome.violations == []


def test_uninterrupted(rig: Rig) -> None:
    """Without a fault the same command makes the route live: the matrix is not green for want of change."""
    from nginxws.nodes.script import script

    rig.start(rig.add_route("--node", "local"), script().decode(), None)
    assert rig.finish() == 0
    assert rig.state() == "new"
