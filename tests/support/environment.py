"""An environment of two machines on loopback: a balancer with NGINX, and a node that runs the chat."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from websockets.exceptions import InvalidStatus

from support.backend import open_socket
from support.command import Done, Nginxws
from support.lines import TcpProxy
from support.nginx import NginxNode, free_port, wait_for
from support.sshd import SshServer

#: Restarts the chat from the release in use: ends the old one, and starts the new one if there is any.
_RESTART = """\
#!/bin/sh
cd {folder} || exit 1
echo restarted >>restarts
{before}
if [ -f pid ]; then
  kill "$(cat pid)" 2>/dev/null
  while grep -q "^State:.[^ZX]" "/proc/$(cat pid)/status" 2>/dev/null; do sleep 0.05; done
  rm -f pid
fi
[ -d srv/current ] || exit 0
PYTHONPATH={path} {python} -m nginxws.demo.application --port {port} --folder srv/current >log 2>&1 &
echo $! >pid
"""
CHAT = Path(__file__).resolve().parents[2] / "nginxws" / "demo" / "app"
DOMAIN = "chat.example.com"


class Surroundings:
    """The balancer ``lb1``, the application ``chat``, and the folder of the manifest that names them.

    The chat's source is a folder beside the manifest. Nothing of it is on its node yet.
    """

    def __init__(
        self, folder: Path, node: NginxNode, servers: tuple[SshServer, SshServer], home: Path
    ) -> None:
        self.node = node
        self.team = folder / "team"
        self.machine = folder / "machine"
        self.source = self.team / "chat"
        self.manifest = self.team / "nginxws.toml"
        self.port = free_port()
        self.machine.mkdir()
        shutil.copytree(CHAT, self.source)
        self.ssh_config = self.team / "ssh_config"
        self.ssh_config.write_text(_ssh_config(*servers))
        self.nginxws = Nginxws(home, ["--manifest", str(self.manifest), "--ssh-config", str(self.ssh_config)])
        self.restarts_by()
        self.write()

    def restarts_by(self, before: str = "", port: int | None = None) -> None:
        """The restart script, with a line that it runs first; the chat may listen on another port."""
        script = self.machine / "restart"
        root = CHAT.parents[2]
        text = _RESTART.format(
            folder=self.machine, before=before, path=root, python=sys.executable, port=port or self.port
        )
        script.write_text(text)
        script.chmod(0o755)

    def by_proxy(self, server: SshServer) -> TcpProxy:
        """Reach one of the machines through a proxy."""
        proxy = TcpProxy(server.port)
        text = self.ssh_config.read_text().replace(f"Port {server.port}\n", f"Port {proxy.port}\n")
        self.ssh_config.write_text(text)
        with server.known_hosts.open("a") as known:
            known.write(f"[127.0.0.1]:{proxy.port} {server.host_public_key}\n")
        return proxy

    def write(
        self, *, environment: str = "", node: str = "", app: str = "", more: str = "", **values: str
    ) -> None:
        """The manifest; ``values`` replace what is said of the chat, texts as TOML has them."""
        chat = {
            "ssh": '"chat-node"',
            "address": '"127.0.0.1"',
            "port": str(self.port),
            "source": '"chat"',
            "target": f'"{self.machine}/srv"',
            "restart": f'"{self.machine}/restart"',
            "ready_timeout": '"20s"',
            "state_dir": f'"{self.machine}/state"',
            "websocket": '[{ file = "chat.js", pattern = \'const wsUri = "([^"]*)"\' }]',
        } | values
        lines = [
            "format = 1",
            "[environment]",
            f'domain = "{DOMAIN}"',
            environment or f'connect = "127.0.0.1:{self.node.port}"',
            "[nodes.lb1]",
            node or 'ssh = "lb1"',
            f'nginx_conf = "{self.node.conf}"',
            f'nginx_bin = "{self.node.binary}"',
            f'state_dir = "{self.node.state}"',
            "[apps.chat]",
            *(f"{key} = {value}" for key, value in chat.items() if value),
            app,
            "[[routes]]",
            'path = "/ws/"',
            'backend = "app:chat"',
            more,
        ]
        self.manifest.write_text("\n".join(lines) + "\n")

    def __call__(self, command: str, *words: str, code: int = 0, env: dict[str, str] | None = None) -> Done:
        """Run ``nginxws env COMMAND``; the exit code must be ``code``."""
        return self.nginxws("env", command, *words, code=code, env=env)

    def start(self, command: str, *words: str) -> subprocess.Popen[bytes]:
        """A running ``nginxws env COMMAND``."""
        return self.nginxws.start("env", command, *words)

    # --- what is there -----------------------------------------------------------------------------

    def trees(self) -> dict[str, str]:
        """Every file of both machines: content, mode, owner, link; not what nginxws keeps, nor what runs."""
        kept = {"state", "restarts", "log", "pid"}
        found = {f"lb1/{path}": text for path, text in self.node.digests().items()}
        for path in sorted(self.machine.rglob("*")):
            name = path.relative_to(self.machine)
            if name.parts[0] not in kept:
                found[f"chat/{name}"] = _digest(path)
        return found

    def times(self) -> dict[str, int]:
        """When each file of both machines was changed last, in nanoseconds."""
        paths = [
            *self.node.conf.parent.rglob("*"),
            *self.machine.rglob("srv/**/*"),
            self.machine / "restarts",
        ]
        return {str(path): path.lstat().st_mtime_ns for path in paths if path.exists()}

    def pids(self) -> set[int]:
        """NGINX's master and workers, and the application."""
        return {self.node.master, *self.node.workers(), self.app_pid}

    @property
    def app_pid(self) -> int:
        """The application's process, 0 for none."""
        with contextlib.suppress(OSError, ValueError):
            pid = int((self.machine / "pid").read_text())
            if "State:\tZ" not in Path(f"/proc/{pid}/status").read_text():  # nobody may have asked for it yet
                return pid
        return 0

    @property
    def restarts(self) -> int:
        """How often the application was restarted."""
        try:
            return len((self.machine / "restarts").read_text().splitlines())
        except FileNotFoundError:
            return 0

    @property
    def address(self) -> str:
        """What stands in the deployed page."""
        text = (self.machine / "srv" / "current" / "chat.js").read_text()
        return text.partition('const wsUri = "')[2].partition('"')[0]

    def talks(self) -> bool:
        """Whether the chat answers through the balancer."""
        with contextlib.suppress(InvalidStatus), open_socket(self.node.port, "/ws/", DOMAIN) as client:
            client.send('{"type": "join", "name": "Ann"}')
            return '"welcome"' in str(client.recv(10))
        return False

    @contextlib.contextmanager
    def untouched(self, *, restarts: int = 0) -> Iterator[None]:
        """Whatever happens inside, both machines must be as they were."""
        before, times = self.trees(), self.restarts
        yield
        wait_for(self.at_rest, "an end of the work on both machines")
        assert self.trees() == before
        assert self.restarts - times == restarts

    def at_rest(self) -> bool:
        """Whether nothing is pending, and nobody holds a lock."""
        apps = list((self.machine / "state").glob("**/pending"))
        return not apps and self.node.lock_is_free()

    def stop(self) -> None:
        """End the application."""
        if pid := self.app_pid:
            os.kill(pid, signal.SIGTERM)
            wait_for(lambda: not self.app_pid, "the chat's end")


def _ssh_config(balancer: SshServer, machine: SshServer) -> str:
    hosts = "".join(
        f"Host {name}\n  HostName 127.0.0.1\n  Port {server.port}\n  User {server.user}\n"
        f"  IdentityFile {server.key}\n  UserKnownHostsFile {server.known_hosts}\n"
        for name, server in (("lb1", balancer), ("chat-node", machine))
    )
    return f"{hosts}Host *\n  IdentityAgent none\n  GlobalKnownHostsFile none\n  ConnectTimeout 15\n"


def _digest(path: Path) -> str:
    stat = path.lstat()
    if path.is_symlink():
        return f"-> {path.readlink()}"
    data = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
    return f"{data} {stat.st_mode:o} {stat.st_uid}:{stat.st_gid}"
