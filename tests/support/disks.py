"""Small file systems, and what fills them."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import threading
from pathlib import Path

PAGE = 4096  # bytes that a file on tmpfs takes at least


def mount(*words: str) -> None:
    """mount(8), as root."""
    subprocess.run(["mount", *words], check=True)


class Hog:
    """Takes all bytes or inodes of a tmpfs, and whatever is freed on it later, until told to `free` it."""

    def __init__(self, disk: Path, what: str = "bytes") -> None:
        self._folder = disk / "hog"
        self._folder.mkdir()
        self._disk, self._what = disk, what
        self._ended, self._full = threading.Event(), threading.Event()
        room = os.statvfs(disk)
        self._inodes = room.f_files
        if what == "inodes":  # so that there are few of them to take
            self._limit(room.f_files - room.f_ffree + 1)
        self._thread = threading.Thread(target=self._take_bytes if what == "bytes" else self._take_inodes)
        self._thread.start()
        assert self._full.wait(20), "the disk doesn't get full"

    def free(self) -> None:
        """Nothing is taken any more."""
        self._ended.set()
        self._thread.join()
        if self._what == "inodes":
            self._limit(self._inodes)
        shutil.rmtree(self._folder)

    def _limit(self, inodes: int) -> None:
        mount("-o", f"remount,nr_inodes={inodes}", str(self._disk))

    def _take_bytes(self) -> None:
        with (self._folder / "bytes").open("wb", buffering=0) as file:
            while not self._ended.is_set():
                with contextlib.suppress(OSError):
                    while file.write(bytes(PAGE)):
                        pass
                self._wait()

    def _take_inodes(self) -> None:
        count = 0
        while not self._ended.is_set():
            with contextlib.suppress(OSError):
                while True:
                    (self._folder / str(count)).touch()
                    count += 1
            self._wait()

    def _wait(self) -> None:
        self._full.set()
        self._ended.wait(0.0005)
