"""known_hosts: ssh-keygen is the judge of lines and fingerprints."""

from __future__ import annotations

import base64
import dataclasses
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.sshd import need

from nginxws.errors import ConfigError, HostKeyError
from nginxws.nodes.connect import SshOptions
from nginxws.nodes.ssh.hostkeys import KnownHosts, fingerprint
from nginxws.nodes.ssh.settings import HostSettings, Trust, resolve
from nginxws.nodes.transport import Target

ED25519 = "AAAAC3NzaC1lZDI1NTE5AAAAIE4iWYMnnLEa+tbLqgBlfAD7wLDnTcn4t6fa0CQTbCkC"
OTHER = "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
BLOB = base64.b64decode(ED25519)
LINE = f"ssh-ed25519 {ED25519}"
ALGORITHMS = ["ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-512", "rsa-sha2-256"]


def hop(tmp_path: Path, target: str = "lb1", **changes: object) -> HostSettings:
    config = tmp_path / "config"
    config.write_text(f"UserKnownHostsFile {tmp_path}/known\nGlobalKnownHostsFile {tmp_path}/global\n")
    found = resolve(Target.parse(target), SshOptions(config=config))
    return dataclasses.replace(found, **changes)  # type: ignore[arg-type]  # a test's shorthand


def check(tmp_path: Path, known: str, target: str = "lb1", **changes: object) -> None:
    (tmp_path / "known").write_text(known)
    KnownHosts(hop(tmp_path, target, **changes)).check("ssh-ed25519", BLOB)


def test_fingerprint_is_ssh_keygens(tmp_path: Path) -> None:
    (tmp_path / "key.pub").write_text(LINE + "\n")
    command = [need("ssh-keygen"), "-l", "-f", str(tmp_path / "key.pub")]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.split()[1] == fingerprint(BLOB)


@pytest.mark.parametrize(
    "names",
    ["lb1", "LB1", "other,lb1", "*", "lb?", "lb*,!lb2", "l*1"],
)
def test_known(tmp_path: Path, names: str) -> None:
    check(tmp_path, f"# comment\n\n{names} {LINE} comment\n")


@pytest.mark.parametrize("names", ["lb2", "*,!lb1", "[lb1]:2022", "lb", "lb1.example.com", "lb[1]"])
def test_unknown(tmp_path: Path, names: str) -> None:
    with pytest.raises(HostKeyError, match="isn't known") as caught:
        check(tmp_path, f"{names} {LINE}\n")
    assert fingerprint(BLOB) in str(caught.value)
    assert "ssh-keyscan lb1 >> " in str(caught.value.hint)


@pytest.mark.parametrize("target", ["lb1", "ssh://lb1:2022", "ssh://[::1]:2022", "ssh://10.0.0.1"])
def test_hashed_names(tmp_path: Path, target: str) -> None:
    name = hop(tmp_path, target).known_as
    (tmp_path / "known").write_text(f"{name} {LINE}\n")
    subprocess.run([need("ssh-keygen"), "-H", "-f", str(tmp_path / "known")], check=True, capture_output=True)
    hashed = (tmp_path / "known").read_text()
    assert hashed.startswith("|1|")
    check(tmp_path, hashed, target)
    with pytest.raises(HostKeyError, match="isn't known"):
        check(tmp_path, hashed, "somewhere-else")


def test_port_is_part_of_the_name_but_the_plain_name_will_do(tmp_path: Path) -> None:
    check(tmp_path, f"[lb1]:2022 {LINE}\n", "ssh://lb1:2022")
    check(tmp_path, f"lb1 {LINE}\n", "ssh://lb1:2022")
    with pytest.raises(HostKeyError, match="isn't known"):
        check(tmp_path, f"lb1 ssh-ed25519 {OTHER}\n", "ssh://lb1:2022")
    with pytest.raises(HostKeyError, match="has changed"):
        check(tmp_path, f"[lb1]:2022 ssh-ed25519 {OTHER}\nlb1 {LINE}\n", "ssh://lb1:2022")


def test_changed_names_file_and_line(tmp_path: Path) -> None:
    with pytest.raises(HostKeyError, match="has changed") as caught:
        check(tmp_path, f"\nlb1 ssh-ed25519 {OTHER}\n", trust=Trust.ACCEPT_NEW)
    assert (caught.value.file, caught.value.line) == (str(tmp_path / "known"), 2)
    assert f"ssh-keygen -R 'lb1' -f {tmp_path}/known" in str(caught.value.hint)
    assert (tmp_path / "known").read_text() == f"\nlb1 ssh-ed25519 {OTHER}\n"


