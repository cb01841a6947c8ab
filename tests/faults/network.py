"""Faults between the command and the node: the line, the SSH server, the login shell."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from faults.fault import AFTER, Expectation, Fault, Hit, expect, harmless
from support.nginx import wait_for

if TYPE_CHECKING:
    from faults.rig import Rig


def descendants(pid: int) -> list[tuple[int, str]]:
    """Pid and command of every process below one."""
    rows = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True)
    table = [line.split(None, 2) for line in rows.stdout.splitlines()]
    found, parents = [], {pid}
    while parents:
        below = [(int(p), args) for p, parent, args in table if int(parent) in parents]
        found += below
        parents = {p for p, _args in below}
    return found


class _Lost(Fault):
    """The connection ends at this step, and a new one can be made at once."""

    over_ssh = True

    def expected(self, step: str) -> Expectation:
        if step in AFTER:
            return expect("new", 0)
        return expect("old", 6) if step in ("connect", "snapshot") else expect("old", 4)


class TcpCut(_Lost):
    """Both directions of the TCP connection end."""

    name = "tcp cut"

    def strike(self, rig: Rig, hit: Hit) -> None:
        assert hit.proxy is not None
        hit.proxy.cut()


class SshdKilled(_Lost):
    """The SSH server's processes of this connection are gone; the server listens on."""

    name = "sshd killed"

    def strike(self, rig: Rig, hit: Hit) -> None:
        for pid, args in descendants(rig.server.pid):
            if args.startswith("sshd"):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


class TcpFrozen(Fault):
    """Nothing moves any more and nothing ends; new connections hear nothing either.

    The node restores by itself; the command says so after a bounded time.
    """

    name = "tcp frozen"
    over_ssh = True

    def arm(self, rig: Rig) -> list[str]:
        return ["--confirm-timeout", "1", "--reload-timeout", "3", "--ssh-timeout", "2"]

    def strike(self, rig: Rig, hit: Hit) -> None:
        assert hit.proxy is not None
        hit.proxy.freeze()

    def expected(self, step: str) -> Expectation:
        if step == "unlock":
            return expect("new", 0, 6)  # the last answer may have come through
        return expect("new" if step in AFTER else "old", 6)


class SlowNode(Fault):
    """From this step on every packet takes 200 ms, either way. Nothing is wrong with that."""

    name = "slow node"
    over_ssh = True
    delay = 0.2

    def strike(self, rig: Rig, hit: Hit) -> None:
        assert hit.proxy is not None
        hit.proxy.slow(self.delay)

    def expected(self, step: str) -> Expectation:
        return expect("old", 4) if step == "restore" else harmless()


class Garbage(Fault):
    """The account's profile prints text and bytes first, and a job that it has left behind once more now."""

    name = "shell garbage"
    over_ssh = True

    _PROFILE = (
        "printf 'Last login: never\\n\\377\\000\\033[31m@done 3\\nok\\n no line end'\n"
        "echo 'a word on stderr' >&2; touch @HOME@/printed\n"
        "if mkdir @HOME@/once 2>/dev/null; then ( trap '' PIPE\n"
        "  while [ ! -e @HOME@/go ]; do sleep 0.01; done\n"
        "  if [ -e @HOME@/strike ]; then printf 'cron: \\377 @@ job done\\n'; fi; touch @HOME@/done\n"
        ") & fi\n"
    )

    def arm(self, rig: Rig) -> list[str]:
        home = login_home(rig)
        shutil.rmtree(home)
        home.mkdir()
        (home / ".bashrc").write_text(self._PROFILE.replace("@HOME@", str(home)))
        return []

    def strike(self, rig: Rig, hit: Hit) -> None:
        if hit.step != "connect":  # no login shell runs yet
            (login_home(rig) / "strike").touch()
            self._release(rig)

    def heal(self, rig: Rig) -> None:
        home = login_home(rig)
        (home / ".bashrc").unlink()
        assert (home / "printed").exists(), "the login shell has read its profile"
        self._release(rig)

    def _release(self, rig: Rig) -> None:
        home = login_home(rig)
        (home / "go").touch()
        wait_for((home / "done").exists, "the profile's job")

    def expected(self, step: str) -> Expectation:
        if step == "snapshot":
            return expect("old", 1)
        return harmless() if step in ("connect", "probe", *AFTER) else expect("old", 4)


def login_home(rig: Rig) -> Path:
    """The home folder that the SSH server's logins have: ``SetEnv HOME`` in its configuration."""
    return rig.server.log.parent / "home"


FAULTS: tuple[Fault, ...] = (TcpCut(), TcpFrozen(), SshdKilled(), SlowNode(), Garbage())
