"""The chat as a process of its own, as an application node runs it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Application:
    """A running chat application."""

    process: subprocess.Popen[str]
    port: int

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def stop(self) -> int:
        """Ask it to end; its exit code."""
        self.process.terminate()
        return self.process.wait(30)


@contextmanager
def application(*options: str, port: int = 0) -> Iterator[Application]:
    """Run ``python -m nginxws.demo.application`` until the block ends; it is ready when this yields."""
    command = [sys.executable, "-m", "nginxws.demo.application", "--port", str(port), *options]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            found = re.fullmatch(r"serving the chat at http://127\.0\.0\.1:(\d+)/\n", said)
            assert found is not None, f"it said {said!r}"
            yield Application(process, int(found[1]))
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:
                    process.kill()
