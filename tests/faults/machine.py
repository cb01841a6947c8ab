"""Faults of the node's machine: its disks, its NGINX, the way to reload it, its error log, its clock."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from faults.fault import AFTER, BEFORE, Expectation, Fault, Hit, expect, harmless
from support.disks import Hog, mount
from support.nginx import children, free_port, wait_for

if TYPE_CHECKING:
    from faults.rig import Rig


def _state_on(rig: Rig, own_disk: bool) -> list[str]:
    """The state directory beside the configuration, or on a small disk of its own; the option for it."""
    rig.node.state = rig.node.prefix / "state"
    if own_disk:
        disk = rig.folder / "state-disk"
        if not disk.exists():
            disk.mkdir()
            mount("-t", "tmpfs", "-o", "size=1m,nr_inodes=500,mode=700", "nginxws-faults", str(disk))
            rig.closing.callback(subprocess.run, ["umount", "-l", str(disk)], check=True)
        rig.node.state = disk / "state"
    rig.node.state.mkdir(mode=0o700, exist_ok=True)
    return ["--state-dir", str(rig.node.state)]


# --- disks ---------------------------------------------------------------------------------------


class DiskFull(Fault):
    """No byte, or no inode, is left from the step on, and what is freed is taken at once."""

    def __init__(self, place: str, what: str) -> None:
        self.name = f"{place} disk full" + (" (inodes)" if what == "inodes" else "")
        self._place, self._what = place, what
        self._hog: Hog | None = None

    def arm(self, rig: Rig) -> list[str]:
        return _state_on(rig, self._place != "whole")

    def strike(self, rig: Rig, hit: Hit) -> None:
        self._hog = Hog(rig.node.state.parent if self._place == "state" else rig.disk, self._what)

    def heal(self, rig: Rig) -> None:
        hog, self._hog = self._hog, None
        if hog is not None:
            hog.free()

    def expected(self, step: str) -> Expectation:
        if step == "restore":
            return expect("old", 4)
        # Once both files are staged, what is beside the configuration needs no more room.
        lacks = step in (BEFORE if self._place != "configuration" else BEFORE[: BEFORE.index("stage 2")])
        return expect("old", 1) if lacks else harmless()


class DiskReadOnly(Fault):
    """What is below a folder can't be written any more from the step on; what is open stays open."""

    def __init__(self, place: str) -> None:
        self.name = f"{place} read-only"
        self._place = place
        self._mounted: Path | None = None

    def arm(self, rig: Rig) -> list[str]:
        return _state_on(rig, self._place == "state")

    def strike(self, rig: Rig, hit: Hit) -> None:
        places = {"configuration": rig.node.conf.parent, "state": rig.node.state, "whole": rig.node.prefix}
        place = places[self._place]
        # A mount that has files open for writing can't be made read-only, so another one goes on top.
        wait_for(lambda: _covered_read_only(place), "a moment in which nothing is written there")
        self._mounted = place

    def heal(self, rig: Rig) -> None:
        place, self._mounted = self._mounted, None
        if place is not None:
            subprocess.run(["umount", "-l", str(place)], check=True)

    def expected(self, step: str) -> Expectation:
        """What can't be removed, the next command removes; what can't be put back, it puts back."""
        if step in ("committed", "unlock"):
            return expect("new", 0, helped=True)
        if self._place == "state":  # the files can be put back: only the undo's own end can't be written
            return expect("old", 1 if step in BEFORE else 4, helped=True)
        if self._place == "configuration" and step in ("stage 2", "test", "checkpoint"):
            return expect("old", 4, helped=True)
        if step in BEFORE:
            return expect("old", 1, helped=True)
        if self._place == "whole" or step in ("activate 1", "restore"):
            return expect("old", 5, helped=True)
        return expect("new", 0, helped=True)


def _covered_read_only(place: Path) -> bool:
    """Whether a folder is covered by a read-only mount of itself: not while a program opens a file."""
    mount("--bind", str(place), str(place))
    try:
        mount("-o", "remount,bind,ro", str(place))
    except subprocess.CalledProcessError:
        subprocess.run(["umount", "-l", str(place)], check=True)
        return False
    return True


# --- NGINX ---------------------------------------------------------------------------------------


class MasterKilled(Fault):
    """NGINX's master process dies; its workers, orphans now, serve on until the operator starts it again."""

    name = "master SIGKILL"

    def __init__(self) -> None:
        self._orphans: list[int] = []

    def strike(self, rig: Rig, hit: Hit) -> None:
        # It stands still first: a worker that it starts after we have looked would keep the port for ever.
        master = rig.node.master
        os.kill(master, signal.SIGSTOP)
        wait_for(lambda: _stands(master), "the master's halt")
        self._orphans = children(master)
        os.kill(master, signal.SIGKILL)
        assert rig.node.process is not None
        rig.node.process.wait(10)

    def heal(self, rig: Rig) -> None:
        orphans, self._orphans = self._orphans, []
        if not orphans:
            return
        for pid in orphans:
            if Path(f"/proc/{pid}/cmdline").exists():
                os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not any(_runs(pid) for pid in orphans), "the orphans' end")
        rig.node.pid_file.unlink(missing_ok=True)
        rig.node.start()

    def expected(self, step: str) -> Expectation:
        if step in ("committed", "unlock"):
            return expect("new", 0, restarted=True)
        if step in BEFORE:
            return expect("old", 1, restarted=True)
        return expect("old", 5, restarted=True)


