"""Becoming root on a node with sudo(8): the command line, the password, and what sudo's refusals mean.

Pure: words in, words out. The password never stands on a command line, here or on the node.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from nginxws.errors import AuthenticationFailed, InvalidInput


class SudoMode(StrEnum):
    """How root rights are had: not at all, by sudo without a password, or with one."""

    NONE = "none"
    PASSWORDLESS = "passwordless"
    PASSWORD = "password"  # nosec B105  # noqa: S105 (a mode, not a secret)


#: Where a system keeps its programs: looked into before the account's own folders.
SYSTEM_FOLDERS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# sudo speaks the caller's language; what we look for is English. It gets a password, so it is looked for
# in the system's folders alone, never in those that the account's profile puts first.
_NIXOS = "/run/wrappers/bin:/run/current-system/sw/bin"
_SUDO = ("/usr/bin/env", "LC_ALL=C", f"PATH={SYSTEM_FOLDERS}:{_NIXOS}", "sudo")
_ARGUMENTS = {
    SudoMode.PASSWORDLESS: ("-n", "--"),
    # -k: without it a cached login would leave the password line for the program to read;
    # -p '': no prompt among the error messages.
    SudoMode.PASSWORD: ("-k", "-S", "-p", "", "--"),
}


@dataclass(frozen=True, slots=True)
class Sudo:
    """One way to run programs as root. ``secret`` is the password, shown nowhere."""

    mode: SudoMode = SudoMode.NONE
    secret: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        if self.mode is SudoMode.PASSWORD and not self.secret:
            raise InvalidInput("the sudo password is empty", hint="sudo without a password is --sudo alone")
        if any(char in self.secret for char in "\n\r\0"):
            raise InvalidInput("the sudo password has a line end or NUL in it", hint="it must be one line")

    def wrap(self, argv: Sequence[str]) -> list[str]:
        """The command line that runs ``argv`` this way."""
        return [*_SUDO, *_ARGUMENTS[self.mode], *argv] if self.mode is not SudoMode.NONE else list(argv)

    def first_line(self) -> bytes:
        """What to write to the program's input first. sudo may leave it unread (NOPASSWD): skip it then."""
        return f"{self.secret}\n".encode() if self.mode is SudoMode.PASSWORD else b""

    def explain(self, stderr: str, node: str) -> AuthenticationFailed | None:
        """What sudo's refusal means; None when ``stderr`` isn't a refusal by sudo."""
        if self.mode is SudoMode.NONE:
            return None
        for pattern, message, hint in _REFUSALS:
            if re.search(pattern, stderr, re.IGNORECASE):
                detail = stderr.strip()[-2000:]
                return AuthenticationFailed(f"sudo: {message}", node=node, hint=hint, detail=detail)
        return None


_GRANT = "ask for a sudoers line for this login user (visudo on the node), or log in as root"

# Wording: sudo 1.8 to 1.9 (plugins/sudoers/{auth/sudo_auth,log_client,logging,sudoers}.c, src/tgetpass.c).
# Order matters: the closer description stands first.
_REFUSALS: tuple[tuple[str, str, str], ...] = (
    (
        r"incorrect password attempt|sorry, try again|no password was provided",
        "the password is wrong",
        "it is the login user's password that sudo wants, unless sudoers says targetpw or rootpw",
    ),
    (
        r"must have a tty|no tty present",
        "this node's sudo wants a terminal",
        "set 'Defaults:USER !requiretty' in its sudoers (visudo on the node)",
    ),
    (
        r"a password is required|a terminal is required to read the password",
        "a password is required",
        "add --ask-sudo-password or --sudo-password-fd N, or allow NOPASSWD in sudoers",
    ),
    (
        r"not in the sudoers file|may not run sudo|is not allowed to run sudo",
        "this user may not use sudo",
        _GRANT,
    ),
    (
        r"is not allowed to execute",
        "this user may not run a shell as root",
        "sudoers allows other commands only: use --no-sudo, and the allowed one as --reload-command",
    ),
    (
        r"account validation failure|account (?:or password )?(?:is |has )?expired|is your account locked",
        "the account on the node is locked or expired",
        "ask who runs the node",
    ),
    (
        r"sudo\W*(?:command )?not found|sudo\W+no such file|unknown command:? sudo",
        "there is no sudo on this node",
        "log in as root, or use --no-sudo where the login user may do the work",
    ),
    (
        r"must be owned by uid 0|no new privileges|effective uid is not 0",
        "sudo can't become root on this node",
        "it runs without setuid (a container?): log in as root",
    ),
)
