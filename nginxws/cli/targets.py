"""From the TARGET options to open nodes."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nginxws.errors import AuthenticationFailed, InvalidInput
from nginxws.nodes.homes import find
from nginxws.nodes.link import NodeLink
from nginxws.nodes.options import NodeOptions
from nginxws.nodes.prompt import ask_secret, asked_once
from nginxws.nodes.sudo import Sudo, SudoMode
from nginxws.nodes.transport import Target

if TYPE_CHECKING:
    from nginxws.nodes.transport import Transport

#: Gets a prompt and returns a secret, None when there is nobody to ask.
Ask = Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class TargetOptions:
    """The values of ``connection_options``, and what no option says.

    ``identity`` is one more key file, as by ``ssh -i``. ``strict_host_keys``: the key of a host never seen
    before isn't accepted, whatever ssh_config says.
    """

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
    identity: str = ""
    strict_host_keys: bool = False


@dataclass(frozen=True, slots=True)
class ChangeTimes:
    """What a change may say about the node's work; times in seconds."""

    reload_command: str = ""
    message: str = ""
    lock_timeout: int = 30
    reload_timeout: int = 30
    confirm_timeout: int = 30
    max_draining: int = 0
    ignore_editors: bool = False
    keep: int = 20


def target_from(options: dict[str, Any]) -> TargetOptions:
    """The values of ``connection_options``."""
    names = TargetOptions.__dataclass_fields__
    return TargetOptions(**{name: options[name] for name in names if name in options})


def open_links(
    options: TargetOptions, times: ChangeTimes | None = None, ask: Ask = ask_secret
) -> list[NodeLink]:
    """A link for every node that is meant; none is connected yet. Raises InvalidInput.

    ``ask`` puts a question for a secret to somebody at the terminal.
    """
    names = named_nodes(options.nodes, bool(options.nginx_conf or options.nginx_bin))
    opening = Opening(options, times or ChangeTimes(), asked_once(ask))
    return [opening.link(name, name, options) for name in names]


@dataclass(frozen=True)
class Opening:
    """What the links of one command have in common: what the command line says, and who can be asked."""

    said: TargetOptions
    times: ChangeTimes
    ask: Ask

    @cached_property
    def sudo(self) -> Sudo:
        """What the command line says of sudo: with a password, it holds for every node."""
        return sudo_for(self.said, self.ask)

    def link(
        self,
        name: str,
        reach: str,
        options: TargetOptions,
        reload_command: str = "",
        script: Callable[[], bytes] | None = None,
    ) -> NodeLink:
        """The node called ``name``, reached as ``reach`` says (a value of ``--node``). Raises InvalidInput.

        ``reload_command`` holds where ``times`` has none; ``script`` is another one than the balancers'.
        """
        times = self.times
        home = find(options.home)
        node_options = NodeOptions(
            nginx_bin=options.nginx_bin or home.binary,
            nginx_conf=options.nginx_conf or home.conf,
            state_dir=options.state_dir,
            reload_command=times.reload_command or reload_command or home.reload,
            who=who_am_i(),
            message=times.message,
            lock_timeout=times.lock_timeout,
            reload_timeout=times.reload_timeout,
            confirm_timeout=times.confirm_timeout,
            max_draining=times.max_draining,
            ignore_editors=times.ignore_editors,
            keep=times.keep,
        )
        _check_values(node_options)
        target = replace(Target.parse(reach), text=name)
        connect = _connector(target, options, self.ask)
        sudo = self.sudo if self.sudo.mode is SudoMode.PASSWORD else _without_password(options)
        return NodeLink(name, connect, sudo, node_options, remote=not target.is_local, script=script)


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
    return _without_password(options)


def _without_password(options: TargetOptions) -> Sudo:
    return Sudo(SudoMode.PASSWORDLESS if options.sudo else SudoMode.NONE)


def who_am_i() -> str:
    """``user@host`` of whoever runs this command: for the lock and the revision's record."""
    import getpass

    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):  # no such user, or no such thing as users
        user = "unknown"
    return f"{user}@{socket.gethostname()}"


def _connector(target: Target, options: TargetOptions, ask: Ask) -> Callable[[], Transport]:
    from nginxws.nodes.connect import SshOptions, connect

    ssh = SshOptions(
        config=Path(options.ssh_config) if options.ssh_config else None,
        accept_new=options.accept_new_host_keys,
        connect_timeout=options.ssh_timeout,
        identity=Path(options.identity).expanduser() if options.identity else None,
        strict=options.strict_host_keys,
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