def _stands(pid: int) -> bool:
    """Whether a signal has stopped it: the state after its name, proc(5)."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def _runs(pid: int) -> bool:
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except OSError:
        return False


class PortTaken(Fault):
    """A listener that the files have, and NGINX not yet, is taken: it refuses to reload, with exit code 0."""

    name = "port taken"

    def __init__(self) -> None:
        self._taken: socket.socket | None = None
        self._old: dict[str, str] | None = None
        self._port = 0

    def _file(self, rig: Rig) -> Path:
        return rig.node.site.with_name("not-yet-loaded.conf")

    def arm(self, rig: Rig) -> list[str]:
        self._port = free_port()
        self._file(rig).write_text(f"server {{\n    listen 127.0.0.1:{self._port};\n    return 204;\n}}\n")
        return []

    def strike(self, rig: Rig, hit: Hit) -> None:
        with contextlib.suppress(OSError):  # NGINX has it already: too late for this fault
            self._taken = socket.create_server(("127.0.0.1", self._port))

    def heal(self, rig: Rig) -> None:
        taken, self._taken = self._taken, None
        if taken is not None:
            taken.close()
        self._file(rig).unlink(missing_ok=True)

    def expected(self, step: str) -> Expectation:
        if step == "restore":
            return expect("old", 4)
        if step in (*AFTER, "prove", "ready", "probe"):
            return expect("old new", 0, 4) if step == "prove" else harmless()
        return expect("old", 4)


class ReloadRefused(Fault):
    """From the step on the reload command fails, or succeeds and does nothing."""

    def __init__(self, name: str, words: str) -> None:
        self.name = name
        self._words = words

    def _flag(self, rig: Rig) -> Path:
        return rig.folder / "reload-refused"

    def arm(self, rig: Rig) -> list[str]:
        node = rig.node
        reload = f"{node.binary} -p {node.prefix} -c {node.conf} -s reload"
        command = f"if [ -e {self._flag(rig)} ]; then {self._words}; else {reload}; fi"
        return ["--reload-command", command, "--reload-timeout", "3"]

    def strike(self, rig: Rig, hit: Hit) -> None:
        self._flag(rig).touch()

    def heal(self, rig: Rig) -> None:
        self._flag(rig).unlink(missing_ok=True)

    def expected(self, step: str) -> Expectation:
        if step in (*AFTER, "prove", "ready", "probe"):
            return harmless()
        return expect("old", 4)


class LogRotated(Fault):
    """The error log is another file from the step on."""

    def __init__(self, name: str, reopened: bool) -> None:
        self.name = name
        self._reopened = reopened

    def strike(self, rig: Rig, hit: Hit) -> None:
        if not self._reopened:
            rig.node.log.unlink(missing_ok=True)
            return
        rig.node.log.rename(rig.node.log.with_name("error.log.1"))
        os.kill(rig.node.master, signal.SIGUSR1)
        wait_for(rig.node.log.exists, "the new error log")

    def expected(self, step: str) -> Expectation:
        return expect("old", 4) if step == "restore" else harmless()


# --- clocks --------------------------------------------------------------------------------------


class ClockJump(Fault):
    """The wall clock of the client, and of the node script's tools, jumps; no clock that nobody sets does."""

    def __init__(self, hours: int) -> None:
        self.name = f"clock {hours:+} h"
        self._seconds = hours * 3600
        self._step = ""

    def _file(self, rig: Rig) -> Path:
        return rig.folder / "clock"

    def _set(self, rig: Rig, seconds: int) -> None:
        new = self._file(rig).with_suffix(".new")
        new.write_text(f"{seconds:+}\n")
        new.replace(self._file(rig))

    def arm(self, rig: Rig) -> list[str]:
        self._step = ""
        self._set(rig, 0)
        rig.enter_fake_clock(self._file(rig))
        return []

    def strike(self, rig: Rig, hit: Hit) -> None:
        self._step = hit.step
        self._set(rig, self._seconds)

    def heal(self, rig: Rig) -> None:
        rig.leave_fake_clock()
        if self._step in BEFORE:  # or else this fault does nothing, and no cell would notice
            metas = sorted(rig.node.state.glob("*/revisions/*/meta"), key=lambda meta: int(meta.parent.name))
            (since,) = (line for line in metas[-1].read_text().splitlines() if line.startswith("since "))
            assert abs(int(since.split()[1]) - time.time() - self._seconds) < 600, "the clock did not jump"

    def expected(self, step: str) -> Expectation:
        return expect("old", 4) if step == "restore" else harmless()


FAULTS: tuple[Fault, ...] = (
    *(DiskFull(place, what) for what in ("bytes", "inodes") for place in ("whole", "state", "configuration")),
    *(DiskReadOnly(place) for place in ("whole", "state", "configuration")),
    MasterKilled(),
    PortTaken(),
    ReloadRefused("reload fails", "echo refused; exit 3"),
    ReloadRefused("reload does nothing", "true"),
    LogRotated("log rotated", reopened=True),
    LogRotated("log deleted", reopened=False),
    ClockJump(+5),
    ClockJump(-5),
)
