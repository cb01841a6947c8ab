"""A node to break things on: its command lines, its node scripts that stop on request, its invariants."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faults.variants import BEFORE_THE_WORD, Mutation, mutate, stopping_at
from support.backend import Backend, open_socket
from support.lines import TcpProxy
from support.nginx import NginxNode, site_conf, wait_for
from support.sshd import SshServer

from nginxws.nodes.link import NodeLink
from nginxws.nodes.local import LocalTransport
from nginxws.nodes.options import NodeOptions
from nginxws.nodes.reading import read_node
from nginxws.nodes.script import script
from nginxws.nodes.sudo import Sudo


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


def has_ended(pid: int) -> bool:
    """Whether a process is gone, or only waits to be reaped."""
    try:
        return not Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return True


@dataclass
class Outcome:
    """How a command with a fault in it ended, and what was wrong afterwards."""

    code: int
    output: str
    state: str  # "old" or "new" when the configuration is whole
    helped: bool  # the next command had something to put right
    violations: list[str] = field(default_factory=list)


OVER_SSH = ", over ssh"
"""Ending of a fault's name: the client reaches the node by real SSH instead of locally."""


class Rig:
    """One balancer with a live socket through it, and ways to run and break commands on it."""

    def __init__(self, node: NginxNode, backend: Backend, server: SshServer | None, folder: Path) -> None:
        self.node = node
        self.backend = backend
        self.server = server
        self.folder = folder
        self.counter = 0
        self.old = node.digests()
        self.site = node.site.read_bytes()
        self.sockets = contextlib.ExitStack()
        self.live = self.sockets.enter_context(open_socket(node.port, "/live/"))
        self.zygote = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("zygote.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def close(self) -> None:
        self.sockets.close()
        assert self.zygote.stdin is not None
        self.zygote.stdin.close()
        self.zygote.wait(10)
        if self.zygote.stdout is not None:
            self.zygote.stdout.close()

    # --- commands ------------------------------------------------------------------------------

    def start(self, argv: Sequence[str], text: str, probe_hook: Path | None) -> tuple[int, Path]:
        """A command line with this node script; its pid and where its output goes."""
        self.counter += 1
        script_file = self.folder / f"{self.counter}.sh"
        output = self.folder / f"{self.counter}.out"
        script_file.write_text(text)
        request: dict[str, Any] = {"argv": list(argv), "script": str(script_file), "output": str(output)}
        request["probe_hook"] = "" if probe_hook is None else str(probe_hook)
        assert self.zygote.stdin is not None
        self.zygote.stdin.write(json.dumps(request) + "\n")
        self.zygote.stdin.flush()
        return self._answer(), output

    def finish(self) -> int:
        """The exit code of the command that was started; negative: the signal that ended it."""
        return self._answer()

    def _answer(self) -> int:
        assert self.zygote.stdout is not None
        return int(self.zygote.stdout.readline())

    def add_route(self, *more: str) -> list[str]:
        options = self.node.options()
        return ["add-route", "/ws/", self.backend.address, "--confirm-timeout", "10", *options, *more]

    def reset(self) -> None:
        """Back to the old configuration, whatever is there."""
        with self.link() as link:
            read_node(link, lambda _step, _words: None)
        if self.node.digests() != self.old:
            self.start(
                ["remove-route", "/ws/", "--node", "local", *self.node.options()], script().decode(), None
            )
            assert self.finish() == 0
        assert self.node.digests() == self.old

    def mend(self) -> None:
        """Whatever a broken script has left: the old files, reloaded, and no state."""
        wait_for(self.unlocked, "the lock", 30)
        for path in self.temporaries():
            Path(path).unlink(missing_ok=True) if not Path(path).is_dir() else shutil.rmtree(path)
        for pending in self.node.state.glob("*/pending"):
            shutil.rmtree(pending)
        self.node.site.write_bytes(self.site)
        before = set(self.node.workers())
        os.kill(self.node.master, signal.SIGHUP)
        wait_for(lambda: set(self.node.workers()) - before, "new workers")
        wait_for(lambda: all(self.node.workers().get(pid, True) for pid in before), "old workers draining")

    @contextlib.contextmanager
    def link(self) -> Iterator[NodeLink]:
        """The node as the library has it, with the script as shipped."""
        options = NodeOptions(
            nginx_bin=self.node.binary,
            nginx_conf=str(self.node.conf),
            state_dir=str(self.node.state),
            who="tester",
            lock_timeout=20,
            confirm_timeout=10,
        )
        with NodeLink("local", LocalTransport, Sudo(), options) as link:
            yield link

    # --- faults --------------------------------------------------------------------------------

    def run(self, step: str, fault: str, mutations: Sequence[Mutation] = ()) -> Outcome:
        """add-route with a fault at one step; what came of it."""
        text = mutate(script().decode(), mutations)
        hook = self.folder / f"hook{self.counter}"
        over_ssh = fault in ("tcp cut", "sshd killed") or fault.endswith(OVER_SSH)
        with contextlib.ExitStack() as stack:
            argv = self.add_route("--node", "local")
            proxy = None
            if over_ssh:
                assert self.server is not None
                proxy = stack.enter_context(contextlib.closing(TcpProxy(self.server.port)))
                argv = self.add_route("--node", "node", "--ssh-config", str(self._ssh_config(proxy.port)))
            if step == "restore":
                argv += ["--probe-expect", "418", "--probe-timeout", "1"]
            pid, output = self.start(argv, stopping_at(text, step, hook), hook if step == "probe" else None)
            try:
                reached = hook.with_suffix(".reached")
                wait_for(reached.exists, f"step {step}", 20)
                node_script = self._script_pid(reached)
                self.strike(fault, pid, node_script, proxy)
            finally:
                hook.with_suffix(".go").touch()
            code = self.finish()
        with contextlib.suppress(AssertionError):  # before its lock is free it may not even be taken
            wait_for(lambda: has_ended(node_script), "the node script's end", 15)
        return self.judge(step, fault, code, output.read_text())

    def strike(self, fault: str, client: int, node_script: int, proxy: TcpProxy | None) -> None:
        signals = {
            "client SIGKILL": signal.SIGKILL,
            "client SIGINT": signal.SIGINT,
            "client SIGTERM": signal.SIGTERM,
        }
        if (plain := fault.removesuffix(OVER_SSH)) in signals:
            os.kill(client, signals[plain])
        elif fault == "script SIGKILL":
            os.kill(node_script, signal.SIGKILL)
        elif fault == "script SIGTERM":
            os.kill(node_script, signal.SIGTERM)
        elif fault == "both SIGKILL":
            os.kill(node_script, signal.SIGKILL)
            os.kill(client, signal.SIGKILL)
        elif fault == "tcp cut":
            assert proxy is not None
            proxy.cut()
        else:
            assert self.server is not None
            for pid, args in descendants(self.server.pid):
                if args.startswith("sshd"):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)

    def _script_pid(self, reached: Path) -> int:
        """Whoever holds the lock says so; the file of the hook does where nobody does."""
        for owner in self.node.state.glob("*/owner"):
            return int(re.findall(r"^pid (\d+)", owner.read_text())[0])
        return int(reached.read_text())

    def _ssh_config(self, port: int) -> Path:
        assert self.server is not None
        config = self.folder / f"ssh{port}"
        text = re.sub(r"Port \d+", f"Port {port}", self.server.config.read_text())
        known = self.folder / f"known{port}"
        known.write_text(f"[127.0.0.1]:{port} {self.server.host_public_key}\n")
        config.write_text(text.replace(str(self.server.known_hosts), str(known)))
        return config

    # --- judgement -----------------------------------------------------------------------------

    def judge(self, step: str, fault: str, code: int, output: str) -> Outcome:
        """Wait until the node has come to rest, let the next command help, then hold it to the promise."""
        with contextlib.suppress(AssertionError):
            wait_for(self.unlocked, "the lock", 15)
        helped = not self.at_rest()
        if helped:
            with self.link() as link:
                read_node(link, lambda _step, _words: None)
        outcome = Outcome(code, output, self.state(), helped)
        wrong = outcome.violations
        if helped and fault != "both SIGKILL":
            wrong.append("the node script did not clean up by itself")
        if outcome.state not in ("old", "new"):
            wrong.append(f"neither the old nor the new configuration: {outcome.state}")
        # At the probe the word and the signal may cross.
        early = step in BEFORE_THE_WORD and (step, fault) != ("probe", "script SIGTERM")
        if early and outcome.state != "old":
            wrong.append("changed, though nobody said commit")
        if left := self.temporaries():
            wrong.append(f"left behind: {left}")
        if not self.at_rest():
            wrong.append("locked, or something pending")
        if not self.live_echoes():
            wrong.append("the live socket is dead")
        wrong += _wrong_code(fault.removesuffix(OVER_SSH), outcome)
        return outcome

    def unlocked(self) -> bool:
        locks = self.node.state.glob("*/lock")
        tries = [subprocess.run(["flock", "-n", str(lock), "true"], check=False) for lock in locks]
        return all(done.returncode == 0 for done in tries)

    def at_rest(self) -> bool:
        """Nobody holds the lock, nothing is pending, nothing lies about."""
        return self.unlocked() and not self.temporaries() and not list(self.node.state.glob("*/pending"))

    def temporaries(self) -> list[str]:
        """Files that a finished transaction must not leave."""
        beside = [str(path) for path in self.node.prefix.rglob(".nginxws-*")]
        names = ("stage", "pending.tmp", "dump", "said", "word.*", "lock.*", "staging")
        return beside + [str(path) for name in names for path in self.node.state.glob(f"*/{name}")]

    def state(self) -> str:
        """Files and what is served, compared."""
        files = "old" if self.node.digests() == self.old else "new"
        if files == "new" and b"nginxws: end route /ws/" not in self.node.site.read_bytes():
            files = "torn"
        served = {self.serves() for _ in range(4)}
        return files if served == {files} else f"files {files}, served {sorted(served)}"

    def serves(self) -> str:
        """Which configuration answers a fresh connection."""
        try:
            with open_socket(self.node.port, "/ws/"):
                return "new"
        except Exception as error:  # whatever the handshake dies of; only its status is of interest
            return "old" if "HTTP 200" in str(error) else f"broken ({error})"

    def live_echoes(self) -> bool:
        message = f"still there {time.monotonic()}"
        self.live.send(message)
        return self.live.recv(timeout=5) == message


def _wrong_code(fault: str, outcome: Outcome) -> list[str]:
    """The exit code must say what the node is like."""
    if fault in ("client SIGKILL", "both SIGKILL"):
        good = outcome.code == -signal.SIGKILL
    elif outcome.state == "new":
        good = outcome.code == 0
    elif fault in ("client SIGINT", "client SIGTERM"):
        good = outcome.code == 130
    else:
        good = outcome.code == 4 or (fault == "script SIGTERM" and "nothing was changed" in outcome.output)
    return [] if good else [f"exit code {outcome.code}: {outcome.output.strip()}"]


def live_site(port: int, backend: Backend) -> str:
    """An ordinary site that has a hand-written WebSocket location already."""
    live = (
        f"    location /live/ {{\n        proxy_pass http://{backend.address};\n"
        "        proxy_http_version 1.1;\n"
        "        proxy_set_header Upgrade $http_upgrade;\n"
        '        proxy_set_header Connection "upgrade";\n    }\n\n'
    )
    return site_conf(port).replace("    location = /50x", live + "    location = /50x")
