"""Nodes over SSH: connect, verify the host, log in, run programs, reach ports.

paramiko stays behind this line. Its Transport is used directly: its SSHClient looks for keys and
reads known_hosts on terms of its own.
"""

from __future__ import annotations

import contextlib
import logging
import shlex
import sys
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from types import ModuleType, TracebackType
from typing import Any, Self

from nginxws.errors import ConnectionFailed, NodeError
from nginxws.nodes.connect import SshOptions
from nginxws.nodes.ssh.auth import authenticate
from nginxws.nodes.ssh.channel import ChannelStream, SshProcess
from nginxws.nodes.ssh.hostkeys import KnownHosts
from nginxws.nodes.ssh.settings import HostSettings, resolve
from nginxws.nodes.ssh.wire import Dialling, Link
from nginxws.nodes.transport import Target

_WINDOW = 8 * 1024 * 1024  # bytes that may be on their way to us, per channel
_CHANNEL_TIMEOUT = 30.0  # seconds for the server to open a channel or start a program
_PROHIBITED, _CONNECT_FAILED = 1, 2  # RFC 4254, section 5.1: reasons for SSH_MSG_CHANNEL_OPEN_FAILURE
_LOADING = threading.Lock()
LOADED = threading.Event()
"""Set when paramiko is imported: from then on connecting waits more than it computes."""


def connect(target: Target, options: SshOptions) -> SshTransport:
    """Connect and log in, through every ProxyJump hop.

    Raises ConfigError (ssh_config), ConnectionFailed, HostKeyError, AuthenticationFailed.
    """
    settings = resolve(target, options)
    hops = (*settings.jumps, settings)
    known = [KnownHosts(hop) for hop in hops]
    dialling = Dialling(hops[0])
    sessions: list[Session] = []
    try:
        load_paramiko()
        link = dialling.result()
        for hop, keys in zip(hops, known, strict=True):
            if sessions:
                link = Link(sessions[-1].tunnel(hop.host, hop.port, hop.connect_timeout))
            sessions.append(Session(link, hop, keys))
            authenticate(sessions[-1].transport, hop, options.ask)
            sessions[-1].watch()
    except BaseException:  # Ctrl-C as well: no hop may stay open
        _close_all(sessions)
        dialling.abandon()
        raise
    return SshTransport(settings.name, sessions)


def load_paramiko() -> ModuleType:
    """Import paramiko without what it doesn't need here and without its warnings.

    ``invoke`` (for ``Match exec`` and an unused command line) is two fifths of the
    import; paramiko does without it when it isn't installed.
    """
    with _LOADING:
        module = _import_paramiko()
    LOADED.set()
    return module


def _import_paramiko() -> ModuleType:
    if "paramiko" in sys.modules:
        return sys.modules["paramiko"]
    hidden = "invoke" not in sys.modules
    if hidden:
        sys.modules["invoke"] = None  # type: ignore[assignment]  # documented: makes import raise ImportError
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # cryptography's deprecations are paramiko's business
            import paramiko
    finally:
        if hidden:
            del sys.modules["invoke"]
    # It logs tracebacks of what we translate; without a handler they would end up on stderr.
    logging.getLogger("paramiko").addHandler(logging.NullHandler())
    module: ModuleType = paramiko
    return module


