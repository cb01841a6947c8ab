"""Secrets from the terminal or from a file descriptor; never from the command line."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable

from nginxws.errors import InvalidInput
from nginxws.printable import one_line

_LONGEST = 4096  # bytes of a secret's line


def ask_secret(prompt: str) -> str | None:
    """Ask on the terminal, without echo; None when there is no terminal or no answer."""
    if sys.stdin is None or not sys.stdin.isatty():
        return None
    from getpass import getpass

    try:
        return getpass(one_line(prompt))
    except EOFError:
        return None


def asked_once(ask: Callable[[str], str | None]) -> Callable[[str], str | None]:
    """``ask``, but each question only once, one at a time: several nodes may need one key's passphrase."""
    lock = threading.Lock()
    answers: dict[str, str | None] = {}

    def once(prompt: str) -> str | None:
        with lock:
            if prompt not in answers:
                answers[prompt] = ask(prompt)
            return answers[prompt]

    return once


def secret_from_fd(fd: int) -> str:
    """The first line that can be read from file descriptor ``fd``, without its line end.

    Raises InvalidInput when the descriptor isn't open or the line is empty or not UTF-8.
    """
    hint = "open it in the shell, as in: nginxws … --sudo-password-fd 3 3< <(pass show lb1)"
    data = bytearray()
    try:
        while b"\n" not in data and len(data) <= _LONGEST and (more := os.read(fd, 1024)):
            data += more
        text = bytes(data).partition(b"\n")[0].removesuffix(b"\r").decode()
    except OSError as exc:
        raise InvalidInput(f"can't read file descriptor {fd}: {exc.strerror}", hint=hint) from exc
    except UnicodeDecodeError as exc:
        raise InvalidInput(f"what file descriptor {fd} holds isn't UTF-8", hint=hint) from exc
    if not text or len(text) > _LONGEST:
        what = "no password" if not text else "no password, but more than 4 KiB on one line"
        raise InvalidInput(f"file descriptor {fd} holds {what}", hint=hint)
    return text
