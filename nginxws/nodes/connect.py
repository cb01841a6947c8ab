"""From what the user wrote after ``--node`` to an open transport."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nginxws.errors import InvalidInput
from nginxws.nodes.prompt import ask_secret
from nginxws.nodes.transport import Target, Transport


@dataclass(frozen=True, slots=True)
class SshOptions:
    """What the command line says about SSH; it wins over ssh_config.

    ``config`` replaces ~/.ssh/config and /etc/ssh/ssh_config, as ``ssh -F`` does.
    ``accept_new`` takes the key of a host never seen before and writes it down; with ``strict`` nothing
    has that done, ssh_config neither. ``identity`` is one more key file, as by ``ssh -i``.
    ``connect_timeout`` is in seconds. ``ask`` gets a prompt and returns a secret,
    or None when there is nobody to ask.
    """

    config: Path | None = None
    accept_new: bool = False
    connect_timeout: float | None = None
    identity: Path | None = None
    strict: bool = False
    ask: Callable[[str], str | None] = ask_secret


def connect(target: Target, options: SshOptions | None = None) -> Transport:
    """Open the transport that ``target`` asks for.

    Raises ConnectionFailed, AuthenticationFailed, HostKeyError (exit code 6),
    ConfigError for an ssh_config that can't be followed, or InvalidInput for ``local``
    where that can't be.
    """
    if target.is_local:
        _need_posix()
        from nginxws.nodes.local import LocalTransport

        return LocalTransport(target.text)
    from nginxws.nodes.ssh.transport import connect as connect_ssh

    return connect_ssh(target, options or SshOptions())


def _need_posix() -> None:
    """The node script needs a POSIX shell, and its driver waits on pipes with select."""
    if os.name != "posix":
        raise InvalidInput(
            "this machine can't be a node: it has no POSIX shell to do a node's work",
            hint="name a node with --node HOST, or use --file",
        )