class Session:
    """One authenticated SSH connection (one hop)."""

    def __init__(self, link: Link, hop: HostSettings, known: KnownHosts) -> None:
        paramiko = load_paramiko()
        self.hop = hop
        self._link = link
        self._closed = threading.Event()
        self._silent = False
        # paramiko itself would ask every host for certificates too, as if any authority were trusted.
        offered = {"preferred_keys": property(lambda transport: transport.get_security_options().key_types)}
        kind = type("Transport", (paramiko.Transport,), offered)
        self.transport: Any = kind(link, default_window_size=_WINDOW)
        try:
            self._handshake(known)
        except BaseException:  # Ctrl-C as well: nobody else could close it
            self.close()
            raise

    def _handshake(self, known: KnownHosts) -> None:
        paramiko = load_paramiko()
        transport, hop = self.transport, self.hop
        # start_client below holds to the limit; the transport's own limits only come after it.
        transport.banner_timeout = transport.handshake_timeout = hop.connect_timeout + 5
        choices = transport.get_security_options()
        choices.key_types = known.preferred(choices.key_types)
        try:
            transport.start_client(timeout=hop.connect_timeout)
            key = transport.get_remote_server_key()
        except paramiko.IncompatiblePeer as exc:
            hint = "the server is very old, or restricts its algorithms to ones unknown here"
            raise self._failed(f"no algorithms in common: {exc}", hint) from exc
        except Exception as exc:  # a hostile packet makes paramiko raise anything
            raise self._failed(*_handshake_words(exc, hop, transport.remote_version)) from exc
        certificate = key.public_blob.key_blob if key.public_blob else None
        known.check(key.get_name(), key.asbytes(), certificate=certificate, address=self._link.address)

    def _failed(self, what: str, hint: str) -> ConnectionFailed:
        where = "" if self.hop.place in self.hop.name else f"{self.hop.place}: "
        return ConnectionFailed(f"{where}{what}", node=self.hop.name, hint=hint)

    def watch(self) -> None:
        """From now on notice when the other side falls silent (ServerAliveInterval)."""
        if self.hop.alive_interval and self.hop.alive_count:
            threading.Thread(target=self._watch, name=f"watch {self.hop.place}", daemon=True).start()

    def _watch(self) -> None:
        interval, quiet = self.hop.alive_interval, 0.0
        while not self._closed.wait(interval - quiet % interval) and self.transport.is_active():
            quiet = time.monotonic() - self._link.heard
            if quiet >= self._patience:
                self._silent = True
                self.transport.close()
                return
            if quiet >= interval:
                # In a thread of its own: on a frozen line even sending blocks.
                threading.Thread(target=self._knock, daemon=True).start()

    @property
    def _patience(self) -> int:
        """Seconds of silence that mean the end; there must be time for one question and its answer."""
        return self.hop.alive_interval * max(self.hop.alive_count, 2)

    def _knock(self) -> None:
        with contextlib.suppress(Exception):
            self.transport.global_request("keepalive@openssh.com", wait=True)

    def lost(self) -> ConnectionFailed | None:
        """Why the connection is gone; None while it is there, or after we closed it ourselves."""
        if self.transport.is_active() or (self._closed.is_set() and not self._silent):
            return None
        what = f"no sign of life for {self._patience} s" if self._silent else "the connection was cut"
        return self._failed(what, "check the network, then run the command again")

    def open(self, kind: str, timeout: float, dest: tuple[str, int] | None = None) -> Any:
        """A new channel; paramiko's own exceptions come through for the caller to word."""
        source = ("127.0.0.1", 0) if dest else None
        return self.transport.open_channel(kind, dest_addr=dest, src_addr=source, timeout=timeout)

    def tunnel(self, host: str, port: int, timeout: float) -> Any:
        """A channel to ``host:port`` as seen from there; ConnectionFailed when it can't be had."""
        paramiko = load_paramiko()
        place = f"{host}:{port}"
        try:
            return self.open("direct-tcpip", timeout, (host, port))
        except paramiko.ChannelException as exc:
            if exc.code == _PROHIBITED:
                raise self._failed(
                    f"the SSH server forbids connections to {place}",
                    "allow it in its sshd_config (AllowTcpForwarding, PermitOpen), or prove with --probe-url",
                ) from exc
            what = "can't connect to" if exc.code == _CONNECT_FAILED else "can't open a channel to"
            hint = f"is anything listening on {place}, seen from there?"
            raise self._failed(f"{what} {place}: {exc.text}", hint) from exc
        except Exception as exc:  # a hostile packet makes paramiko raise anything
            no_answer = self._failed(f"no answer about a connection to {place}", "is a firewall in between?")
            raise self.lost() or no_answer from exc

    def close(self) -> None:
        self._closed.set()
        self.transport.close()
        self._link.close()
        if self.transport.is_alive():
            self.transport.join(1.0)
        # When a handshake fails, paramiko leaves a timer thread running, and Python's exit waits for it.
        self.transport.packetizer.complete_handshake()


def _handshake_words(exc: Exception, hop: HostSettings, remote_version: str) -> tuple[str, str]:
    """What went wrong before there was an encrypted connection, and what to do."""
    if not remote_version and hop.proxy_command:
        return (
            "no SSH server answers through the ProxyCommand",
            f"does this work by itself? {hop.proxy_command}",
        )
    if not remote_version:
        return (
            "it doesn't answer as an SSH server",
            "is it the right port? (Port in ssh_config or ssh://host:port)",
        )
    if "No existing session" in str(exc):
        return f"no key exchange in {hop.connect_timeout:g} s", "ConnectTimeout in ssh_config allows for more"
    what = str(exc) or "connection closed"
    hint = "look at the server's log; MaxStartups, a ban (fail2ban) or a firewall do this"
    return f"it hung up during the SSH handshake ({what})", hint


class SshTransport:
    """A node over SSH; see `Transport`. ``sessions`` are its hops, the node itself last."""

    def __init__(self, name: str, sessions: Sequence[Session]) -> None:
        self.name = name
        self._sessions = list(sessions)
        self._node = self._sessions[-1]

    def run(self, argv: Sequence[str]) -> SshProcess:
        if any("\0" in word for word in argv):
            raise ValueError("NUL in an argument")
        command = shlex.join(argv).encode("utf-8", "surrogateescape")
        with self._starting():
            channel = self._node.open("session", _CHANNEL_TIMEOUT)
            channel.exec_command(command)  # nosec B601  # quoted once, by shlex.join
        return SshProcess(channel, self._node.lost)

    @contextlib.contextmanager
    def _starting(self) -> Iterator[None]:
        try:
            yield
        except Exception as exc:  # a hostile packet makes paramiko raise anything
            raise self._node.lost() or NodeError(
                "the SSH server doesn't start programs for this user",
                node=self.name,
                hint="is it restricted to sftp, or to a forced command?",
            ) from exc

    def dial(self, host: str, port: int, timeout: float) -> ChannelStream:
        return ChannelStream(self._node.tunnel(host, port, timeout), self._node.lost)

    def close(self) -> None:
        _close_all(self._sessions)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _close_all(sessions: Sequence[Session]) -> None:
    for session in reversed(sessions):
        session.close()
