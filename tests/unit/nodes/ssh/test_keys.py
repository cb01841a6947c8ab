"""Key files, and the order in which keys are tried."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from support.sshd import need

from nginxws.nodes.ssh.keys import KeyFile, order, read_key_file


def make(path: Path, *arguments: str) -> Path:
    subprocess.run([need("ssh-keygen"), "-q", "-f", str(path), *arguments], check=True, capture_output=True)
    return path


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
@pytest.mark.parametrize("form", ["RFC4716", "PEM", "PKCS8"])
@pytest.mark.parametrize("secret", ["", "secret"])
def test_what_a_file_holds(tmp_path: Path, kind: str, form: str, secret: str) -> None:
    path = make(tmp_path / "key", "-t", kind, "-m", form, "-N", secret)
    found = read_key_file(path)
    assert found is not None
    assert (found.private, found.encrypted, found.problem) == (True, bool(secret), None)
    assert kind in found.key_type
    public = read_key_file(path.with_suffix(".pub"))
    assert public is not None
    assert not public.private
    assert public.blob == found.blob is not None


def test_only_the_public_half_is_there(tmp_path: Path) -> None:
    path = make(tmp_path / "key", "-t", "ed25519", "-N", "")
    path.unlink()
    found = read_key_file(path)
    assert found is not None
    assert not found.private
    assert found.blob is not None


def test_no_file(tmp_path: Path) -> None:
    assert read_key_file(tmp_path / "nothing") is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("hello\n", "isn't a key file"),
        ("", "isn't a key file"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\n!!!\n-----END OPENSSH PRIVATE KEY-----\n", "damaged"),
        (
            "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA\n-----END OPENSSH PRIVATE KEY-----\n",
            "damaged",
        ),
    ],
)
def test_not_a_key(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "key"
    path.write_text(text)
    path.chmod(0o600)
    found = read_key_file(path)
    assert found is not None
    assert problem in str(found.problem)


def test_folder_instead_of_a_file(tmp_path: Path) -> None:
    found = read_key_file(tmp_path)
    assert found is not None
    assert "can't be read" in str(found.problem)


def test_open_to_others(tmp_path: Path) -> None:
    path = make(tmp_path / "key", "-t", "ed25519", "-N", "")
    path.chmod(0o640)
    found = read_key_file(path)
    assert found is not None
    assert "0640" in str(found.problem)


def key_file(name: str, blob: bytes | None, *, private: bool = True, encrypted: bool = False) -> KeyFile:
    return KeyFile(Path(name), private, encrypted, "ssh-ed25519", blob)


def test_order_is_openssh_order() -> None:
    files = [
        key_file("locked", b"L", encrypted=True),
        key_file("second", b"2"),
        key_file("public", b"P", private=False),
        key_file("unknown", None),
    ]
    agent = [b"1", b"2", b"P", b"3"]
    blobs, rest = order(agent, files, identities_only=False)
    assert blobs == [b"2", b"P", b"1", b"3"]
    assert [file.path.name for file in rest] == ["unknown", "locked"]


def test_identities_only_leaves_the_agents_others_alone() -> None:
    blobs, rest = order([b"1", b"2"], [key_file("a", b"2"), key_file("b", b"9")], identities_only=True)
    assert blobs == [b"2"]
    assert [file.path.name for file in rest] == ["b"]
