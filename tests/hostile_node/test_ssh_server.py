"""SSH servers that stall, flood and never say yes: connecting to them ends soon, with an error of ours."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from support.lines import Listener

from nginxws.errors import AuthenticationFailed, ConnectionFailed, NginxwsError, NodeError
from nginxws.nodes import limits
from nginxws.nodes.connect import SshOptions
from nginxws.nodes.probe.handshake import handshake
from nginxws.nodes.probe.types import ProbeRequest
from nginxws.nodes.session import Session
from nginxws.nodes.ssh import transport as ssh
from nginxws.nodes.sudo import Sudo
from nginxws.nodes.transport import Target

SOON = 25.0  # seconds; ConnectTimeout is 2 below


def config(folder: Path, port: int) -> SshOptions:
    """Settings for this server alone; its known_hosts is compared afterwards."""
    text = (
        f"Host *\n  HostName 127.0.0.1\n  Port {port}\n  User evil\n  IdentityFile {folder}/key\n"
        f"  IdentityAgent none\n  UserKnownHostsFile {folder}/known_hosts\n  GlobalKnownHostsFile none\n"
        "  ConnectTimeout 2\n  ServerAliveInterval 0\n"
    )
    (folder / "config").write_text(text)
    return SshOptions(config=folder / "config")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A client's files, which must be the same afterwards."""
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(tmp_path / "key")
    (tmp_path / "known_hosts").write_text("other.example ssh-ed25519 AAAA\n")
    yield tmp_path
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config", "key", "known_hosts"]


# --- before there is a key ----------------------------------------------------------------------


def flood(piece: bytes) -> Callable[[socket.socket], None]:
    def serve(peer: socket.socket) -> None:
        while True:
            peer.sendall(piece)

    return serve


def drip(piece: bytes, pause: float) -> Callable[[socket.socket], None]:
    def serve(peer: socket.socket) -> None:
        peer.settimeout(pause)
        while True:
            peer.sendall(piece)
            try:
                if not peer.recv(1):
                    return
            except TimeoutError:
                continue

    return serve


def say(piece: bytes) -> Callable[[socket.socket], None]:
    """Say this, then listen for ever."""

    def serve(peer: socket.socket) -> None:
        peer.sendall(piece)
        while peer.recv(65536):
            pass

    return serve


