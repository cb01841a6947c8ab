"""The stream under SSH: what goes wrong before there is any SSH, and the end of what carried it."""

from __future__ import annotations

import errno
import socket
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nginxws.errors import ConnectionFailed
from nginxws.nodes.connect import SshOptions
from nginxws.nodes.ssh import wire
from nginxws.nodes.ssh.settings import HostSettings, resolve
from nginxws.nodes.ssh.wire import Dialling
from nginxws.nodes.transport import Target

SOON = 20.0  # seconds that nothing here should need


def hop(folder: Path, *lines: str, target: str = "ssh://127.0.0.1:1") -> HostSettings:
    config = folder / "ssh_config"
    config.write_text("\n".join(lines) + "\n")
    return resolve(Target.parse(target), SshOptions(config=config), home=folder)


def failure(hop: HostSettings) -> ConnectionFailed:
    with pytest.raises(ConnectionFailed) as caught:
        Dialling(hop).result()
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "Name or service not known"),
        (UnicodeError("label too long"), "label too long"),
    ],
)
def test_a_name_that_cant_be_resolved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, words: str
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("socket.getaddrinfo", fail)
    assert failure(hop(tmp_path)).message == f"can't resolve 127.0.0.1: {words}"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (TimeoutError("timed out"), "no answer in 7 s"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), "connection refused"),
        (OSError(errno.EHOSTUNREACH, "No route to host"), "No route to host"),
        (OSError("odd"), "odd"),
    ],
)
def test_no_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, words: str) -> None:
    closed: list[bool] = []

    def connect(_address: object) -> None:
        raise error

    def made(*_: object) -> Any:
        return SimpleNamespace(
            settimeout=lambda _seconds: None, connect=connect, close=lambda: closed.append(True)
        )

    settings = hop(tmp_path, "ConnectTimeout 7")
    monkeypatch.setattr("socket.socket", made)
    assert failure(settings).message == f"can't connect to 127.0.0.1:1: {words}"
    assert closed == [True]


def test_a_proxy_command_needs_a_posix_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "os", SimpleNamespace(name="nt"))
    error = failure(hop(tmp_path, "ProxyCommand cat"))
    assert (error.message, error.hint) == ("ProxyCommand isn't available on Windows", "use ProxyJump")


def test_a_proxy_command_that_stays_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "_PROXY_GRACE", 0.05)
    link = Dialling(hop(tmp_path, "ProxyCommand sh -c 'echo here; trap \"\" TERM; exec sleep 600'")).result()
    assert link._process is not None
    link.settimeout(SOON)
    assert link.recv(100) == b"here\n"
    link.close()
    assert link._process.returncode == -9
    link.close()  # once more changes nothing


class Closed:
    """A link that was made, and whether somebody closed it."""

    def __init__(self) -> None:
        self.event = threading.Event()

    def close(self) -> None:
        self.event.set()


@pytest.mark.parametrize("late", [False, True])
def test_a_connection_that_nobody_wants_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, late: bool
) -> None:
    made, go = Closed(), threading.Event()

    def dial(_hop: HostSettings) -> Closed:
        assert go.wait(SOON)
        return made

    monkeypatch.setattr(wire, "_tcp", dial)
    dialling = Dialling(hop(tmp_path))
    if not late:
        go.set()
        dialling._thread.join(SOON)
    dialling.abandon()
    go.set()
    assert made.event.wait(SOON)


@pytest.mark.parametrize("late", [False, True])
def test_a_failure_that_nobody_wants_to_hear(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, late: bool
) -> None:
    go = threading.Event()

    def dial(_hop: HostSettings) -> None:
        assert go.wait(SOON)
        raise OSError("no")

    monkeypatch.setattr(wire, "_tcp", dial)
    dialling = Dialling(hop(tmp_path))
    if not late:
        go.set()
        dialling._thread.join(SOON)
    before = set(threading.enumerate())
    dialling.abandon()
    go.set()
    for thread in {dialling._thread, *(set(threading.enumerate()) - before)}:
        thread.join(SOON)
        assert not thread.is_alive()
