"""The matrix is the whole product: a cell that nobody ran and no rule declares is a hole, and is told."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from faults import matrix, reporting, test_matrix
from faults.matrix import Cell, Found
from faults.reporting import USUAL
from faults.variants import STEPS


def everything() -> dict[tuple[str, str], Cell]:
    return {(step, fault.name): Cell(step, fault.name, "old 4") for step, fault in matrix.wanted()}


def test_every_step_and_fault_is_a_cell() -> None:
    named = {(cell.step, cell.fault) for cell in matrix.declared()} | set(everything())
    assert named == {(step, fault.name) for step in STEPS for fault in matrix.FAULTS}
    assert len({fault.name for fault in matrix.FAULTS}) == len(matrix.FAULTS)
    (mark,) = (one for one in test_matrix.test_interrupted.pytestmark if one.name == "parametrize")  # type: ignore[attr-defined]
    assert mark.args[1] == matrix.wanted(), "what is run is what is wanted"


def test_few_cells_are_declared_away() -> None:
    assert len(matrix.declared()) <= 0.05 * len(STEPS) * len(matrix.FAULTS)
    assert all(cell.absent for cell in matrix.declared())


def test_a_hole_is_told() -> None:
    run = everything()
    assert matrix.holes(run) == []
    assert not any("HOLE" in line for line in matrix.table(run))
    del run["reload", "tcp cut"]
    assert matrix.holes(run) == ["reload x tcp cut"]
    assert any("HOLE" in line for line in matrix.table(run))


def test_what_a_test_records() -> None:
    found = Found()
    found.take({"step": "lock", "fault": "tcp cut", "result": "old 4", "took": 0.5}, passed=True)
    found.take({"step": "test", "fault": "tcp cut", "result": "new 0"}, passed=False)
    found.take({"mutant": "a", "caught": "b"}, passed=True)
    found.take({"mutant": "c", "caught": "-"}, passed=False)
    found.take({"figure": "d", "value": 1.5}, passed=True)
    found.take({}, passed=True)
    assert found.cells["lock", "tcp cut"] == Cell("lock", "tcp cut", "old 4", 0.5)
    assert found.cells["test", "tcp cut"].result == "FAILED"
    assert found.mutants == {"a": "b", "c": "SURVIVED"}
    assert found.figures == {"d": 1.5}


@pytest.mark.parametrize(
    ("option", "counts"),
    [({}, True), ({"markexpr": USUAL}, True), ({"markexpr": "root"}, False), ({"keyword": "cut"}, False)],
)
def test_holes_count_in_every_run_that_is_not_narrowed(option: dict[str, str], counts: bool) -> None:
    """The marker expression that all runs have doesn't narrow."""
    found = Found()
    found.take({"step": "connect", "fault": "tcp cut", "result": "old 6"}, passed=True)
    usual = {"keyword": "", "markexpr": "", "collectonly": False, "maxfail": 0}
    config: Any = SimpleNamespace(option=SimpleNamespace(**{**usual, **option}), args=["tests"])
    assert bool(reporting._missing(config, found)) is counts
