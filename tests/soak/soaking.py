"""One soak: many changes on one node under sockets that talk, and what was measured."""

from __future__ import annotations

import contextlib
import json
import os
import re
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from support.command import Nginxws
from support.nginx import NginxNode

#: Routes that stand at any time; older ones are removed.
STANDING = 2
#: Changes whose times are told, at the beginning and at the end.
SAMPLE = 20


@dataclass
class Figures:
    """What a soak measured; times in seconds, memory and disk in bytes."""

    applies: int = 0
    minutes: float = 0.0
    sockets: dict[str, Any] = field(default_factory=dict)
    apply_seconds_begin: float = 0.0
    apply_seconds_end: float = 0.0
    revisions: int = 0
    revision_bytes: int = 0
    workers: dict[str, int] = field(default_factory=dict)
    memory_begin: dict[str, int] = field(default_factory=dict)
    memory_end: dict[str, int] = field(default_factory=dict)
    processes_left: list[str] = field(default_factory=list)
    files_left: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class TalkingProcess:
    """The process with the backend and the sockets (``talkers.py``)."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("talkers.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.backend = int(self._answer())

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the sockets' process has ended"
        return line

    def _order(self, words: str) -> str:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{words}\n")
        self._process.stdin.flush()
        return self._answer()

    def open(self, port: int, count: int) -> None:
        """Open more sockets through the balancer on ``port``."""
        assert self._order(f"open {port} {count}") == "ok\n"

    def finish(self) -> dict[str, Any]:
        """What became of all of them."""
        report: dict[str, Any] = json.loads(self._order("close"))
        return report

    def close(self) -> None:
        with contextlib.suppress(OSError):
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()
        self._process.kill()
        self._process.wait(10)


def changes(count: int, backend: str) -> Iterator[tuple[str, ...]]:
    """``count`` changes: a route is added, changed, and removed when `STANDING` younger ones stand."""
    number = 0
    while True:
        for words in (
            ("add-route", f"/soak{number}/", backend),
            ("add-route", f"/soak{number}/", backend, "--read-timeout", "5m"),
            ("remove-route", f"/soak{number - STANDING}/"),
        ):
            if words[1].startswith("/soak-"):
                continue
            if count == 0:
                return
            count -= 1
            yield words
        number += 1


def memory(node: NginxNode) -> dict[str, int]:
    """Bytes that NGINX's workers take: resident, and their share of it (PSS), serving and draining ones."""
    found = {"serving": 0, "draining": 0, "rss": 0, "pss": 0}
    for pid, drains in node.workers().items():
        with contextlib.suppress(OSError):  # one that just ends
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
            for key in ("rss", "pss"):
                found[key] += 1024 * int(re.findall(rf"^{key}:\s+(\d+) kB", text, re.M | re.I)[0])
            found["draining" if drains else "serving"] += 1
    return found


def processes_with(mark: str) -> list[str]:
    """Processes that inherited our mark in their environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark.encode() in (folder / "environ").read_bytes():
                found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return found


def left_over(node: NginxNode) -> list[str]:
    """Files that a finished change must not leave."""
    kept = {"conf", "lock", "revisions"}
    state = [str(path) for path in node.state.glob("*/*") if path.name not in kept]
    return state + [str(path) for path in node.prefix.rglob(".nginxws-*")]


def soak(command: Nginxws, node: NginxNode, talkers: TalkingProcess, applies: int, sockets: int) -> Figures:
    """Open the sockets, make the changes, one more socket after every third of them; what was measured."""
    figures, mark, times = Figures(applies), uuid.uuid4().hex, []
    began = time.monotonic()
    before = node.digests()
    talkers.open(node.port, sockets)
    figures.memory_begin = memory(node)
    last: dict[str, Any] = {}
    for number, words in enumerate(changes(applies, f"127.0.0.1:{talkers.backend}")):
        start = time.monotonic()
        done = command(*words, "--format", "json", env={"SOAK_MARK": mark, "NGINXWS_PROBE_TIMEOUT": "30s"})
        times.append(time.monotonic() - start)
        last = done.json["nodes"]["local"]
        assert last["applied"], words
        assert last["revision"] == number + 1
        if number % 3 == 2:
            talkers.open(node.port, 1)
    figures.memory_end = memory(node)
    figures.workers = last["workers"]
    for path in re.findall(r"# nginxws: begin route (\S+) ", node.site.read_text()):
        command("remove-route", path)
    figures.sockets = talkers.finish()
    figures.minutes = round((time.monotonic() - began) / 60, 1)
    figures.apply_seconds_begin = round(statistics.median(times[:SAMPLE]), 3)
    figures.apply_seconds_end = round(statistics.median(times[-SAMPLE:]), 3)
    store = list(node.state.glob("*/revisions/*"))
    figures.revisions = len(store)
    figures.revision_bytes = sum(p.stat().st_size for folder in store for p in folder.iterdir())
    figures.processes_left = processes_with(mark)
    figures.files_left = left_over(node)
    if node.digests() != before:
        figures.files_left.append("the configuration isn't as it was")
    return figures


def keep(figures: Figures) -> None:
    """Write the figures to $NGINXWS_ARTIFACTS, if that is set."""
    if folder := os.environ.get("NGINXWS_ARTIFACTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        (Path(folder) / "soak.json").write_text(json.dumps(figures.as_json(), indent=2) + "\n")
