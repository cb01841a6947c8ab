"""Writes the tables of docs/reliability.md from the artifact of a run of tests/faults.

    python tools/gen_reliability.py FOLDER

FOLDER is the ``NGINXWS_ARTIFACTS`` of that run, which holds ``fault-matrix.json``: of the whole of
tests/faults, or what it lacks is lost on the page.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reliability.md"
BEGIN, END = "<!-- generated: begin -->", "<!-- generated: end -->"


def generated(found: dict[str, Any]) -> str:
    """The tables of a run: cells, mutants, figures."""
    return "\n".join([*_matrix(found), "", *_mutants(found), "", *_figures(found)])


def _matrix(found: dict[str, Any]) -> Iterator[str]:
    cells = {(cell["step"], cell["fault"]): cell for cell in found["cells"]}
    run = [cell for cell in cells.values() if not cell["absent"]]
    yield f"{len(found['steps'])} steps, {len(found['faults'])} faults: {len(run)} cells were run."
    yield ""
    yield "| fault | " + " | ".join(found["steps"]) + " |"
    yield "|---|" + "---|" * len(found["steps"])
    for fault in found["faults"]:
        row = (cells.get((step, fault), {"result": "HOLE"})["result"] for step in found["steps"])
        yield f"| {fault} | " + " | ".join(row) + " |"
    yield ""
    absent = sorted(
        {(cell["fault"], cell["step"], cell["absent"]) for cell in cells.values() if cell["absent"]}
    )
    yield from (f"- {fault} at {step}: n/a: {reason}." for fault, step, reason in absent)


def _mutants(found: dict[str, Any]) -> Iterator[str]:
    yield f"{len(found['mutants'])} mutants, and what caught each:"
    yield ""
    yield "| promise: mutant | caught by |"
    yield "|---|---|"
    for name, caught in found["mutants"].items():
        yield f"| {name} | {caught.partition(': ')[0]} |"


def _figures(found: dict[str, Any]) -> Iterator[str]:
    yield "| measured | |"
    yield "|---|---|"
    for what, value in found["figures"].items():
        yield f"| {what} | {value:g} |"
    took = sorted(cell["took"] for cell in found["cells"] if not cell["absent"])
    if took:
        yield f"| from the fault to the command's end, median of all cells (s) | {took[len(took) // 2]:g} |"
        yield f"| the longest of them (s) | {took[-1]:g} |"


def page(old: str, found: dict[str, Any]) -> str:
    """The page with its generated part anew."""
    head, _, rest = old.partition(BEGIN)
    tail = rest.partition(END)[2]
    return f"{head}{BEGIN}\n{generated(found)}\n{END}{tail}"


if __name__ == "__main__":
    artifact = json.loads((Path(sys.argv[1]) / "fault-matrix.json").read_text())
    PAGE.write_text(page(PAGE.read_text(), artifact))
