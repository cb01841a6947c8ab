"""Lines to a real OpenSSH server that break, freeze, or never were one; and the programs at their end."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable

import pytest
from support.lines import Listener, TcpProxy
from support.login import SOON, configure, login
from support.sshd import SshdFactory, SshServer

from nginxws.errors import ConnectionFailed

pytestmark = pytest.mark.sshd
Serve = Callable[[socket.socket], None]


class TestBrokenLines:
    @pytest.fixture
    def line(self, sshd: SshdFactory, tcp_proxy: Callable[[int], TcpProxy]) -> tuple[TcpProxy, SshServer]:
        server = sshd("ClientAliveInterval 0")
        proxy = tcp_proxy(server.port)
        server.config.write_text(
            server.config.read_text().replace(f"Port {server.port}", f"Port {proxy.port}")
        )
        server.known_hosts.write_text(f"[127.0.0.1]:{proxy.port} {server.host_public_key}\n")
        return proxy, server

    def test_cut(self, line: tuple[TcpProxy, SshServer]) -> None:
        proxy, server = line
        with login(server) as transport:
            process = transport.run(["sh", "-c", "echo ready; exec cat"])
            assert process.read(100, SOON) == b"ready\n"
            proxy.cut()
            begin = time.monotonic()
            with pytest.raises(ConnectionFailed, match="cut") as caught:
                process.read(100, SOON)
            assert caught.value.node == "node"
            with pytest.raises(ConnectionFailed, match="cut"):
                process.write(b"x" * 100_000)
            with pytest.raises(ConnectionFailed, match="cut"):
                process.wait(SOON)
            with pytest.raises(ConnectionFailed, match="cut"):
                transport.run(["true"])
            with pytest.raises(ConnectionFailed, match="cut"):
                transport.dial("127.0.0.1", 1, SOON)
            process.close_stdin()
            process.kill()
            assert time.monotonic() - begin < 5

    def test_cut_while_writing(self, line: tuple[TcpProxy, SshServer]) -> None:
        proxy, server = line
        with login(server) as transport:
            process = transport.run(["sh", "-c", "echo ready; sleep 60"])
            assert process.read(100, SOON) == b"ready\n"
            proxy.cut()
            with pytest.raises(ConnectionFailed, match="cut"):
                process.write(b"x" * (64 << 20))

    def test_output_that_came_before_the_cut_is_kept(self, line: tuple[TcpProxy, SshServer]) -> None:
        proxy, server = line
        with login(server) as transport:
            process = transport.run(["sh", "-c", "echo ready; echo x >&2; exec cat"])
            deadline = time.monotonic() + SOON
            while not process.stderr():  # sshd sends standard output first
                assert time.monotonic() < deadline
                time.sleep(0.01)
            proxy.cut()
            assert process.read(100, SOON) == b"ready\n"
            with pytest.raises(ConnectionFailed, match="cut"):
                process.read(100, SOON)

    def test_frozen_line_is_noticed(self, line: tuple[TcpProxy, SshServer]) -> None:
        proxy, server = line
        configure(server, "ServerAliveInterval 1", "ServerAliveCountMax 2")
        with login(server) as transport:
            process = transport.run(["sh", "-c", "echo ready; exec cat"])
            assert process.read(100, SOON) == b"ready\n"
            proxy.freeze()
            begin = time.monotonic()
            with pytest.raises(ConnectionFailed, match="no sign of life for 2 s"):
                process.read(100, SOON)
            assert 1.5 < time.monotonic() - begin < 6

    def test_frozen_line_is_noticed_while_writing(self, line: tuple[TcpProxy, SshServer]) -> None:
        proxy, server = line
        configure(server, "ServerAliveInterval 1", "ServerAliveCountMax 2")
        with login(server) as transport:
            process = transport.run(["sh", "-c", "echo ready; exec cat >/dev/null"])
            assert process.read(100, SOON) == b"ready\n"
            proxy.freeze()
            with pytest.raises(ConnectionFailed, match="no sign of life"):
                process.write(b"x" * (64 << 20))

    def test_quiet_line_is_not_a_frozen_one(self, line: tuple[TcpProxy, SshServer]) -> None:
        _, server = line
        configure(server, "ServerAliveInterval 1", "ServerAliveCountMax 1")
        with login(server) as transport:
            process = transport.run(["cat"])
            with pytest.raises(TimeoutError):
                process.read(1, 3.5)
            process.write(b"still here")
            assert process.read(100, SOON) == b"still here"


class TestProcess:
    """A whole Python that connects and ends: nothing on stderr, no thread that keeps it."""

    CODE = (
        "import sys, pathlib\n"
        "from nginxws.errors import NginxwsError\n"
        "from nginxws.nodes.connect import SshOptions, connect\n"
        "from nginxws.nodes.transport import Target\n"
        "try:\n"
        "    t = connect(Target.parse(sys.argv[1]), SshOptions(config=pathlib.Path(sys.argv[2])))\n"
        "    print(t.run(['true']).wait(9))\n"
        "    if sys.argv[3] == 'close': t.close()\n"
        "except NginxwsError as exc:\n"
        "    print(type(exc).__name__)\n"
        "print('invoke' in sys.modules)\n"
    )

    def run(self, server: SshServer, target: str, close: str) -> subprocess.CompletedProcess[str]:
        command = [
            sys.executable,
            "-X",
            "dev",
            "-W",
            "error",
            "-c",
            self.CODE,
            target,
            str(server.config),
            close,
        ]
        return subprocess.run(command, capture_output=True, text=True, timeout=SOON, check=False)

    @pytest.mark.parametrize("close", ["close", "leave"])
    def test_success(self, sshd: SshdFactory, close: str) -> None:
        done = self.run(sshd(), "node", close)
        assert (done.returncode, done.stdout) == (0, "0\nFalse\n")
        if close == "close":
            assert done.stderr == ""

    def test_failed_handshake_does_not_keep_it(
        self, sshd: SshdFactory, listener: Callable[[Serve], Listener]
    ) -> None:
        def serve(peer: socket.socket) -> None:
            peer.sendall(b"SSH-2.0-tarpit\r\n")
            while peer.recv(1000):
                pass

        server = sshd()
        configure(server, "ConnectTimeout 2")
        begin = time.monotonic()
        done = self.run(server, f"ssh://127.0.0.1:{listener(serve).port}", "close")
        assert (done.stdout, done.stderr) == ("ConnectionFailed\nFalse\n", "")
        assert time.monotonic() - begin < 6

    def test_failed_login(self, sshd: SshdFactory) -> None:
        server = sshd()
        done = self.run(server, f"ssh://nobody-here@127.0.0.1:{server.port}", "close")
        assert (done.stdout, done.stderr) == ("AuthenticationFailed\nFalse\n", "")
