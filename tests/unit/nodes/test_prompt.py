"""Secrets come from a terminal or a file descriptor."""

from __future__ import annotations

import io
import os
import sys

import pytest

from nginxws.errors import InvalidInput
from nginxws.nodes.prompt import ask_secret, secret_from_fd


def pipe_with(data: bytes) -> int:
    reader, writer = os.pipe()
    os.write(writer, data)
    os.close(writer)
    return reader


@pytest.mark.parametrize(
    ("data", "secret"),
    [
        (b"secret\n", "secret"),
        (b"secret", "secret"),
        (b"se cret\r\nmore\n", "se cret"),
        ("sä\n".encode(), "sä"),
    ],
)
def test_first_line_of_a_descriptor(data: bytes, secret: str) -> None:
    fd = pipe_with(data)
    try:
        assert secret_from_fd(fd) == secret
    finally:
        os.close(fd)


@pytest.mark.parametrize("data", [b"", b"\n", b"\xff\n", b"x" * 5000 + b"\n"])
def test_nothing_usable(data: bytes) -> None:
    fd = pipe_with(data)
    try:
        with pytest.raises(InvalidInput) as caught:
            secret_from_fd(fd)
    finally:
        os.close(fd)
    assert caught.value.hint


def test_descriptor_that_is_not_open() -> None:
    fd = pipe_with(b"")
    os.close(fd)
    with pytest.raises(InvalidInput, match=f"descriptor {fd}"):
        secret_from_fd(fd)


def test_nobody_is_asked_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("secret\n"))
    assert ask_secret("? ") is None
    monkeypatch.setattr(sys, "stdin", None)
    assert ask_secret("? ") is None


def test_asked_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", terminal)
    monkeypatch.setattr("getpass.getpass", lambda prompt: f"answer to {prompt}")
    assert ask_secret("Password: ") == "answer to Password: "

    def ended(prompt: str) -> str:
        raise EOFError

    monkeypatch.setattr("getpass.getpass", ended)
    assert ask_secret("Password: ") is None
