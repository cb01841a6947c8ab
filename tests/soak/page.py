"""The soak's figures as a table in docs/reliability.md, between two marker lines."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from soak.soaking import Figures

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- soak: begin -->", "<!-- soak: end -->"
_EMPTY = f"# Reliability\n\n## Soak\n\n{BEGIN}\n{END}\n"


def write(figures: Figures, page: Path = PAGE) -> None:
    """Put the table in; a page without a place for it gets one at its end."""
    text = page.read_text() if page.exists() else _EMPTY
    if BEGIN not in text:
        heading = "" if "\n## Soak\n" in text else "\n## Soak\n"
        text = f"{text.rstrip()}\n{heading}\n{BEGIN}\n{END}\n"
    head, _, rest = text.partition(BEGIN)
    tail = rest.partition(END)[2]
    page.write_text(f"{head}{BEGIN}\n{table(figures)}\n{END}{tail}")


def table(figures: Figures) -> str:
    """Two columns: what, and how much."""
    lines = ["| what | measured |", "|---|---|"]
    return "\n".join([*lines, *(f"| {what} | {value} |" for what, value in _rows(figures))])


def _rows(figures: Figures) -> Iterator[tuple[str, str]]:
    sockets, workers = figures.sockets, figures.workers
    yield "changes (routes added, changed, removed), each with a reload", f"{figures.applies}"
    yield "took", f"{figures.minutes} minutes on {os.cpu_count()} cores"
    yield "WebSockets open at the end", f"{sockets['sockets']:,}"
    yield "dropped", f"{sockets['dropped']}"
    yield "messages sent, each to be echoed", f"{sockets['sent']:,}"
    yield "lost", f"{sockets['lost']}"
    yield "slowest echo", f"{sockets['slowest_seconds']:.2f} s"
    times = f"{figures.apply_seconds_begin:.2f} s, {figures.apply_seconds_end:.2f} s"
    yield "one change, median of the first 20 and of the last 20", times
    yield "revisions kept on the node", f"{figures.revisions}, {figures.revision_bytes / 1024:.0f} KiB"
    old = f"{workers['draining']} of {workers['generations']} generations"
    yield "old workers at the end, each with sockets", f"{old}, beside {workers['serving']} that serve"
    yield "memory of NGINX's workers at the beginning", _memory(figures.memory_begin)
    yield "memory of NGINX's workers at the end", _memory(figures.memory_end)
    yield "processes left, files left", f"{len(figures.processes_left)}, {len(figures.files_left)}"


def _memory(found: dict[str, int]) -> str:
    count, mib = found["serving"] + found["draining"], 2**20
    return f"PSS {found['pss'] / mib:.0f} MiB, RSS {found['rss'] / mib:.0f} MiB, {count} processes"
