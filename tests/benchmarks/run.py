"""The benchmarks (``make bench``): prints the figures and writes docs/benchmarks.md.

Every figure is a ratio of two things measured in turn in the same run, so that it means the same on
another machine. ``--quick`` takes few rounds and writes nothing.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from benchmarks import pushing  # noqa: E402 (tests/ isn't a package: its path is added above)
from support.nginx import debian_nginx  # noqa: E402

BIN = Path(sys.executable).parent
LIMITS = {"add-route": 2.0, "start": 1.5, "plan": 2.5, "growth": 5.5}


@dataclass(frozen=True, slots=True)
class Planning:
    """The best of some runs: CPU seconds and MiB on top of the imported program."""

    seconds: float
    mib: float
    size: int


def planning(routes: int, kind: str, rounds: int) -> dict[str, Planning]:
    """crossplane alone and the plan, in turn, each in a fresh process."""
    program = Path(__file__).with_name("planning.py")
    runs: dict[str, list[Planning]] = {"crossplane": [], "plan": []}
    for _ in range(rounds):
        for what, found in runs.items():
            argv = [sys.executable, str(program), str(routes), kind, what]
            told = json.loads(subprocess.run(argv, check=True, capture_output=True).stdout)
            found.append(Planning(told["seconds"], told["peak_mib"], told["bytes"]))
    return {what: min(found, key=lambda one: one.seconds) for what, found in runs.items()}


def starting(rounds: int) -> tuple[float, float]:
    """Median seconds of ``nginxws --version`` and of ``python -c "import click"``, in turn."""
    ours: list[float] = []
    click: list[float] = []
    for _ in range(rounds + 1):
        ours.append(pushing.timed([str(BIN / "nginxws"), "--version"]))
        click.append(pushing.timed([sys.executable, "-c", "import click"]))
    return statistics.median(ours[1:]), statistics.median(click[1:])


def report(quick: bool) -> Iterator[str]:
    """The lines of docs/benchmarks.md."""
    yield "# Benchmarks"
    yield ""
    yield f"Measured on {datetime.date.today():%Y-%m-%d} by `make bench`: {_machine()}."
    yield "Each pair was measured in turn in one run. Read the ratios; the seconds are one machine's."
    yield ""
    yield from _pushing(3 if quick else 15)
    yield from _starting(5 if quick else 30)
    yield from _planning(1 if quick else 3)


def _machine() -> str:
    nginx = debian_nginx()
    told = subprocess.run([nginx, "-v"], capture_output=True, text=True, check=True).stderr if nginx else ""
    ssh = subprocess.run(["ssh", "-V"], capture_output=True, text=True, check=True).stderr
    return (
        f"{os.cpu_count()} cores, Linux, Python {platform.python_version()}, "
        f"NGINX {told.strip().rpartition('/')[2]}, {ssh.partition(' ')[0].replace('_', ' ')}, "
        f"paramiko {version('paramiko')}, crossplane {version('crossplane')}"
    )


def _pushing(rounds: int) -> Iterator[str]:
    found = pushing.measure(BIN / "nginxws", rounds)
    yield "## A route, from the shell to proved"
    yield ""
    yield f"Whole processes, median of {rounds}, over SSH to a node on the same machine (ed25519 keys, one"
    yield "ssh_config for both). The script uploads, tests, swaps and reloads with the OpenSSH client; it has"
    yield "no lock, no undo and no proof, and ends before the old workers have stopped to accept."
    yield ""
    yield "| | seconds | ratio | limit |"
    yield "|---|---|---|---|"
    yield f"| six-line ssh script | {found.script:.3f} | 1 | |"
    yield f"| `nginxws add-route` | {found.add_route:.3f} | {found.ratio:.2f} | {LIMITS['add-route']} |"
    yield f"| `nginxws remove-route` | {found.remove_route:.3f} | {found.remove_route / found.script:.2f} | |"
    yield ""


def _starting(rounds: int) -> Iterator[str]:
    ours, click = starting(rounds)
    yield "## Start"
    yield ""
    yield "| | seconds | ratio | limit |"
    yield "|---|---|---|---|"
    yield f'| `python -c "import click"` | {click:.3f} | 1 | |'
    yield f"| `nginxws --version` | {ours:.3f} | {ours / click:.2f} | {LIMITS['start']} |"
    yield ""


def _planning(rounds: int) -> Iterator[str]:
    yield "## Plan for a large file"
    yield ""
    yield "One more route for a file that holds many: parse, choose the server, render, splice, prove,"
    yield f"diff, and the crossplane gate on the result. CPU seconds, best of {rounds} fresh processes;"
    yield "memory is what the job adds to the program. *Hand-written* routes are the six documented lines"
    yield "each, *managed* ones our default block between its markers."
    yield ""
    yield "| routes | file | crossplane.parse alone | plan | ratio | limit | memory: plan (crossplane) |"
    yield "|---|---|---|---|---|---|---|"
    growth = []
    for kind in ("hand-written", "managed"):
        plans = []
        for routes in (10_000, 50_000):
            found = planning(routes, kind, rounds)
            alone, plan = found["crossplane"], found["plan"]
            limit = str(LIMITS["plan"]) if routes == 10_000 else ""
            yield (
                f"| {routes:,} {kind} | {plan.size / 1e6:.1f} MB | {alone.seconds:.2f} s "
                f"| {plan.seconds:.2f} s | {plan.seconds / alone.seconds:.2f} | {limit} "
                f"| {plan.mib:.0f} MiB ({alone.mib:.0f}) |"
            )
            plans.append(plan.seconds)
        growth.append(f"{plans[1] / plans[0]:.1f} times ({kind})")
    yield ""
    yield f"50,000 routes take {' and '.join(growth)} what 10,000 take; the limit is {LIMITS['growth']}."
    yield "With so many routes NGINX itself is the limit: its own test of 50,000 `location`s takes 12 s and"
    yield "500 MB."
    yield ""


def main() -> None:
    """Print the report as it comes; write it at the end."""
    quick = "--quick" in sys.argv[1:]
    lines = []
    for line in report(quick):
        print(line, flush=True)
        lines.append(line)
    if not quick:
        (ROOT / "docs" / "benchmarks.md").write_text("\n".join(lines).rstrip("\n") + "\n")


if __name__ == "__main__":
    main()
