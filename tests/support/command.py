"""The real command line, as a child process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: Seconds until a command counts as stuck.
STUCK = 60.0


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """Standard output as the one JSON object that it must be."""
        value: dict[str, Any] = json.loads(self.out)
        return value

    def held(self, schema: str) -> dict[str, Any]:
        """The same, held to a published schema."""
        from support.schemas import hold

        hold(self.json, schema)
        return self.json

    @property
    def error(self) -> str:
        """The ``error:`` line of a command that must have exactly one."""
        (line,) = (line for line in self.err.splitlines() if line.startswith("error: "))
        return line

    @property
    def hint(self) -> str:
        """What follows ``hint:``, to the end."""
        head, colon, text = self.err.partition("\nhint: ")
        assert colon, f"no hint after {head!r}"
        return text


class Nginxws:
    """``nginxws`` with the same TARGET options each time and a home folder of its own."""

    def __init__(self, home: Path, target: Sequence[str] = ()) -> None:
        self.home = home
        self.target = list(target)

    def at(self, *target: str) -> Nginxws:
        """The same command line with another TARGET."""
        return Nginxws(self.home, target)

    def __call__(
        self,
        *words: str,
        code: int = 0,
        env: Mapping[str, str] | None = None,
        pass_fds: Sequence[int] = (),
    ) -> Done:
        """Run to the end; the exit code must be ``code``."""
        done = self.finish(self.start(*words, env=env, pass_fds=pass_fds))
        assert done.code == code, f"exit code {done.code}, not {code}\n{done.out}\n{done.err}"
        assert "Traceback" not in done.err
        return done

    def start(
        self, *words: str, env: Mapping[str, str] | None = None, pass_fds: Sequence[int] = ()
    ) -> subprocess.Popen[bytes]:
        """A running command; the TARGET options stand at its end, as in the documentation."""
        return subprocess.Popen(
            [sys.executable, "-m", "nginxws", *words, *self.target],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self._environment() | dict(env or {}),
            pass_fds=pass_fds,
        )

    @staticmethod
    def finish(process: subprocess.Popen[bytes]) -> Done:
        """Wait for the end of a running command."""
        try:
            out, err = process.communicate(timeout=STUCK)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise
        return Done(process.returncode, out.decode("utf-8", "surrogateescape"), err.decode())

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("NGINXWS_")}
        return kept | {"HOME": str(self.home)}
