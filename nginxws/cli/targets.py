"""From the TARGET options to open nodes."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nginxws.errors import AuthenticationFailed, InvalidInput
from nginxws.nodes.homes import find
from nginxws.nodes.link import NodeLink
from nginxws.nodes.options import NodeOptions
from nginxws.nodes.prompt import ask_secret
from nginxws.nodes.sudo import Sudo, SudoMode

if TYPE_CHECKING:
    from nginxws.nodes.transport import Transport

#: Gets a prompt and returns a secret, None when there is nobody to ask.
Ask = Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class TargetOptions:
    """The values of ``connection_options``."""

    nodes: tuple[str, ...] = ()
    ssh_config: str | None = None
    accept_new_host_keys: bool = False
    ssh_timeout: int | None = None
    sudo: bool = False
    ask_sudo_password: bool = False
    sudo_password_fd: int | None = None
    nginx_conf: str = ""
    nginx_bin: str = ""
    home: str = ""
    state_dir: str = ""


@dataclass(frozen=True, slots=True)
class ChangeTimes:
    """What a change may say about the node's work; seconds."""

    reload_command: str = ""
    message: str = ""
    lock_timeout: int = 30
    reload_timeout: int = 30
    confirm_timeout: int = 30


def open_links(
    options: TargetOptions, times: ChangeTimes | None = None, ask: Ask = ask_secret
) -> list[NodeLink]:
    """A link for every node that is meant; none is connected yet. Raises InvalidInput.

    ``ask`` puts a question for a secret to somebody at the terminal.
    """
    times = times or ChangeTimes()
    home = find(options.home)
    node_options = NodeOptions(
        nginx_bin=options.nginx_bin or home.binary,
        nginx_conf=options.nginx_conf or home.conf,
        state_dir=options.state_dir,
        reload_command=times.reload_command or home.reload,
        who=who_am_i(),
        message=times.message,
        lock_timeout=times.lock_timeout,
        reload_timeout=times.reload_timeout,
        confirm_timeout=times.confirm_timeout,
    )
    _check_values(node_options)
    names = named_nodes(options.nodes, bool(options.nginx_conf or options.nginx_bin))
    sudo = sudo_for(options, ask)
    return [NodeLink(name, _connector(name, options, ask), sudo, node_options) for name in names]


def named_nodes(nodes: Sequence[str], local_meant: bool) -> list[str]:
    """The nodes as written, each once; without any, ``local`` if there is an NGINX here."""
    if nodes:
        return list(dict.fromkeys(nodes))
    if local_meant or shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"):
        return ["local"]
    raise InvalidInput(
        "which balancer? there is no NGINX on this machine",
        hint="name it with --node HOST or --node ssh://user@host:port (or set NGINXWS_NODE); "
        "to work on a file here, use --file PATH",
    )


def sudo_for(options: TargetOptions, ask: Ask = ask_secret) -> Sudo:
    """How to become root on the node. Asks for the password where that was asked for."""
    from nginxws.nodes.prompt import secret_from_fd

    if options.sudo_password_fd is not None:
        return Sudo(SudoMode.PASSWORD, secret_from_fd(options.sudo_password_fd))
    if options.ask_sudo_password:
        secret = ask("sudo password: ")
        if secret is None:
            raise AuthenticationFailed(
                "there is no terminal to ask for the sudo password", hint="give it with --sudo-password-fd N"
            )
        return Sudo(SudoMode.PASSWORD, secret)
    return Sudo(SudoMode.PASSWORDLESS if options.sudo else SudoMode.NONE)


def who_am_i() -> str:
    """``user@host`` of whoever runs this command: for the lock and the revision's record."""
    import getpass

    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):  # no such user, or no such thing as users
        user = "unknown"
    return f"{user}@{socket.gethostname()}"


def _connector(name: str, options: TargetOptions, ask: Ask) -> Callable[[], Transport]:
    from nginxws.nodes.connect import SshOptions, connect
    from nginxws.nodes.transport import Target

    target = Target.parse(name)
    ssh = SshOptions(
        config=Path(options.ssh_config) if options.ssh_config else None,
        accept_new=options.accept_new_host_keys,
        connect_timeout=options.ssh_timeout,
        ask=ask,
    )
    return lambda: connect(target, ssh)


#: Options by the node script's name of the parameter, where the two differ.
_FLAGS = {"bin": "--nginx-bin", "conf": "--nginx-conf", "state": "--state-dir", "reload": "--reload-command"}


def _check_values(options: NodeOptions) -> None:
    for name, value in options.parameters():
        if any(ord(char) < 32 or ord(char) == 127 for char in value):
            flag = _FLAGS.get(name, f"--{name}")
            variable = "NGINXWS_" + flag.lstrip("-").upper().replace("-", "_")
            raise InvalidInput(
                f"the value of {flag} holds a control character",
                hint=f"write it without (it may come from {variable})",
            )
    for flag, path in (("--nginx-conf", options.nginx_conf), ("--state-dir", options.state_dir)):
        if path and not path.startswith("/"):
            raise InvalidInput(f"{flag} {path!r} isn't an absolute path of the node", hint="start it with /")
