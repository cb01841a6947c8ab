"""Mutation testing of the pure core, and its table: ``make mutation``, or tools/mutation.py MODULE...

mutmut changes one thing at a time in a copy of the code (the folder mutants/), and finds out which unit tests
come by that place; a mutant that none of them minds has survived. Trying the mutants is done here: pytest
collects its tests once, and each mutant is a fork of that session, which is many times as fast as a session
for each. pyproject.toml says what is mutated, and which tests run.

What an earlier run has told of a function that is the same still isn't asked again, survivors aside. With
modules (``config.uri``) only theirs are tried.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

ROOT = Path(__file__).resolve().parents[1]
MUTANTS = ROOT / "mutants"
WANTED = 90
"""Per cent of the mutants that tests have to catch, over all and in each file."""
MEMORY = 6 << 30
"""Bytes of address space: a mutant that never stops collecting ends before the machine does."""
PATIENCE = 600
"""Seconds for one mutant, however busy the machine is; a test that uses up its processor time ends sooner."""

# mutmut's exit codes: what it makes of them, `mutmut results` shows.
UNTRIED, SURVIVED, KILLED, UNTESTED, TIMEOUT = None, 0, 1, 33, 36
_FATES = {UNTRIED: "not tried", SURVIVED: "survived", UNTESTED: "survived", TIMEOUT: "timeout"}
_QUIET = ("--rootdir=.", "-q", "--tb=no", "--timeout=0")


class Loop:
    """In place of pytest's loop over tests: over mutants, and for each over the tests that come by it."""

    def __init__(self, modules: list[str]) -> None:
        self.prefixes = tuple(f"nginxws.{module.removeprefix('nginxws.')}." for module in modules) or ("",)
        stats = json.loads(Path("mutmut-stats.json").read_text())
        self.seconds: dict[str, float] = stats["duration_by_test"]
        self.tests: dict[str, list[str]] = stats["tests_by_mangled_function_name"]

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items = {item.nodeid: item for item in session.items}
        if self.tried("", session.items) != SURVIVED:
            raise pytest.UsageError("the tests fail without any mutant")
        metas = {path: json.loads(path.read_text()) for path in sorted(Path("nginxws").rglob("*.py.meta"))}
        work = [
            (path, name) for path, meta in metas.items() for name in self.wanted(meta["exit_code_by_key"])
        ]
        work.sort(key=_anyhow)
        for number, (path, name) in enumerate(work, start=1):
            function = name.rpartition("__mutmut_")[0]
            known = (items[test] for test in self.tests.get(function, ()) if test in items)
            tests = sorted(known, key=lambda item: self.seconds.get(item.nodeid, 0))
            metas[path]["exit_code_by_key"][name] = self.tried(name, tests) if tests else UNTESTED
            if number % 100 == 0 or number == len(work):
                for meta_path, meta in metas.items():
                    meta_path.write_text(json.dumps(meta, indent=4))
                sys.stderr.write(f"{number} of {len(work)} mutants\n")
        return True

    def wanted(self, codes: dict[str, int | None]) -> Iterator[str]:
        """The mutants to try."""
        for name, code in codes.items():
            if name.startswith(self.prefixes) and code in (UNTRIED, SURVIVED, UNTESTED):
                yield name

    def tried(self, mutant: str, tests: list[pytest.Item]) -> int:
        """What became of a mutant."""
        pid = os.fork()
        if not pid:
            self.try_it(mutant, tests)
        deadline = time.monotonic() + PATIENCE
        while True:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                code = os.waitstatus_to_exitcode(status)
                return code if code in (SURVIVED, TIMEOUT) else KILLED
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                return TIMEOUT
            time.sleep(0.003)

    def try_it(self, mutant: str, tests: list[pytest.Item]) -> None:
        """In the fork: until the first test that fails. Doesn't return."""
        try:
            signal.signal(signal.SIGPROF, lambda *_: os._exit(TIMEOUT))
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(null, 1)
            os.dup2(null, 2)
            os.environ["MUTANT_UNDER_TEST"] = mutant
            for item in tests:
                signal.setitimer(signal.ITIMER_PROF, 2 + 3 * self.seconds.get(item.nodeid, 0))
                if any(report.failed for report in runtestprotocol(item, log=False, nextitem=None)):
                    os._exit(KILLED)
            os._exit(SURVIVED)
        except BaseException:
            os._exit(KILLED)


def _anyhow(one: tuple[Path, str]) -> bytes:
    """The same order each time, and none at all: any part of a run is a fair sample."""
    return hashlib.sha256(one[1].encode()).digest()


def loop(modules: list[str]) -> int:
    """Try the mutants. mutmut has made them, and run each test once."""
    settings: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mutmut"]
    os.chdir(MUTANTS)
    os.environ["MUTANT_UNDER_TEST"] = ""
    kept = [path for path in sys.path if Path(path).resolve() != ROOT]
    sys.path[:] = [str(MUTANTS), *kept]
    args = [*_QUIET, *settings["pytest_add_cli_args"], *settings["pytest_add_cli_args_test_selection"]]
    return int(pytest.main(args, plugins=[Loop(modules)]))


def results() -> dict[str, dict[str, str]]:
    """What became of every mutant, by file."""
    found: dict[str, dict[str, str]] = {}
    for path in sorted((MUTANTS / "nginxws").rglob("*.py.meta")):
        codes: dict[str, int | None] = json.loads(path.read_text())["exit_code_by_key"]
        name = path.relative_to(MUTANTS / "nginxws").as_posix().removesuffix(".meta")
        if codes:
            found[name] = {mutant: _FATES.get(code, "killed") for mutant, code in codes.items()}
    return found


def percent(counts: Counter[str]) -> float:
    """Those caught, by a test or by its time limit, of those that were tried."""
    tried = counts.total() - counts["not tried"]
    return 100 * (counts["killed"] + counts["timeout"]) / tried if tried else 100


def row(name: str, counts: Counter[str]) -> str:
    """A line of the table."""
    numbers = (counts.total(), counts["killed"], counts["timeout"], counts["survived"])
    left = f" ({counts['not tried']} not tried)" if counts["not tried"] else ""
    return f"| {name} | {' | '.join(map(str, numbers))} | {percent(counts):.1f} %{left} |"


def report() -> tuple[str, bool]:
    """The survivors and the table; and whether enough were caught."""
    fates = results()
    counts = {name: Counter(one.values()) for name, one in fates.items()}
    total = sum(counts.values(), Counter[str]())
    survivors = [name for one in fates.values() for name, what in one.items() if what == "survived"]
    lines = [
        *survivors,
        f"{len(survivors)} survived; see one with: mutmut show NAME",
        "",
        "| file | mutants | killed | timeout | survived | caught |",
        "|---|---:|---:|---:|---:|---:|",
        *(row(name, one) for name, one in counts.items()),
        row("**all**", total),
    ]
    return "\n".join(lines) + "\n", all(percent(one) >= WANTED for one in (total, *counts.values()))


def main(modules: list[str]) -> int:
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    if hard == resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, hard))
    (MUTANTS / "mutmut-stats.json").unlink(missing_ok=True)
    # mutmut makes all the mutants, whichever few it is asked to try.
    made = [sys.executable, "-m", "mutmut", "run", "--max-children", "1", "nginxws.config.octets.*"]
    subprocess.run(made, cwd=ROOT, check=True)
    status = loop(modules)
    text, enough = report()
    sys.stdout.write(text)
    return status or int(not enough)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
