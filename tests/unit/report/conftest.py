"""Streams that say they are terminals."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest


class Terminal(io.TextIOWrapper):
    """Takes text, and says it is a terminal."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", write_through=True)

    def isatty(self) -> bool:
        return True

    @property
    def text(self) -> str:
        buffer = self.buffer
        assert isinstance(buffer, io.BytesIO)
        return buffer.getvalue().decode()


@dataclass(frozen=True)
class Terminals:
    out: Terminal
    err: Terminal


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Terminals]:
    """Makes stdout and stderr terminals; called in the test itself, as pytest sets its own before."""

    def start() -> Terminals:
        both = Terminals(Terminal(), Terminal())
        monkeypatch.setattr(sys, "stdout", both.out)
        monkeypatch.setattr(sys, "stderr", both.err)
        monkeypatch.setenv("TERM", "xterm")
        return both

    monkeypatch.delenv("NO_COLOR", raising=False)
    return start
