"""From what the user wrote after ``--node`` to an open transport."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nginxws.nodes.prompt import ask_secret
from nginxws.nodes.transport import Target, Transport


@dataclass(frozen=True, slots=True)
class SshOptions:
    """What the command line says about SSH; it wins over ssh_config.

    ``config`` replaces ~/.ssh/config and /etc/ssh/ssh_config, as ``ssh -F`` does.
    ``accept_new`` takes the key of a host never seen before and writes it down.
    ``connect_timeout`` is in seconds. ``ask`` gets a prompt and returns a secret,
    or None when there is nobody to ask.
    """

    config: Path | None = None
    accept_new: bool = False
    connect_timeout: float | None = None
    ask: Callable[[str], str | None] = ask_secret


def connect(target: Target, options: SshOptions | None = None) -> Transport:
    """Open the transport that ``target`` asks for.

    Raises ConnectionFailed, AuthenticationFailed, HostKeyError (exit code 6), or
    ConfigError for an ssh_config that can't be followed.
    """
    if target.is_local:
        from nginxws.nodes.local import LocalTransport

        return LocalTransport()
    from nginxws.nodes.ssh import connect as connect_ssh

    return connect_ssh(target, options or SshOptions())
