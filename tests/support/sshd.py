"""A real OpenSSH server on loopback, with keys, files and a port of its own."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.nginx import free_port

_DEADLINE = 15.0  # seconds for a server to come up or go down
_TRIES = 5  # a free port can be taken between asking for it and using it


@dataclass(frozen=True, slots=True)
class SshServer:
    """A running sshd. ``config`` is an ssh_config in which ``node`` (and 127.0.0.1) is this server."""

    host: str
    port: int
    user: str
    key: Path
    known_hosts: Path
    config: Path
    host_key: Path
    authorized_keys: Path
    log: Path
    pid: int

    @property
    def url(self) -> str:
        return f"ssh://{self.user}@{self.host}:{self.port}"

    @property
    def known_as(self) -> str:
        return f"[{self.host}]:{self.port}"

    @property
    def host_public_key(self) -> str:
        """Type and base64 of the host key, as known_hosts has them."""
        return " ".join(self.host_key.with_suffix(".pub").read_text().split()[:2])


SshdFactory = Callable[..., SshServer]
"""``sshd(*extra_config_lines, host_key_type="ed25519")``."""


def need(program: str) -> str:
    """Path of a program; without it the test is skipped, or fails under NGINXWS_STRICT=1."""
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin:/sbin")
    if found is None:
        message = f"{program} isn't installed"
        if os.environ.get("NGINXWS_STRICT") == "1":
            pytest.fail(message)
        pytest.skip(message)
    return found


@contextlib.contextmanager
def running(
    program: str, folder: Path, extra: tuple[str, ...], host_key_type: str, within: tuple[str, ...] = ()
) -> Iterator[SshServer]:
    """An sshd until the end of the block; ``within`` are words before its own, as of chroot(1)."""
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # its privilege separation directory
    for name, kind in (("host", host_key_type), ("id", "ed25519")):
        bits = ["-b", "2048"] if kind == "rsa" else []
        _call("ssh-keygen", "-q", "-t", kind, *bits, "-N", "", "-C", name, "-f", str(folder / name))
    (folder / "authorized_keys").write_bytes((folder / "id.pub").read_bytes())
    for _ in range(_TRIES):
        port = free_port()
        (folder / "sshd_config").write_text(_sshd_config(program, folder, port, extra))
        with (folder / "log").open("wb") as log:
            argv = [*within, program, "-D", "-e", "-f", str(folder / "sshd_config")]
            child = subprocess.Popen(argv, stderr=log)
        try:
            if _answers(child, port):
                yield _describe(folder, port, child.pid)
                return
        finally:
            if within:
                child.kill()  # unshare(1) passes nothing else on
            else:
                child.terminate()
            child.wait(_DEADLINE)
    pytest.fail(f"sshd didn't start: {(folder / 'log').read_text()}")


def _sshd_config(program: str, folder: Path, port: int, extra: tuple[str, ...]) -> str:
    lines = [
        *extra,  # the first value of a keyword is the one that holds
        f"Port {port}",
        "ListenAddress 127.0.0.1",
        f"HostKey {folder}/host",
        f"AuthorizedKeysFile {folder}/authorized_keys",
        "StrictModes no",
        "UsePAM no",
        "PermitRootLogin prohibit-password",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "PidFile none",
        "LogLevel VERBOSE",
        "MaxStartups 100",
        "MaxSessions 100",
    ]
    # OpenSSH 9.8 and later shuts out clients whose logins fail, which is what some tests are about.
    probe = [program, "-T", "-f", "/dev/null", "-o", f"HostKey {folder}/host", "-o", "PerSourcePenalties no"]
    if subprocess.run(probe, capture_output=True, check=False).returncode == 0:
        lines.append("PerSourcePenalties no")
    return "\n".join(lines) + "\n"


def _describe(folder: Path, port: int, pid: int) -> SshServer:
    server = SshServer(
        host="127.0.0.1",
        port=port,
        user=getpass.getuser(),
        key=folder / "id",
        known_hosts=folder / "known_hosts",
        config=folder / "ssh_config",
        host_key=folder / "host",
        authorized_keys=folder / "authorized_keys",
        log=folder / "log",
        pid=pid,
    )
    server.known_hosts.write_text(f"{server.known_as} {server.host_public_key}\n")
    server.config.write_text(
        f"Host node\n  HostName 127.0.0.1\n  Port {port}\n  User {server.user}\n"
        f"Host *\n  IdentityFile {server.key}\n  IdentityAgent none\n"
        f"  UserKnownHostsFile {server.known_hosts}\n  GlobalKnownHostsFile none\n  ConnectTimeout 15\n"
    )
    return server


def _answers(child: subprocess.Popen[bytes], port: int) -> bool:
    deadline = time.monotonic() + _DEADLINE
    while child.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0) as sock:
            if sock.recv(4) == b"SSH-":
                return True
        time.sleep(0.01)
    return False


def _call(*argv: str) -> None:
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, capture_output=True)
