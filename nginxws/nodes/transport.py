"""What the rest of nginxws knows of a node: run one program there, reach its own ports.

`Transport` is the whole surface; ``ssh.py`` and ``local.py`` implement it and
``tests/contract/test_transport.py`` is the suite that any implementation passes.
`Target` is what the user wrote after ``--node``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv6Address
from types import TracebackType
from typing import Protocol, Self

from nginxws.errors import InvalidInput

STDERR_LIMIT = 64 * 1024
"""Bytes of a program's standard error that are kept; the rest is read and dropped."""

# What ssh(1) lets through as a host or user (OpenSSH ssh.c, valid_hostname and
# valid_ruser), less what has a meaning of its own in ssh:// or in a shell.
_HOST = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.-]*")
_USER = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.@+\\-]*\$?")
_FORMS = "write NAME (a host or an alias of ssh_config), ssh://[user@]host[:port], or local"


class ByteStream(Protocol):
    """A connection to a port, as seen from the node."""

    def send(self, data: bytes) -> None:
        """Send all of ``data``; ConnectionFailed when the peer is gone."""

    def recv(self, size: int, timeout: float) -> bytes:
        """Up to ``size`` bytes, ``b""`` at the end; TimeoutError after ``timeout`` seconds of silence."""

    def close(self) -> None:
        """End the connection; a second call does nothing."""


class RemoteProcess(Protocol):
    """A program running on the node. One thread uses it, except for `kill`."""

    def write(self, data: bytes) -> None:
        """Send all of ``data`` to its standard input, however much it writes meanwhile.

        Raises ConnectionFailed when the connection, or the program, is gone.
        """

    def close_stdin(self) -> None:
        """Let the program see the end of its input; a second call does nothing."""

    def read(self, size: int, timeout: float) -> bytes:
        """Up to ``size`` bytes of its standard output, ``b""`` at the end.

        Raises TimeoutError when nothing came in ``timeout`` seconds, and
        ConnectionFailed when the connection broke before the end.
        """

    def stderr(self) -> bytes:
        """Its standard error as far as it came, at most `STDERR_LIMIT` bytes."""

    def wait(self, timeout: float) -> int | None:
        """Exit status; None when a signal ended it. TimeoutError when it runs on after ``timeout`` seconds.

        Output that comes meanwhile is kept for `read`.
        """

    def kill(self) -> None:
        """Hang up: the program's input ends and its output goes nowhere. A second call does nothing."""


class Transport(Protocol):
    """A way to reach one node."""

    @property
    def name(self) -> str:
        """What errors call the node."""

    def run(self, argv: Sequence[str]) -> RemoteProcess:
        """Start a program. Words arrive as they are; NUL in one is a ValueError.

        A program that isn't there is exit status 127, as in a shell.
        """

    def dial(self, host: str, port: int, timeout: float) -> ByteStream:
        """Connect to a TCP port from the node's point of view; ConnectionFailed when that fails."""

    def close(self) -> None:
        """Hang up everything; a second call does nothing."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class Target:
    """Where a node is, as the user wrote it.

    ``host`` is empty for the machine we run on. ``user`` and ``port`` are set only
    when written: what is left open is for ssh_config to say.
    """

    text: str
    host: str
    user: str | None = None
    port: int | None = None

    @property
    def is_local(self) -> bool:
        """Whether it is the machine we run on."""
        return not self.host

    @classmethod
    def parse(cls, text: str) -> Target:
        """Read ``NAME``, ``[user@]host``, ``ssh://[user@]host[:port]`` or ``local``.

        IPv6 addresses stand in brackets in the ssh:// form. Raises InvalidInput.
        """
        if text == "local":
            return cls(text, "")
        if "://" in text and not text.startswith("ssh://"):
            scheme = text.partition("://")[0]
            raise InvalidInput(f"{text!r}: nodes are reached by ssh, not {scheme}", hint=_FORMS)
        if not text.startswith("ssh://"):
            return cls._checked(text, *_split_user(text), None)
        rest = text.removeprefix("ssh://").removesuffix("/")
        user, place = _split_user(rest)
        host, port = _split_port(text, place)
        return cls._checked(text, user, host, port)

    @classmethod
    def _checked(cls, text: str, user: str | None, host: str, port: int | None) -> Target:
        if not _HOST.fullmatch(host) and not _is_ipv6(host):
            raise InvalidInput(f"{text!r} isn't a node: bad host name {host!r}", hint=_FORMS)
        if user is not None and not _USER.fullmatch(user):
            raise InvalidInput(f"{text!r} isn't a node: bad user name {user!r}", hint=_FORMS)
        return cls(text, host, user, port)


def _is_ipv6(host: str) -> bool:
    try:
        return bool(IPv6Address(host)) and re.fullmatch("[0-9A-Za-z:.%_-]+", host) is not None
    except AddressValueError:
        return False


def _split_user(text: str) -> tuple[str | None, str]:
    user, at, host = text.rpartition("@")
    return (user, host) if at else (None, host)


def _split_port(text: str, place: str) -> tuple[str, int | None]:
    if place.startswith("["):
        host, closed, tail = place[1:].partition("]")
        if not closed or (tail and not tail.startswith(":")):
            raise InvalidInput(f"{text!r} isn't a node: unbalanced brackets", hint=_FORMS)
        colon, port = tail[:1], tail[1:]
    else:
        host, colon, port = place.partition(":")
    if not colon:
        return host, None
    if not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65535):
        hint = "a port is a number from 1 to 65535; IPv6 addresses stand in brackets: ssh://[::1]:22"
        raise InvalidInput(f"{text!r} isn't a node: bad port {port!r}", hint=hint)
    return host, int(port)
