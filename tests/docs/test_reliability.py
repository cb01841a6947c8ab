"""The page on reliability names every step, fault and mutant that there is, and shows no hole."""

from __future__ import annotations

import re

import pytest
from faults import matrix
from faults.test_mutants import MUTANTS
from faults.variants import STEPS

BEGIN, END = "<!-- generated: begin -->", "<!-- generated: end -->"


@pytest.fixture
def tables(pages: dict[str, str]) -> str:
    return pages["docs/reliability.md"].partition(BEGIN)[2].partition(END)[0]


def test_every_step_is_told_and_a_column(pages: dict[str, str], tables: str) -> None:
    told = pages["docs/reliability.md"].partition(BEGIN)[0]
    for step in STEPS:
        assert f"*{step}*" in told
    assert "| fault | " + " | ".join(STEPS) + " |" in tables


def test_every_fault_is_a_row(tables: str) -> None:
    rows = dict(re.findall(r"^\| ([^|]+) \| (.*) \|$", tables, re.M))
    for fault in matrix.FAULTS:
        cells = rows[fault.name].split(" | ")
        assert len(cells) == len(STEPS), fault.name
        assert not {"HOLE", "FAILED", "?"} & set(cells), fault.name


def test_every_mutant_is_listed(tables: str) -> None:
    for mutant in MUTANTS:
        assert f"| {mutant.promise}: {mutant.name} |" in tables
    assert "SURVIVED" not in tables
