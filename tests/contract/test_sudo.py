"""The real sudo, with a user and rules of its own in a private mount namespace."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.sshd import need

from nginxws.errors import ConnectionFailed
from nginxws.nodes.local import LocalTransport
from nginxws.nodes.sudo import Sudo, SudoMode

pytestmark = pytest.mark.root
SOON = 30.0  # seconds; sudo takes its time after a wrong password
SETUP = (
    'cd "$1"; rules=$2; shift 2; set -e; for f in passwd shadow group sudoers; do cp /etc/$f .; done; '
    "echo tester:x:4242:4242::/tmp:/bin/sh >>passwd; echo tester:x:4242: >>group; "
    'echo "tester:$(openssl passwd -6 -salt nginxws right):19000:0:99999:7:::" >>shadow; '
    'echo "$rules" >sudoers; chmod 440 sudoers; '
    "for f in passwd shadow group sudoers; do mount --bind $f /etc/$f; done; "
    'exec setpriv --reuid 4242 --regid 4242 --clear-groups "$@"'
)
# As the node script's bootstrap does: skip what comes before the sentinel.
PROGRAM = 'while IFS= read -r l; do case $l in "START "*) break;; esac; done; echo "$l as $(id -u)"; cat'


@pytest.fixture
def transport() -> Iterator[LocalTransport]:
    for program in ("sudo", "unshare", "setpriv", "openssl"):
        need(program)
    with LocalTransport() as open_transport:
        if open_transport.run(["unshare", "-m", "true"]).wait(SOON) != 0:
            pytest.skip("no private mount namespaces here")
        yield open_transport


def run(transport: LocalTransport, folder: Path, rules: str, sudo: Sudo) -> tuple[bytes, str]:
    """Standard output and error of a program run by ``sudo`` under these sudoers rules."""
    argv = ["unshare", "-m", "sh", "-c", SETUP, "sh", str(folder), rules, *sudo.wrap(["sh", "-c", PROGRAM])]
    process = transport.run(argv)
    with contextlib.suppress(ConnectionFailed):  # sudo may refuse before it has read a word
        process.write(sudo.first_line() + b"START 1\nscript\n")
    process.close_stdin()
    process.wait(SOON)
    return process.read(1000, SOON), process.stderr().decode()


@pytest.mark.parametrize(
    ("rules", "sudo"),
    [
        ("tester ALL=(ALL) ALL", Sudo(SudoMode.PASSWORD, "right")),
        ("tester ALL=(ALL) NOPASSWD: ALL", Sudo(SudoMode.PASSWORDLESS)),
        ("tester ALL=(ALL) NOPASSWD: ALL", Sudo(SudoMode.PASSWORD, "not asked for")),
    ],
)
def test_program_runs_as_root_and_reads_its_own_input(
    transport: LocalTransport, tmp_path: Path, rules: str, sudo: Sudo
) -> None:
    output, words = run(transport, tmp_path, rules, sudo)
    assert (output, words) == (b"START 1 as 0\nscript\n", "")


@pytest.mark.parametrize(
    ("rules", "sudo", "message"),
    [
        ("tester ALL=(ALL) ALL", Sudo(SudoMode.PASSWORD, "wrong"), "the password is wrong"),
        ("tester ALL=(ALL) ALL", Sudo(SudoMode.PASSWORDLESS), "a password is required"),
        ("# nobody", Sudo(SudoMode.PASSWORD, "right"), "this user may not use sudo"),
        (
            "tester ALL=(ALL) /usr/bin/true",
            Sudo(SudoMode.PASSWORD, "right"),
            "this user may not run a shell as root",
        ),
    ],
)
def test_refusals_are_explained(
    transport: LocalTransport, tmp_path: Path, rules: str, sudo: Sudo, message: str
) -> None:
    output, words = run(transport, tmp_path, rules, sudo)
    assert output == b""
    error = sudo.explain(words, "lb1")
    assert error is not None
    assert message in error.message
    assert "right" not in words
