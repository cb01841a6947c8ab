"""The byte stream under an SSH connection: a TCP socket, a proxy command, or a channel of the hop before."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading
import time
from typing import Any

from nginxws.errors import ConnectionFailed
from nginxws.nodes.ssh.settings import HostSettings

_QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)  # Linux has it, tcp(7)
_PROXY_GRACE = 1.0  # seconds a proxy command gets to end after its connection is closed


class Link:
    """A socket or channel as paramiko wants it, which also knows when it last heard anything.

    ``heard`` is in seconds of `time.monotonic`.
    """

    def __init__(self, sock: Any, process: subprocess.Popen[bytes] | None = None) -> None:
        self._sock = sock
        self._process = process
        self._closing = threading.Lock()
        self.heard = time.monotonic()
        self.send = sock.send
        self.settimeout = sock.settimeout
        tcp = isinstance(sock, socket.socket) and sock.family in (socket.AF_INET, socket.AF_INET6)
        self._quick = _QUICKACK is not None and tcp
        #: Where a direct connection leads; None for one through something else.
        self.address: str | None = sock.getpeername()[0] if tcp else None
        self._closed = False  # paramiko's Transport looks at this

    def recv(self, size: int) -> bytes:
        data: bytes = self._sock.recv(size)
        if self._quick:
            # sshd leaves Nagle on: its second small packet waits for our delayed ACK of the first, 40 ms.
            self._sock.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)
        self.heard = time.monotonic()
        return data

    def close(self) -> None:
        with self._closing:
            if self._closed:
                return
            self._closed = True
        # Shutting down first wakes paramiko's reader at once; closing alone lets it sleep on.
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()
        if self._process is not None:
            _end(self._process)


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(_PROXY_GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Dialling:
    """A connection being made in the background, while paramiko is imported."""

    def __init__(self, hop: HostSettings) -> None:
        self._hop = hop
        self._link: Link | None = None
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name=f"dial {hop.place}", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._link = _command(self._hop) if self._hop.proxy_command else _tcp(self._hop)
        except Exception as exc:
            self._error = exc

    def result(self) -> Link:
        """The open link; raises ConnectionFailed."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        assert self._link is not None
        return self._link

    def abandon(self) -> None:
        """Nobody wants it any more: close it now or as soon as it is there."""
        if not self._thread.is_alive():
            if self._link is not None:
                self._link.close()
            return
        threading.Thread(target=self._close_late, daemon=True).start()

    def _close_late(self) -> None:
        self._thread.join()
        if self._link is not None:
            self._link.close()


def _tcp(hop: HostSettings) -> Link:
    try:
        addresses = socket.getaddrinfo(hop.host, hop.port, hop.family, socket.SOCK_STREAM)
    except (OSError, UnicodeError) as exc:
        raise ConnectionFailed(
            f"can't resolve {hop.host}: {getattr(exc, 'strerror', None) or exc}",
            node=hop.name,
            hint="check the name, or give it a HostName in ssh_config",
        ) from exc
    deadline = time.monotonic() + hop.connect_timeout
    failure: OSError = TimeoutError("timed out")
    for family, kind, protocol, _, address in addresses:
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(max(deadline - time.monotonic(), 0.05))
            sock.connect(address)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return Link(sock)
        except OSError as exc:
            sock.close()
            failure = exc
    raise _unreachable(hop, failure) from failure


def _unreachable(hop: HostSettings, failure: OSError) -> ConnectionFailed:
    if isinstance(failure, TimeoutError):
        what = f"no answer in {hop.connect_timeout:g} s"
        hint = "is the host up, and does a firewall let us through? (ConnectTimeout in ssh_config)"
    elif isinstance(failure, ConnectionRefusedError):
        what = "connection refused"
        hint = "is an SSH server running there, and is it this port? (Port in ssh_config, or ssh://host:port)"
    else:
        what = failure.strerror or str(failure)
        hint = "check host name, port and network"
    return ConnectionFailed(f"can't connect to {hop.place}: {what}", node=hop.name, hint=hint)


def _command(hop: HostSettings) -> Link:
    """ProxyCommand on one end of a socket pair: unlike pipes it has a timeout and a clean end."""
    assert hop.proxy_command is not None
    if os.name != "posix":
        raise ConnectionFailed("ProxyCommand isn't available on Windows", node=hop.name, hint="use ProxyJump")
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            ["/bin/sh", "-c", f"exec {hop.proxy_command}"],
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            start_new_session=True,  # Ctrl-C is ours to handle; the connection must outlive it
        )
    return Link(ours, process)
