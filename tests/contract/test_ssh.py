"""What SSH has beyond any transport: trust, logins, hops, and lines that break. All against real OpenSSH."""

from __future__ import annotations

import base64
import hashlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.lines import Listener, TcpProxy
from support.sshd import SshdFactory, SshServer

from nginxws.errors import AuthenticationFailed, ConfigError, ConnectionFailed, HostKeyError, NodeError
from nginxws.nodes.connect import SshOptions, connect
from nginxws.nodes.transport import Target, Transport

pytestmark = pytest.mark.sshd
SOON = 20.0  # seconds that nothing here should need
Serve = Callable[[socket.socket], None]


def login(
    server: SshServer, target: str = "node", *, accept_new: bool = False, secret: str | None = None
) -> Transport:
    options = SshOptions(config=server.config, accept_new=accept_new, ask=lambda prompt: secret)
    return connect(Target.parse(target), options)


def works(transport: Transport) -> bool:
    with transport:
        return transport.run(["true"]).wait(SOON) == 0


def configure(server: SshServer, *lines: str) -> None:
    """Put lines in front of the server's ssh_config, where they win."""
    server.config.write_text("\n".join(lines) + "\n" + server.config.read_text())


def keygen(path: Path, *arguments: str) -> Path:
    command = ["ssh-keygen", "-q", "-f", str(path), *(arguments or ("-t", "ed25519", "-N", ""))]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True)
    return path


def fingerprint(server: SshServer) -> str:
    blob = base64.b64decode(server.host_public_key.split()[1])
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


class TestAddresses:
    def test_alias_of_ssh_config(self, sshd: SshdFactory) -> None:
        assert works(login(sshd()))

    def test_url(self, sshd: SshdFactory) -> None:
        server = sshd()
        assert works(login(server, server.url))

    def test_name_that_does_not_resolve(self, sshd: SshdFactory) -> None:
        with pytest.raises(ConnectionFailed, match=r"can't resolve no-such-host\.invalid") as caught:
            login(sshd(), "no-such-host.invalid")
        assert caught.value.hint

    def test_nobody_listens(self, sshd: SshdFactory) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            port = unused.getsockname()[1]
            with pytest.raises(ConnectionFailed, match=rf"127\.0\.0\.1:{port}: connection refused"):
                login(sshd(), f"ssh://127.0.0.1:{port}")

    def test_not_an_ssh_server(self, sshd: SshdFactory, listener: Callable[[Serve], Listener]) -> None:
        port = listener(lambda peer: peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 200)).port
        with pytest.raises(ConnectionFailed, match=rf":{port}: it doesn't answer as an SSH server"):
            login(sshd(), f"ssh://127.0.0.1:{port}")

    def test_hangs_up_after_its_banner(
        self, sshd: SshdFactory, listener: Callable[[Serve], Listener]
    ) -> None:
        port = listener(lambda peer: peer.sendall(b"SSH-2.0-busy\r\n")).port
        with pytest.raises(ConnectionFailed, match="hung up during the SSH handshake"):
            login(sshd(), f"ssh://127.0.0.1:{port}")

    @pytest.mark.parametrize("banner", [b"", b"SSH-2.0-tarpit\r\n"])
    def test_says_nothing(
        self, sshd: SshdFactory, listener: Callable[[Serve], Listener], banner: bytes
    ) -> None:
        def serve(peer: socket.socket) -> None:
            peer.sendall(banner)
            while peer.recv(1000):
                pass

        server = sshd()
        configure(server, "ConnectTimeout 1")
        begin = time.monotonic()
        with pytest.raises(ConnectionFailed, match=r"as an SSH server|no key exchange in 1 s"):
            login(server, f"ssh://127.0.0.1:{listener(serve).port}")
        assert time.monotonic() - begin < 5

    def test_broken_ssh_config_names_the_line(self, sshd: SshdFactory) -> None:
        server = sshd()
        configure(server, "", 'User "nobody')
        with pytest.raises(ConfigError, match="quotes") as caught:
            login(server)
        assert (caught.value.file, caught.value.line) == (str(server.config), 2)