def test_one_of_several_keys_is_enough(tmp_path: Path) -> None:
    check(tmp_path, f"lb1 ssh-ed25519 {OTHER}\nlb1 {LINE}\n")


def test_global_file_counts(tmp_path: Path) -> None:
    (tmp_path / "global").write_text(f"lb1 {LINE}\n")
    check(tmp_path, "")


@pytest.mark.parametrize("target", ["lb1", "ssh://lb1:2022"])
def test_revoked_outranks_known(tmp_path: Path, target: str) -> None:
    with pytest.raises(HostKeyError, match="revoked"):
        check(tmp_path, f"* {LINE}\n@revoked lb1,[lb1]:* {LINE}\n", target, trust=Trust.ACCEPT_NEW)


def test_revoked_other_key_does_not_matter(tmp_path: Path) -> None:
    check(tmp_path, f"@revoked * ssh-ed25519 {OTHER}\nlb1 {LINE}\n")


def test_authority_is_not_a_key(tmp_path: Path) -> None:
    with pytest.raises(HostKeyError, match="certificate authority") as caught:
        check(tmp_path, f"@cert-authority * {LINE}\n", trust=Trust.ACCEPT_NEW)
    assert caught.value.line == 1
    check(tmp_path, f"@cert-authority * ssh-ed25519 {OTHER}\nlb1 {LINE}\n")


def test_accept_new_makes_folder_and_file(tmp_path: Path) -> None:
    place = tmp_path / "new/folder/known"
    KnownHosts(hop(tmp_path, trust=Trust.ACCEPT_NEW, known_hosts=(place,))).check("ssh-ed25519", BLOB)
    assert place.read_text() == f"lb1 {LINE}\n"
    assert place.stat().st_mode & 0o777 == 0o600


def test_accept_new_without_a_file_to_write_to(tmp_path: Path) -> None:
    with pytest.raises(HostKeyError, match="isn't known"):
        KnownHosts(hop(tmp_path, trust=Trust.ACCEPT_NEW, known_hosts=())).check("ssh-ed25519", BLOB)
    nowhere = KnownHosts(hop(tmp_path, trust=Trust.ACCEPT_NEW, known_hosts=(Path("/proc/nothing/known"),)))
    with pytest.raises(ConfigError, match="can't write") as caught:
        nowhere.check("ssh-ed25519", BLOB)
    assert caught.value.hint


def test_revocation_files(tmp_path: Path) -> None:
    (tmp_path / "revoked").write_text(f"# gone\n{LINE} old\n")
    with pytest.raises(HostKeyError, match="revoked"):
        check(tmp_path, f"lb1 {LINE}\n", revoked_keys=tmp_path / "revoked")
    (tmp_path / "revoked").write_bytes(b"SSHKRL\n\0")
    with pytest.raises(ConfigError, match="revocation list"):
        check(tmp_path, f"lb1 {LINE}\n", revoked_keys=tmp_path / "revoked")
    with pytest.raises(ConfigError, match="can't read"):
        check(tmp_path, f"lb1 {LINE}\n", revoked_keys=tmp_path / "nothing")


@pytest.mark.parametrize(
    ("known", "first"),
    [
        ("", "ssh-ed25519"),
        ("lb1 ssh-rsa AAAA\n", "rsa-sha2-512"),
        ("lb1 ecdsa-sha2-nistp256 AAAA\n", "ecdsa-sha2-nistp256"),
        ("@revoked lb1 ssh-rsa AAAA\n", "ssh-ed25519"),
        ("lb2 ssh-rsa AAAA\n", "ssh-ed25519"),
    ],
)
def test_algorithms_of_known_keys_come_first(tmp_path: Path, known: str, first: str) -> None:
    (tmp_path / "known").write_text(known)
    order = KnownHosts(hop(tmp_path)).preferred(ALGORITHMS)
    assert order[0] == first
    assert sorted(order) == sorted(ALGORITHMS)


def test_configured_algorithms_are_the_only_ones(tmp_path: Path) -> None:
    found = hop(tmp_path, host_key_algorithms=("rsa-sha2-256", "unknown", "ssh-ed25519"))
    assert KnownHosts(found).preferred(ALGORITHMS) == ["rsa-sha2-256", "ssh-ed25519"]


@given(st.lists(st.text(alphabet="lb1 |*!,@#\tAa=+é\x00", max_size=40), max_size=5))
def test_no_line_trusts_a_key_that_is_not_in_it(lines: list[str]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder, pytest.raises(HostKeyError):
        check(Path(folder), "\n".join(lines))
