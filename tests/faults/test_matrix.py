"""The transaction, interrupted at every step by every fault: all of the product, nothing picked by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from faults import matrix
from faults.fault import Fault
from faults.rig import Rig

pytestmark = [pytest.mark.nginx, pytest.mark.sshd, pytest.mark.root]


@pytest.mark.parametrize(("step", "fault"), matrix.wanted(), ids=str)
def test_interrupted(
    rig: Rig, step: str, fault: Fault, record_property: Callable[[str, object], None]
) -> None:
    record_property("step", step)
    record_property("fault", fault.name)
    outcome = rig.run(step, fault)
    record_property("result", str(outcome))
    record_property("took", round(outcome.took, 2))
    assert outcome.violations == []