BEFORE: dict[str, Callable[[socket.socket], None]] = {
    "nothing": say(b""),
    "lines without end before the banner": flood(b"welcome\r\n" * 1000),
    "a line without end": flood(b"x" * 60000),
    "a slow line": drip(b"x", 0.05),
    "slow lines": drip(b"welcome\r\n", 0.05),
    "a banner and nothing": say(b"SSH-2.0-evil\r\n"),
    "a banner and zeros": flood(b"SSH-2.0-evil\r\n" + bytes(60000)),
    "a banner and a huge packet": say(b"SSH-2.0-evil\r\n\xff\xff\xff\xff" + bytes(1000)),
    "a banner and a slow packet": drip(b"SSH-2.0-evil\r\n", 0.05),
    "another protocol": say(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
}


@pytest.mark.parametrize("name", BEFORE)
def test_a_handshake_that_never_comes(folder: Path, name: str) -> None:
    listener = Listener(BEFORE[name])
    known = (folder / "known_hosts").read_bytes()
    begin = time.monotonic()
    try:
        with pytest.raises(ConnectionFailed) as caught:
            ssh.connect(Target.parse("evil"), config(folder, listener.port))
    finally:
        listener.close()
    assert time.monotonic() - begin < SOON
    assert caught.value.hint
    assert len(caught.value.message) < 500
    assert (folder / "known_hosts").read_bytes() == known


# --- a real server with an evil heart -----------------------------------------------------------


class Evil(asyncssh.SSHServer):
    """Lets everybody in; ``mode`` says what goes wrong from there."""

    mode = ""

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self.connection = conn

    async def begin_auth(self, username: str) -> bool:
        if self.mode == "banners":
            for _ in range(200):
                self.connection.send_auth_banner("b" * 1000)
        if self.mode == "no answer to the login":
            await asyncio.sleep(3600)
        return self.mode == "asks for ever"

    def kbdint_auth_supported(self) -> bool:
        return self.mode == "asks for ever"

    def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> Any:
        return "t", "i", "en", [("again?", False)] * 10

    def password_auth_supported(self) -> bool:
        return self.mode == "asks for ever"

    def session_requested(self) -> Any:
        return Hole() if self.mode == "no program" else Mouth(self.mode)

    def connection_requested(self, *_: Any) -> Any:
        return True


class Hole(asyncssh.SSHServerSession[bytes]):
    """Says no to every program."""

    def exec_requested(self, command: str) -> bool:
        return False


class Mouth(asyncssh.SSHServerSession[bytes]):
    """Runs nothing, and talks or listens."""

    def __init__(self, mode: str) -> None:
        self.mode = mode

    def connection_made(self, chan: Any) -> None:
        self.channel = chan

    def exec_requested(self, command: str) -> bool:
        return True

    def session_started(self) -> None:
        if self.mode == "reads nothing":
            asyncio.get_running_loop().call_later(0.1, self.channel.pause_reading)
        elif self.mode == "standard error":
            self.task = asyncio.ensure_future(self.errors())

    async def errors(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            while True:
                self.channel.write(b"e" * 32768, datatype=asyncssh.EXTENDED_DATA_STDERR)
                await asyncio.sleep(0)


@pytest.fixture
def serve(folder: Path) -> Iterator[Callable[[str], SshOptions]]:
    """Start an evil server in a thread of its own; its host key is known."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    listeners: list[asyncssh.SSHAcceptor] = []
    key = asyncssh.generate_private_key("ssh-ed25519")

    async def listen(mode: str) -> int:
        kind = type("Evil", (Evil,), {"mode": mode})
        listener = await asyncssh.listen(
            "127.0.0.1", 0, server_factory=kind, server_host_keys=[key], encoding=None, login_timeout=0
        )
        listeners.append(listener)
        return listener.get_port()

    def start(mode: str) -> SshOptions:
        port = asyncio.run_coroutine_threadsafe(listen(mode), loop).result(10)
        (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {key.export_public_key().decode()}")
        return config(folder, port)

    async def stop() -> None:
        for listener in listeners:
            listener.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    yield start
    asyncio.run_coroutine_threadsafe(stop(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


def snapshot_of(options: SshOptions) -> None:
    with ssh.connect(Target.parse("evil"), options) as transport:
        session = Session(transport, Sudo())
        session.request("snapshot", [])
        session.frames(lambda _frame: None)


@pytest.mark.parametrize(
    ("mode", "error", "words"),
    [
        ("asks for ever", AuthenticationFailed, "no key to log in with"),
        ("no program", NodeError, "doesn't start programs"),
        ("silent", ConnectionFailed, "no answer for 1 s"),
        ("standard error", ConnectionFailed, "no answer for 1 s"),
        ("reads nothing", ConnectionFailed, "no answer for 1 s"),
        ("banners", ConnectionFailed, "no answer for 1 s"),
    ],
)
def test_a_server_that_lets_us_in(
    serve: Callable[[str], SshOptions],
    monkeypatch: pytest.MonkeyPatch,
    mode: str,
    error: type[NginxwsError],
    words: str,
) -> None:
    monkeypatch.setattr("nginxws.nodes.session.GREETING", 1.0)
    begin = time.monotonic()
    with pytest.raises(error, match=words) as caught:
        snapshot_of(serve(mode))
    assert caught.value.hint
    assert time.monotonic() - begin < SOON


def test_a_window_that_never_opens(
    serve: Callable[[str], SshOptions], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that takes nothing: writing to it ends, and says so."""
    monkeypatch.setattr(limits, "STALL", 0.5)
    with ssh.connect(Target.parse("evil"), serve("reads nothing")) as transport:
        process = transport.run(["x"])
        begin = time.monotonic()
        with pytest.raises(ConnectionFailed, match="takes nothing of what it is sent"):
            process.write(b"x" * (64 << 20))
        assert time.monotonic() - begin < SOON


def test_a_program_that_never_ends_is_not_waited_for(serve: Callable[[str], SshOptions]) -> None:
    with ssh.connect(Target.parse("evil"), serve("standard error")) as transport:
        process = transport.run(["x"])
        begin = time.monotonic()
        with pytest.raises(TimeoutError):
            process.wait(0.5)
        assert len(process.stderr()) <= 65536
        assert time.monotonic() - begin < SOON


# --- the probe ----------------------------------------------------------------------------------

EMPTY = b"HTTP/1.1 200 OK\r\n"
PROBES: dict[str, Callable[[socket.socket], None]] = {
    "nothing": say(b""),
    "headers without end": flood(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 5000),
    "a header line without end": flood(b"HTTP/1.1 200 OK\r\nX:" + b"y" * 60000),
    "slow headers": drip(b"HTTP/1.1 200 OK\r\nX: y\r\n", 0.05),
    "interim answers without end": flood(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000),
    "slow interim answers": drip(b"HTTP/1.1 100 Continue\r\n\r\n", 0.05),
    "a body without end": flood(EMPTY + b"\r\n" + b"x" * 60000),
    "chunks without end": flood(EMPTY + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 9000),
    "a chunk without end": flood(EMPTY + b"Transfer-Encoding: chunked\r\n\r\nffffffff\r\n" + b"x" * 60000),
    "a slow body": drip(EMPTY + b"Content-Length: 999999999999\r\n\r\n", 0.05),
    "a redirect to itself": say(b"HTTP/1.1 301 x\r\nLocation: /ws/\r\nContent-Length: 0\r\n\r\n"),
    "a status without end": flood(b"HTTP/1.1 200 " + b"x" * 60000),
    "a huge number": say(b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n"),
    "zeros": flood(bytes(60000)),
}


@pytest.mark.parametrize("name", PROBES)
def test_an_answer_to_the_probe_without_end(name: str) -> None:
    from nginxws.nodes.streams import dial_tcp

    listener = Listener(PROBES[name])
    try:
        begin = time.monotonic()
        request = ProbeRequest(path="/ws/", host="a.example", timeout=1.0)
        result = handshake(dial_tcp("127.0.0.1", listener.port, 5.0), request)
        assert time.monotonic() - begin < SOON
        assert not result.ok
        assert result.hint
        assert len(result.message) + len(result.detail) < 10_000
    finally:
        listener.close()