class TestHostKeys:
    def test_unknown_key_is_refused_with_its_fingerprint(self, sshd: SshdFactory) -> None:
        server = sshd()
        server.known_hosts.write_text("")
        with pytest.raises(HostKeyError, match="isn't known") as caught:
            login(server)
        assert fingerprint(server) in str(caught.value)
        assert f"ssh-keyscan -p {server.port} 127.0.0.1" in str(caught.value.hint)
        assert server.known_hosts.read_text() == ""

    def test_changed_key_names_the_line(self, sshd: SshdFactory) -> None:
        server, other = sshd(), sshd()
        server.known_hosts.write_text(f"# comment\n{server.known_as} {other.host_public_key}\n")
        with pytest.raises(HostKeyError, match="has changed") as caught:
            login(server)
        assert fingerprint(server) in str(caught.value)
        assert fingerprint(other) in str(caught.value)
        assert (caught.value.file, caught.value.line) == (str(server.known_hosts), 2)
        assert "ssh-keygen -R" in str(caught.value.hint)

    @pytest.mark.parametrize("setting", ["no", "accept-new"])
    def test_changed_key_is_refused_even_when_new_ones_are_taken(
        self, sshd: SshdFactory, setting: str
    ) -> None:
        server, other = sshd(), sshd()
        server.known_hosts.write_text(f"{server.known_as} {other.host_public_key}\n")
        configure(server, f"StrictHostKeyChecking {setting}")
        with pytest.raises(HostKeyError, match="has changed"):
            login(server, accept_new=True)

    def test_accept_new_writes_the_key_down_once(self, sshd: SshdFactory) -> None:
        server = sshd()
        server.known_hosts.unlink()
        assert works(login(server, accept_new=True))
        assert server.known_hosts.read_text() == f"{server.known_as} {server.host_public_key}\n"
        assert server.known_hosts.stat().st_mode & 0o777 == 0o600
        assert works(login(server))
        assert works(login(server, accept_new=True))
        assert len(server.known_hosts.read_text().splitlines()) == 1

    def test_accept_new_from_ssh_config_keeps_what_is_there(self, sshd: SshdFactory) -> None:
        server = sshd()
        server.known_hosts.write_text("other ssh-ed25519 AAAA")  # no newline at the end
        configure(server, "StrictHostKeyChecking accept-new")
        assert works(login(server))
        assert server.known_hosts.read_text().splitlines() == [
            "other ssh-ed25519 AAAA",
            f"{server.known_as} {server.host_public_key}",
        ]

    def test_revoked_key(self, sshd: SshdFactory) -> None:
        server = sshd()
        line = f"{server.known_as} {server.host_public_key}\n"
        server.known_hosts.write_text(f"{line}@revoked * {server.host_public_key}\n")
        with pytest.raises(HostKeyError, match="revoked") as caught:
            login(server, accept_new=True)
        assert caught.value.line == 2

    def test_revoked_host_keys_file(self, sshd: SshdFactory, tmp_path: Path) -> None:
        server = sshd()
        (tmp_path / "revoked").write_text(f"{server.host_public_key} gone\n")
        configure(server, f"RevokedHostKeys {tmp_path}/revoked")
        with pytest.raises(HostKeyError, match="revoked"):
            login(server)

    def test_hashed_known_hosts(self, sshd: SshdFactory) -> None:
        server = sshd()
        subprocess.run(["ssh-keygen", "-H", "-f", server.known_hosts], check=True, capture_output=True)
        assert "127.0.0.1" not in server.known_hosts.read_text()
        assert works(login(server))

    def test_certificate_authority_alone_is_not_enough(self, sshd: SshdFactory) -> None:
        server = sshd()
        server.known_hosts.write_text(f"@cert-authority * {server.host_public_key}\n")
        with pytest.raises(HostKeyError, match="certificate authority"):
            login(server, accept_new=True)

    @pytest.mark.parametrize("known", ["rsa", "ed25519", "ecdsa"])
    def test_known_kind_of_key_is_asked_for(self, sshd: SshdFactory, tmp_path: Path, known: str) -> None:
        extra = [keygen(tmp_path / kind, "-t", kind, "-N", "") for kind in ("rsa", "ecdsa")]
        server = sshd(*(f"HostKey {path}" for path in extra))
        public = server.host_key if known == "ed25519" else tmp_path / known
        server.known_hosts.write_text(f"{server.known_as} {public.with_suffix('.pub').read_text()}")
        assert works(login(server))

    def test_another_kind_of_key_is_not_a_new_host(self, sshd: SshdFactory, tmp_path: Path) -> None:
        server = sshd()
        public = keygen(tmp_path / "rsa", "-t", "rsa", "-N", "").with_suffix(".pub").read_text()
        server.known_hosts.write_text(f"{server.known_as} {public}")
        with pytest.raises(HostKeyError, match="another kind"):
            login(server, accept_new=True)

    def test_host_key_alias(self, sshd: SshdFactory) -> None:
        server = sshd()
        configure(server, "HostKeyAlias balancer")
        with pytest.raises(HostKeyError):
            login(server)
        server.known_hosts.write_text(f"balancer {server.host_public_key}\n")
        assert works(login(server))

    def test_key_known_without_its_port(self, sshd: SshdFactory) -> None:
        server = sshd()
        server.known_hosts.write_text(f"127.0.0.1 {server.host_public_key}\n")
        assert works(login(server))

    def test_second_known_hosts_file(self, sshd: SshdFactory, tmp_path: Path) -> None:
        server = sshd()
        (tmp_path / "empty").write_text("")
        configure(server, f"UserKnownHostsFile {tmp_path}/empty {server.known_hosts}")
        assert works(login(server))


