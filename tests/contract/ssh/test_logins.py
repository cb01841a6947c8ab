"""Reaching a real OpenSSH server and logging in: by address, key, password, agent."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.lines import Listener
from support.login import SOON, configure, keygen, login, works
from support.sshd import SshdFactory

from nginxws.errors import AuthenticationFailed, ConfigError, ConnectionFailed, NodeError
from nginxws.nodes.connect import SshOptions, connect
from nginxws.nodes.transport import Target

pytestmark = pytest.mark.sshd
Serve = Callable[[socket.socket], None]


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
