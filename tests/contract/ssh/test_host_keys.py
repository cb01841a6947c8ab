"""Host keys of a real OpenSSH server: known, unknown, changed, revoked."""

from __future__ import annotations

import base64
import hashlib
import subprocess
from pathlib import Path

import pytest
from support.login import configure, keygen, login, works
from support.sshd import SshdFactory, SshServer

from nginxws.errors import HostKeyError

pytestmark = pytest.mark.sshd


def fingerprint(server: SshServer) -> str:
    blob = base64.b64decode(server.host_public_key.split()[1])
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


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
