"""Logging in to an `SshServer` of a test as the product does."""

from __future__ import annotations

import subprocess
from pathlib import Path

from nginxws.nodes.connect import SshOptions, connect
from nginxws.nodes.transport import Target, Transport
from support.sshd import SshServer

SOON = 20.0  # seconds that nothing here should need


def login(
    server: SshServer, target: str = "node", *, accept_new: bool = False, secret: str | None = None
) -> Transport:
    """An open transport; ``secret`` answers every question."""
    options = SshOptions(config=server.config, accept_new=accept_new, ask=lambda prompt: secret)
    return connect(Target.parse(target), options)


def works(transport: Transport) -> bool:
    """Whether programs run; the transport is closed."""
    with transport:
        return transport.run(["true"]).wait(SOON) == 0


def configure(server: SshServer, *lines: str) -> None:
    """Put lines in front of the server's ssh_config, where they win."""
    server.config.write_text("\n".join(lines) + "\n" + server.config.read_text())


def keygen(path: Path, *arguments: str) -> Path:
    """A new key pair; its private half's path."""
    ssh_keygen("-f", str(path), *(arguments or ("-t", "ed25519", "-N", "")))
    return path


def ssh_keygen(*arguments: str) -> None:
    command = ["ssh-keygen", "-q", *arguments]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True)


def public(key: Path) -> str:
    """Type and base64 of a key, as known_hosts has them."""
    return " ".join(key.with_name(key.name + ".pub").read_text().split()[:2])