class TestLogins:
    def test_wrong_user(self, sshd: SshdFactory) -> None:
        server = sshd()
        with pytest.raises(
            AuthenticationFailed, match=r"nobody-here@127\.0\.0\.1:\d+ accepts none"
        ) as caught:
            login(server, f"ssh://nobody-here@127.0.0.1:{server.port}")
        assert str(server.key) in str(caught.value)
        assert "nobody-here" in str(caught.value.hint)
        assert "publickey" in str(caught.value.detail)

    def test_wrong_key(self, sshd: SshdFactory, tmp_path: Path) -> None:
        server = sshd()
        server.authorized_keys.write_bytes(keygen(tmp_path / "other").with_suffix(".pub").read_bytes())
        with pytest.raises(AuthenticationFailed, match="accepts none of our keys"):
            login(server)

    def test_no_key_at_all(self, sshd: SshdFactory) -> None:
        server = sshd()
        server.key.unlink()
        server.key.with_suffix(".pub").unlink()
        with pytest.raises(AuthenticationFailed, match="there is no key") as caught:
            login(server)
        assert f"{server.key} doesn't exist" in str(caught.value.detail)
        assert "ssh-add" in str(caught.value.hint)

    def test_server_takes_passwords_only(self, sshd: SshdFactory) -> None:
        server = sshd("PubkeyAuthentication no", "PasswordAuthentication yes", "PermitRootLogin yes")
        with pytest.raises(AuthenticationFailed, match=r"accepts no keys.*password"):
            login(server)

    def test_server_wants_a_second_factor(self, sshd: SshdFactory) -> None:
        server = sshd(
            "PasswordAuthentication yes", "AuthenticationMethods publickey,password", "PermitRootLogin yes"
        )
        with pytest.raises(AuthenticationFailed, match=r"second step.*password"):
            login(server)

    @pytest.mark.parametrize("kind", ["rsa", "ecdsa", "ed25519"])
    @pytest.mark.parametrize("form", ["RFC4716", "PEM"])
    def test_kinds_of_key_files(self, sshd: SshdFactory, tmp_path: Path, kind: str, form: str) -> None:
        server = sshd()
        key = keygen(tmp_path / "key", "-t", kind, "-N", "", "-m", form)
        server.authorized_keys.write_bytes(key.with_suffix(".pub").read_bytes())
        configure(server, f"IdentityFile {key}")
        assert works(login(server))

    @pytest.mark.parametrize("kind", ["rsa", "ed25519"])
    def test_encrypted_key(self, sshd: SshdFactory, tmp_path: Path, kind: str) -> None:
        server = sshd()
        key = keygen(tmp_path / "key", "-t", kind, "-N", "open sesame")
        server.authorized_keys.write_bytes(key.with_suffix(".pub").read_bytes())
        configure(server, f"IdentityFile {key}")
        assert works(login(server, secret="open sesame"))
        with pytest.raises(AuthenticationFailed) as caught:
            login(server, secret=None)
        assert f"{key} is encrypted" in str(caught.value.detail)
        with pytest.raises(AuthenticationFailed) as caught:
            login(server, secret="wrong")
        assert "passphrase" in str(caught.value.detail)
        assert "wrong" not in f"{caught.value} {caught.value.detail} {caught.value.hint}"

    def test_passphrase_is_asked_for_only_when_nothing_else_works(
        self, sshd: SshdFactory, tmp_path: Path
    ) -> None:
        server = sshd()
        configure(server, f"IdentityFile {keygen(tmp_path / 'key', '-t', 'ed25519', '-N', 'x')}")
        asked: list[str] = []
        options = SshOptions(config=server.config, ask=lambda prompt: asked.append(prompt))
        assert works(connect(Target.parse("node"), options))
        assert asked == []

    def test_key_that_others_can_read(self, sshd: SshdFactory) -> None:
        server = sshd()
        server.key.chmod(0o644)
        with pytest.raises(AuthenticationFailed) as caught:
            login(server)
        assert "chmod 600" in str(caught.value.detail)

    def test_damaged_key_file(self, sshd: SshdFactory, tmp_path: Path) -> None:
        server = sshd()
        bad = tmp_path / "bad"
        bad.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n")
        bad.chmod(0o600)
        configure(server, f"IdentityFile {bad}")
        assert works(login(server))

    def test_certificate(self, sshd: SshdFactory, tmp_path: Path) -> None:
        authority = keygen(tmp_path / "ca")
        server = sshd(f"TrustedUserCAKeys {authority}.pub")
        key = keygen(tmp_path / "key")
        sign = ["ssh-keygen", "-q", "-s", str(authority), "-I", "me", "-n", server.user, f"{key}.pub"]
        subprocess.run(sign, check=True, capture_output=True)
        server.config.write_text(server.config.read_text().replace(str(server.key), str(key)))
        assert works(login(server))
        assert "ED25519-CERT" in server.log.read_text()

    def test_plain_key_after_a_certificate_nobody_trusts(self, sshd: SshdFactory, tmp_path: Path) -> None:
        server = sshd()
        sign = ["ssh-keygen", "-q", "-s", str(keygen(tmp_path / "ca")), "-I", "me", f"{server.key}.pub"]
        subprocess.run(sign, check=True, capture_output=True)
        assert works(login(server))


