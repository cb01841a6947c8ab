"""The balancer of tests/integration, and what watches it from beside."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from integration.conftest import (  # noqa: F401 (fixtures)
    backend,
    binary,
    command,
    make_node,
    nginxws,
    node,
    open_folder,
    over_ssh,
    ssh_server,
)


class Watch:
    """Calls a function again and again beside the test; ``seen`` is everything it has ever returned."""

    def __init__(self, look: Callable[[], Iterator[str]]) -> None:
        self.seen: set[str] = set()
        self._look = look
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        while not self._over.is_set():
            self.seen.update(self._look())

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def processes() -> Iterator[str]:
    """Command lines and environments of all processes but ours."""
    for folder in Path("/proc").glob("[0-9]*"):
        if folder.name == str(os.getpid()):
            continue
        for name in ("cmdline", "environ"):
            with contextlib.suppress(OSError):
                yield (folder / name).read_bytes().replace(b"\0", b"\n").decode("utf-8", "replace")


@pytest.fixture
def watch_processes() -> Callable[[], Watch]:
    return lambda: Watch(processes)
