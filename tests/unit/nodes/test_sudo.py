"""sudo: the command line, where the password goes, and what refusals mean."""

from __future__ import annotations

import pytest

from nginxws.errors import AuthenticationFailed, InvalidInput
from nginxws.nodes.sudo import Sudo, SudoMode

ARGV = ["sh", "-c", "true"]
FOLDERS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NIXOS = "/run/wrappers/bin:/run/current-system/sw/bin"
#: A program that gets a password is never looked for in the account's own folders.
ENV = ("/usr/bin/env", "LC_ALL=C", f"PATH={FOLDERS}:{NIXOS}")


def test_none_changes_nothing() -> None:
    sudo = Sudo()
    assert sudo.wrap(ARGV) == ARGV
    assert sudo.first_line() == b""
    assert sudo.explain("sudo: a password is required", "lb1") is None


def test_passwordless_never_asks() -> None:
    sudo = Sudo(SudoMode.PASSWORDLESS)
    assert sudo.wrap(ARGV) == [*ENV, "sudo", "-n", "--", *ARGV]
    assert sudo.first_line() == b""


def test_password_goes_to_the_input_and_nowhere_else() -> None:
    sudo = Sudo(SudoMode.PASSWORD, "pässword")
    assert sudo.wrap(ARGV) == [*ENV, "sudo", "-k", "-S", "-p", "", "--", *ARGV]
    assert sudo.first_line() == "pässword\n".encode()
    assert "pässword" not in repr(sudo)


@pytest.mark.parametrize("secret", ["", "two\nlines", "nul\0", "cr\r"])
def test_impossible_passwords(secret: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Sudo(SudoMode.PASSWORD, secret)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("Sorry, try again.\nsudo: 3 incorrect password attempts", "wrong"),
        ("sudo: 1 incorrect password attempt", "wrong"),
        ("Sorry, try again.\nsudo: no password was provided\nsudo: 2 incorrect password attempts", "wrong"),
        ("sudo: a password is required", "password is required"),
        (
            "sudo: a terminal is required to read the password; either use the -S option to read from "
            "standard input or configure an askpass helper\nsudo: a password is required",
            "password is required",
        ),
        ("sudo: sorry, you must have a tty to run sudo", "terminal"),
        ("sudo: no tty present and no askpass program specified", "terminal"),
        ("deploy is not in the sudoers file.", "may not use sudo"),
        ("deploy is not in the sudoers file.  This incident will be reported.", "may not use sudo"),
        ("deploy is not allowed to run sudo on lb1.", "may not use sudo"),
        ("Sorry, user deploy may not run sudo on lb1.", "may not use sudo"),
        ("Sorry, user deploy is not allowed to execute '/usr/bin/sh -c x' as root on lb1.", "shell as root"),
        ("bash: line 1: sudo: command not found", "no sudo"),
        ("sh: 1: sudo: not found", "no sudo"),
        ("env: 'sudo': No such file or directory", "no sudo"),
        ("env: can't execute 'sudo': No such file or directory", "no sudo"),
        ("sudo: account validation failure, is your account locked?", "locked or expired"),
        ("sudo: Account expired, contact your system administrator", "locked or expired"),
        ("sudo: /usr/bin/sudo must be owned by uid 0 and have the setuid bit set", "can't become root"),
        (
            'sudo: The "no new privileges" flag is set, which prevents sudo from running as root.',
            "can't become root",
        ),
    ],
)
def test_refusals(words: str, message: str) -> None:
    error = Sudo(SudoMode.PASSWORDLESS).explain(f"motd\n{words}\n", "lb1")
    assert isinstance(error, AuthenticationFailed)
    assert message in error.message
    assert error.node == "lb1"
    assert error.hint
    assert words in str(error.detail)


@pytest.mark.parametrize(
    "words", ["", "sh: syntax error", "nginx: [emerg] open() failed (2: No such file or directory)"]
)
def test_other_words_are_not_sudos(words: str) -> None:
    assert Sudo(SudoMode.PASSWORDLESS).explain(words, "lb1") is None
