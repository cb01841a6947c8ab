"""Real OpenSSH servers behind others."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
from support.login import SOON, configure, login, works
from support.sshd import SshdFactory, SshServer

from nginxws.errors import ConfigError, ConnectionFailed, HostKeyError

pytestmark = pytest.mark.sshd


class TestHops:
    def through(self, server: SshServer, jump: SshServer) -> None:
        """Reach ``server`` by way of ``jump`` only."""
        server.known_hosts.write_text(server.known_hosts.read_text() + jump.known_hosts.read_text())
        hop = f"HostName 127.0.0.1\n  Port {jump.port}\n  User {jump.user}\n  IdentityFile {jump.key}"
        node = f"ProxyJump hop\n  IdentityFile {server.key}"
        configure(server, f"Host node\n  {node}", f"Host hop hop2\n  {hop}")

    def test_proxy_jump(self, sshd: SshdFactory, echo_port: int) -> None:
        server, jump = sshd(), sshd()
        self.through(server, jump)
        with login(server) as transport:
            assert transport.run(["true"]).wait(SOON) == 0
            stream = transport.dial("127.0.0.1", echo_port, SOON)
            stream.send(b"ping")
            assert stream.recv(10, SOON) == b"ping"
            stream.close()
        assert "Accepted publickey" in jump.log.read_text()
        assert "Accepted publickey" in server.log.read_text()

    def test_two_hops(self, sshd: SshdFactory) -> None:
        server, jump = sshd(), sshd()
        self.through(server, jump)
        server.config.write_text(server.config.read_text().replace("ProxyJump hop", "ProxyJump hop,hop2", 1))
        assert works(login(server))
        assert jump.log.read_text().count("Accepted publickey") == 2

    def test_every_hop_has_its_own_host_key(self, sshd: SshdFactory) -> None:
        server, jump = sshd(), sshd()
        self.through(server, jump)
        server.known_hosts.write_text(f"{server.known_as} {server.host_public_key}\n")
        with pytest.raises(HostKeyError, match="isn't known") as caught:
            login(server)
        assert caught.value.node == "hop"
        assert "Accepted" not in jump.log.read_text()

    def test_hop_that_forbids_forwarding(self, sshd: SshdFactory) -> None:
        server, jump = sshd(), sshd("AllowTcpForwarding no")
        self.through(server, jump)
        with pytest.raises(ConnectionFailed, match="forbids") as caught:
            login(server)
        assert "AllowTcpForwarding" in str(caught.value.hint)

    def test_hop_in_circles(self, sshd: SshdFactory) -> None:
        server = sshd()
        configure(server, "Host *", "  ProxyJump node")
        with pytest.raises(ConfigError, match="circles"):
            login(server)

    def test_proxy_command(self, sshd: SshdFactory, tmp_path: Path) -> None:
        server = sshd()
        relay = tmp_path / "relay.py"
        relay.write_text(
            "import os, socket, sys, threading\n"
            "s = socket.create_connection((sys.argv[1], int(sys.argv[2])))\n"
            "def up():\n"
            "    while d := os.read(0, 65536): s.sendall(d)\n"
            "    s.shutdown(1)\n"
            "threading.Thread(target=up, daemon=True).start()\n"
            "while d := s.recv(65536): os.write(1, d)\n"
        )
        configure(server, f"ProxyCommand {sys.executable} {relay} %h %p")
        assert works(login(server))

    def test_proxy_command_that_fails(self, sshd: SshdFactory) -> None:
        server = sshd()
        configure(server, "ProxyCommand false %h")
        begin = time.monotonic()
        with pytest.raises(ConnectionFailed, match="ProxyCommand") as caught:
            login(server)
        assert "false 127.0.0.1" in str(caught.value.hint)
        assert time.monotonic() - begin < 5