@pytest.fixture
def agent(tmp_path: Path) -> object:
    path = tmp_path / "agent"
    child = subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + SOON
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    yield path
    child.terminate()
    child.wait(SOON)


def add_key(agent: Path, key: Path) -> None:
    environment = {**os.environ, "SSH_AUTH_SOCK": str(agent)}
    subprocess.run(["ssh-add", "-q", str(key)], check=True, capture_output=True, env=environment)


class TestAgent:
    @pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
    def test_key_of_the_agent(self, sshd: SshdFactory, agent: Path, tmp_path: Path, kind: str) -> None:
        server = sshd()
        key = keygen(tmp_path / "key", "-t", kind, "-N", "")
        server.authorized_keys.write_bytes(key.with_suffix(".pub").read_bytes())
        add_key(agent, key)
        key.unlink()
        configure(server, f"IdentityAgent {agent}")
        assert works(login(server))

    def test_agent_of_the_environment(
        self, sshd: SshdFactory, agent: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        server = sshd()
        add_key(agent, server.key)
        server.key.unlink()
        monkeypatch.setenv("SSH_AUTH_SOCK", str(agent))
        with pytest.raises(AuthenticationFailed):
            login(server)  # IdentityAgent none
        server.config.write_text(server.config.read_text().replace("IdentityAgent none", ""))
        assert works(login(server))

    def test_dead_agent_does_not_stop_a_login_by_file(self, sshd: SshdFactory, tmp_path: Path) -> None:
        server = sshd()
        configure(server, f"IdentityAgent {tmp_path}/nobody")
        assert works(login(server))

    def test_too_many_keys_is_explained(self, sshd: SshdFactory, agent: Path, tmp_path: Path) -> None:
        server = sshd("MaxAuthTries 3")
        for number in range(5):
            add_key(agent, keygen(tmp_path / f"key{number}"))
        server.key.with_suffix(".pub").unlink()
        configure(server, f"IdentityAgent {agent}")
        with pytest.raises(AuthenticationFailed, match="Too many authentication failures") as caught:
            login(server)
        assert "IdentitiesOnly" in str(caught.value.hint)
        configure(server, "IdentitiesOnly yes")
        assert works(login(server))

    def test_named_key_comes_first(self, sshd: SshdFactory, agent: Path, tmp_path: Path) -> None:
        server = sshd("MaxAuthTries 2")
        for number in range(4):
            add_key(agent, keygen(tmp_path / f"key{number}"))
        add_key(agent, server.key)
        server.key.unlink()  # only its public half is left to name it
        configure(server, f"IdentityAgent {agent}")
        assert works(login(server))


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


class TestRefusals:
    def test_forbidden_forwarding_is_not_a_refused_connection(
        self, sshd: SshdFactory, echo_port: int
    ) -> None:
        with (
            login(sshd("AllowTcpForwarding no")) as transport,
            pytest.raises(ConnectionFailed, match="forbids") as caught,
        ):
            transport.dial("127.0.0.1", echo_port, SOON)
        assert "AllowTcpForwarding" in str(caught.value.hint)

    def test_server_that_starts_no_programs(self, sshd: SshdFactory) -> None:
        with login(sshd("MaxSessions 0")) as transport, pytest.raises(NodeError, match="start programs"):
            transport.run(["true"])


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
