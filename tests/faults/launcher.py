"""Command lines that start fast, stop at a step on request, and use a node script of the test's own."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from faults.variants import Mutation, mutate, stopping_at

from nginxws.nodes.script import script

#: Seconds in which every command ends, whatever befell it; the slowest wait for a node that is gone.
LONGEST = 60


@dataclass(frozen=True, slots=True)
class Started:
    """A command under way: its pid, where its output goes, and the hook that it stops at."""

    pid: int
    output: Path
    hook: Path

    @property
    def reached(self) -> Path:
        return self.hook.with_suffix(".reached")

    def go(self) -> None:
        self.hook.with_suffix(".go").touch()


def _unmeasured() -> dict[str, str]:
    """Our environment, but for coverage's: hundreds of commands are struck here, and measured elsewhere."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}


class Launcher:
    """Starts command lines in ``folder`` through a zygote, and waits for their end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.counter = 0
        self._process: subprocess.Popen[str] | None = None
        self._faked: subprocess.Popen[str] | None = None
        self._true: subprocess.Popen[str] | None = None
        self.closing = contextlib.ExitStack()

    def zygote(self, program: str = "zygote.py", *words: str) -> subprocess.Popen[str]:
        """A process that forks commands; to be left (``with``) when all is over."""
        path = os.pathsep.join(
            filter(None, [str(Path(__file__).parent.parent), os.environ.get("PYTHONPATH")])
        )
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name(program)), *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**_unmeasured(), "PYTHONPATH": path},
        )
        return self._process

    def enter_fake_clock(self, file: Path) -> None:
        """The clocks of commands from here on, and of their nodes, are off by the seconds in ``file``."""
        self._true = self._process
        if self._faked is None:
            library = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
            wrong = self.zygote("clockwork.py", str(file), str(library))
            self._faked = self.closing.enter_context(wrong)
        self._process = self._faked

    def leave_fake_clock(self) -> None:
        """The true time again, as every other command has it."""
        self._process, self._true = self._true, None

    def start(self, argv: Sequence[str], text: str, step: str = "", broken: str = "") -> Started:
        """A command line with this node script, stopping at ``step`` if that is the client's."""
        self.counter += 1
        name = str(self.folder / str(self.counter))
        Path(f"{name}.sh").write_text(text)
        request: dict[str, Any] = {"argv": list(argv), "script": f"{name}.sh", "output": f"{name}.out"}
        request |= {"hook": name, "step": step, "break": broken}
        asked, _ = self._pipes()
        asked.write(json.dumps(request) + "\n")
        asked.flush()
        return Started(self._answer(), Path(f"{name}.out"), Path(name))

    def start_stopping(
        self, argv: Sequence[str], step: str, mutations: Sequence[Mutation] = (), broken: str = ""
    ) -> Started:
        """The same, with the shipped node script or a mutant of it that stops at ``step``."""
        text = mutate(script().decode(), mutations)
        return self.start(argv, stopping_at(text, step, self.folder / f"{self.counter + 1}"), step, broken)

    def finish(self) -> int:
        """The exit code of the command that was started; negative: the signal that ended it."""
        return self._answer()

    def finish_soon(self, pid: int, seconds: float = LONGEST) -> int | None:
        """The same, None when it had to be killed because it didn't end in so many seconds."""
        ready, _, _ = select.select([self._pipes()[1]], [], [], seconds)
        if not ready:
            os.kill(pid, signal.SIGKILL)
        code = self._answer()
        return code if ready else None

    def _answer(self) -> int:
        return int(self._pipes()[1].readline())

    def _pipes(self) -> tuple[IO[str], IO[str]]:
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        return self._process.stdin, self._process.stdout
