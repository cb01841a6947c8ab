"""A node to break things on, and the course of one cell: a command is stopped, struck, and judged."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from faults.fault import Fault, Hit
from faults.judge import Outcome, judge
from faults.launcher import Launcher, Started
from faults.variants import Mutation
from support.backend import Backend, open_socket
from support.lines import TcpProxy
from support.nginx import NginxNode, site_conf, wait_for
from support.sshd import SshServer
from websockets.sync.client import ClientConnection

from nginxws.errors import NginxwsError
from nginxws.nodes.link import NodeLink
from nginxws.nodes.local import LocalTransport
from nginxws.nodes.options import NodeOptions
from nginxws.nodes.reading import read_node
from nginxws.nodes.script import script
from nginxws.nodes.sudo import Sudo


def has_ended(pid: int) -> bool:
    """Whether a process is gone, or only waits to be reaped."""
    try:
        return not Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return True


class Rig(Launcher):
    """One balancer with a live socket through it, and ways to run and break commands on it.

    The node lies on a small disk of its own, mounted at ``disk``. The change under test
    writes ``node.site`` and ``shared``, which has a second name and is so written in place.
    """

    def __init__(self, folder: Path, backend: Backend, server: SshServer, binary: str) -> None:
        super().__init__(folder)
        self.backend = backend
        self.server = server
        self.disk = folder / "disk"
        with contextlib.ExitStack() as self.closing:
            self._set_up(binary)
            self.closing = self.closing.pop_all()  # all is there: it stays until `close`

    def _set_up(self, binary: str) -> None:
        self._mount()
        self.node = NginxNode(self.disk / "node", binary)
        self.node.site.write_text(live_site(self.node.port, self.backend))
        self.shared = self.node.site.with_name("zz-shared.conf")
        self.shared.write_text("# Hashes are set late: maps stand after them.\nmap_hash_max_size 4096;\n")
        os.link(self.shared, self.node.prefix / "shared-again")
        self.originals = {path: path.read_bytes() for path in (self.node.site, self.shared)}
        self.old = self.node.digests()
        self.node.start()
        self.closing.callback(self.node.stop)
        self.closing.enter_context(self.zygote())
        self.socket = self.closing.enter_context(contextlib.ExitStack())
        self.recent = self.live = self._open_live()
        self.new = self._learn_new()

    def _mount(self) -> None:
        self.disk.mkdir()
        if os.geteuid() == 0:
            words = ["mount", "-t", "tmpfs", "-o", "size=4m,mode=755", "nginxws-faults", str(self.disk)]
            subprocess.run(words, check=True)
            self.closing.callback(subprocess.run, ["umount", "-l", str(self.disk)], check=True)

    def _learn_new(self) -> dict[str, str]:
        """The new configuration, as a command that nothing befalls makes it."""
        self.start(self.add_route("--node", "local"), script().decode())
        assert self.finish() == 0
        new = self.node.digests()
        assert len(set(new.items()) - set(self.old.items())) == 2, "the change concerns two files"
        self.reset()
        return new

    def close(self) -> None:
        self.closing.close()

    # --- commands ------------------------------------------------------------------------------

    def add_route(self, *more: str) -> list[str]:
        options = self.node.options()
        times = ["--confirm-timeout", "15", "--probe-timeout", "3"]
        return ["add-route", "/ws/", self.backend.address, *times, *options, *more]

    # --- one cell ------------------------------------------------------------------------------

    def run(self, step: str, fault: Fault, mutations: Sequence[Mutation] = (), broken: str = "") -> Outcome:
        """add-route with a fault at one step; what came of it."""
        with contextlib.ExitStack() as stack:
            self.recent = stack.enter_context(open_socket(self.node.port, "/live/"))
            proxy = (
                stack.enter_context(contextlib.closing(TcpProxy(self.server.port)))
                if fault.over_ssh
                else None
            )
            armed = contextlib.ExitStack()
            armed.callback(fault.heal, self)
            with armed:
                argv = self._argv(step, proxy) + fault.arm(self)
                began = self.start_stopping(argv, step, mutations, broken)
                node_script = self._strike(began, step, fault, proxy)
                struck = time.monotonic()
                code = self.finish_soon(began.pid)
                took = time.monotonic() - struck
                self._await_end(node_script, 1 if step == "snapshot" else 30)
                alone = self.live_echoes()
            return judge(
                self, fault.expected(step), code, began.output.read_text(errors="replace"), took, alone
            )

    def _argv(self, step: str, proxy: TcpProxy | None) -> list[str]:
        argv = self.add_route("--node", "local")
        if proxy is not None:
            argv = self.add_route("--node", "node", "--ssh-config", str(self.ssh_config(proxy.port)))
        return [*argv, "--probe-expect", "418", "--probe-timeout", "1"] if step == "restore" else argv

    def _strike(self, began: Started, step: str, fault: Fault, proxy: TcpProxy | None) -> int | None:
        """Wait for the step, do it, let the command go on; the node script's pid."""
        try:
            wait_for(began.reached.exists, f"step {step}", 20)
            node_script = self._script_pid(began) if step != "connect" else None
            fault.strike(self, Hit(step, began.pid, node_script, proxy))
            return node_script
        except BaseException:
            os.kill(began.pid, signal.SIGKILL)
            self.finish()
            raise
        finally:
            began.go()

    def _script_pid(self, began: Started) -> int:
        """The hook's file says so; at the client's steps whoever holds the lock does."""
        owners = list(self.node.state.glob("*/owner"))
        if written := began.reached.read_text():
            return int(written)
        return int(re.findall(r"^pid (\d+)", owners[0].read_text())[0])

    def _await_end(self, node_script: int | None, seconds: float) -> None:
        """At the snapshot it holds no lock, and may wait on a frozen line as long as it likes."""
        if node_script is not None:
            with contextlib.suppress(AssertionError):  # judged by what it leaves
                wait_for(lambda: has_ended(node_script), "the node script's end", seconds)

    def ssh_config(self, port: int) -> Path:
        """The server's own, through another port; it notices a silent line after 2 s."""
        config, known = self.folder / f"ssh{port}", self.folder / f"known{port}"
        text = re.sub(r"Port \d+", f"Port {port}", self.server.config.read_text())
        known.write_text(f"[127.0.0.1]:{port} {self.server.host_public_key}\n")
        alive = "  ServerAliveInterval 1\n  ServerAliveCountMax 2\n"
        config.write_text(text.replace(str(self.server.known_hosts), str(known)) + alive)
        return config

    # --- back to the old state -----------------------------------------------------------------

    def reset(self) -> None:
        """Back to the old configuration, whatever is there; by no command of ours: those take far longer."""
        if not self.runs() or not self.at_rest() or self.node.digests() != self.old:
            self.mend()
        assert self.node.digests() == self.old
        self.revive()

    def mend(self) -> None:
        """Whatever a broken script has left: the old files, reloaded, and no state."""
        wait_for(self.unlocked, "the lock", 30)
        if not self.runs():
            self.node.start()
        for left in map(Path, self.temporaries()):
            left.unlink(missing_ok=True) if not left.is_dir() else shutil.rmtree(left)
        for pending in self.node.state.glob("*/pending"):
            shutil.rmtree(pending)
        for path, data in self.originals.items():
            path.write_bytes(data)
        before = set(self.node.workers())
        os.kill(self.node.master, signal.SIGHUP)
        wait_for(lambda: set(self.node.workers()) - before, "new workers")
        wait_for(lambda: all(self.node.workers().get(pid, True) for pid in before), "old workers draining")
        self.revive()

    def _open_live(self) -> ClientConnection:
        return self.socket.enter_context(open_socket(self.node.port, "/live/"))

    def revive(self) -> None:
        """Another live socket, if a cell of before had to end the one there was."""
        self.recent = self.live
        if not self.live_echoes():
            self.socket.close()
            self.recent = self.live = self._open_live()

    def help(self) -> str | None:
        """What the next command does: recover. Why it couldn't, else None."""
        try:
            with self.link() as link:
                read_node(link, lambda _step, _words: None)
        except NginxwsError as error:
            return str(error)
        return None

    @contextlib.contextmanager
    def link(self) -> Iterator[NodeLink]:
        """The node as the library has it, with the script as shipped."""
        options = NodeOptions(
            nginx_bin=self.node.binary,
            nginx_conf=str(self.node.conf),
            state_dir=str(self.node.state),
            who="tester",
            lock_timeout=20,
            confirm_timeout=15,
        )
        with NodeLink("local", LocalTransport, Sudo(), options) as link:
            yield link

    def runs(self) -> bool:
        """Whether the NGINX that we have started has its master still."""
        return self.node.process is not None and self.node.process.poll() is None

    # --- looking at the node -------------------------------------------------------------------

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

    def files(self) -> str:
        """Whether the files are those of the old or the new configuration, to the byte."""
        found = self.node.digests()
        return "old" if found == self.old else "new" if found == self.new else "torn"

    def serves(self) -> str:
        """Which configuration answers a fresh connection."""
        try:
            with open_socket(self.node.port, "/ws/"):
                return "new"
        except Exception as error:  # whatever the handshake dies of; only its status is of interest
            return "old" if "HTTP 200" in str(error) else f"broken ({error})"

    def state(self) -> str:
        """Files and what is served, compared: "old" or "new" when they agree and are whole."""
        files, served = self.files(), {self.serves() for _ in range(4)}
        return files if served == {files} else f"files {files}, served {sorted(served)}"

    def live_echoes(self) -> bool:
        """Whether the sockets talk: the old one, of a worker that drains, and one of just before the cell."""
        message = f"still there {time.monotonic()}"
        try:
            for socket in (self.live, self.recent):
                socket.send(message)
                if socket.recv(timeout=5) != message:
                    return False
        except Exception:  # closed, in whatever way
            return False
        return True


def live_site(port: int, backend: Backend) -> str:
    """An ordinary site that has a hand-written WebSocket location already."""
    live = (
        f"    location /live/ {{\n        proxy_pass http://{backend.address};\n"
        "        proxy_http_version 1.1;\n"
        "        proxy_set_header Upgrade $http_upgrade;\n"
        '        proxy_set_header Connection "upgrade";\n    }\n\n'
    )
    return site_conf(port).replace("    location = /50x", live + "    location = /50x")
