"""Every step crossed with every fault; what the table of a run must hold, and how it is kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from faults import client, machine, network
from faults.fault import Fault
from faults.variants import STEPS

FAULTS: tuple[Fault, ...] = (*client.FAULTS, *network.FAULTS, *machine.FAULTS)

LEGEND = (
    "old, new: the configuration that is there, whole, and served; then the exit code (a negative one is the",
    "signal that ended the command). +: after the next command's help. -: there is no such cell, see below.",
)


@dataclass(frozen=True, slots=True)
class Cell:
    """What came of one cell: ``result`` as printed, ``took`` seconds from the fault to the command's end."""

    step: str
    fault: str
    result: str
    took: float = 0.0
    absent: str = ""


@dataclass(slots=True)
class Found:
    """What a run of this folder's tests has found out: cells, mutants by what caught them, figures."""

    cells: dict[tuple[str, str], Cell] = field(default_factory=dict)
    mutants: dict[str, str] = field(default_factory=dict)
    figures: dict[str, float] = field(default_factory=dict)

    def take(self, told: Mapping[str, object], *, passed: bool) -> None:
        """The properties that one test has recorded."""
        if "fault" in told:
            step, fault = str(told["step"]), str(told["fault"])
            result = str(told.get("result", "?")) if passed else "FAILED"
            self.cells[step, fault] = Cell(step, fault, result, float(str(told.get("took", 0.0))))
        elif "mutant" in told:
            self.mutants[str(told["mutant"])] = str(told.get("caught", "?")) if passed else "SURVIVED"
        elif "figure" in told and passed:
            self.figures[str(told["figure"])] = float(str(told["value"]))


def fault_named(name: str) -> Fault:
    """One of them."""
    return next(fault for fault in FAULTS if fault.name == name)


def declared() -> list[Cell]:
    """The cells that there can't be, by each fault's own rule."""
    return [
        Cell(step, fault.name, "-", absent=reason)
        for fault in FAULTS
        for step in STEPS
        if (reason := fault.absent(step)) is not None
    ]


def wanted() -> list[tuple[str, Fault]]:
    """The cells that must be run: all others."""
    return [(step, fault) for step in STEPS for fault in FAULTS if fault.absent(step) is None]


def holes(run: Mapping[tuple[str, str], Cell]) -> list[str]:
    """The cells of the product that were neither run nor declared."""
    known = {(cell.step, cell.fault) for cell in declared()} | set(run)
    return [f"{step} x {fault.name}" for step in STEPS for fault in FAULTS if (step, fault.name) not in known]


def table(run: Mapping[tuple[str, str], Cell]) -> list[str]:
    """A row a fault, a column a step."""
    cells = {**run, **{(cell.step, cell.fault): cell for cell in declared()}}
    rows = [["", *STEPS]]
    for fault in FAULTS:
        found = (cells.get((step, fault.name)) for step in STEPS)
        rows.append([fault.name, *(cell.result if cell else "HOLE" for cell in found)])
    widths = [max(len(row[column]) for row in rows) + 2 for column in range(len(rows[0]))]
    lines = ["".join(word.ljust(width) for word, width in zip(row, widths, strict=True)) for row in rows]
    reasons = sorted({f"- {cell.fault} at {cell.step}: n/a: {cell.absent}" for cell in declared()})
    return [line.rstrip() for line in (*lines, "", *LEGEND, "", *reasons)]


def save(folder: Path, found: Found) -> None:
    """The artifact: ``fault-matrix.txt`` and ``fault-matrix.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [*table(found.cells), "", "mutants, and what caught them:"]
    lines += [f"- {mutant}: {check}" for mutant, check in sorted(found.mutants.items())]
    lines += ["", "measured:", *(f"- {what}: {value:g}" for what, value in sorted(found.figures.items()))]
    (folder / "fault-matrix.txt").write_text("\n".join(lines) + "\n")
    cells = {**found.cells, **{(cell.step, cell.fault): cell for cell in declared()}}
    kept = {
        "steps": STEPS,
        "faults": [fault.name for fault in FAULTS],
        "cells": [
            asdict(cells[step, fault.name])
            for fault in FAULTS
            for step in STEPS
            if (step, fault.name) in cells
        ],
        "mutants": dict(sorted(found.mutants.items())),
        "figures": dict(sorted(found.figures.items())),
    }
    (folder / "fault-matrix.json").write_text(json.dumps(kept, indent=1) + "\n")
