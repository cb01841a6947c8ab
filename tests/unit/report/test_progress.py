"""Steps as they happen."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Protocol

import pytest

from nginxws.nodes.script import script
from nginxws.report.progress import STEPS, Progress

NODE_SCRIPT = script().decode()


class Stream(Protocol):
    text: str


class Terminals(Protocol):
    out: Stream
    err: Stream


def steps(progress: Progress) -> None:
    with progress:
        on_step = progress.on_node("lb1")
        on_step("stage", "")
        on_step("wait", "for op@host\x1b")
        on_step("prove", "123")
        progress.pause()
        on_step("odd", "")


def test_silent_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    steps(Progress(verbose=False, quiet=False))
    assert capsys.readouterr() == ("", "")


def test_lines_when_verbose(capsys: pytest.CaptureFixture[str]) -> None:
    steps(Progress(verbose=True, quiet=False))
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "lb1: staging",
        "lb1: waiting for the lock (for op@host\\x1b)",
        "lb1: waiting for the new workers",
        "lb1: odd",
    ]


def test_a_spinner_on_a_terminal(terminal: Callable[[], Terminals]) -> None:
    shown = terminal()
    steps(Progress(verbose=False, quiet=False))
    assert "lb1: waiting for the new workers" in shown.err.text
    assert "lb1: odd" in shown.err.text
    assert shown.out.text == ""


def test_quiet_on_a_terminal(terminal: Callable[[], Terminals]) -> None:
    shown = terminal()
    steps(Progress(verbose=False, quiet=True))
    assert shown.err.text == ""


def test_every_step_of_the_node_script_has_words() -> None:
    named = set(re.findall(r"^\s*step ([a-z]+)", NODE_SCRIPT, re.MULTILINE))
    assert named
    assert named <= set(STEPS)


def test_a_question_has_the_terminal_to_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    progress = Progress(verbose=False, quiet=False)
    progress.step("lb1", "connect")
    assert progress._status is not None

    def ask(prompt: str) -> str:
        progress.step("lb2", "snapshot")
        assert progress._status is None, "nothing draws over the question"
        return f"{prompt} yes"

    assert progress.asking(ask)("key?") == "key? yes"
    progress.step("lb1", "snapshot")
    assert progress._status is not None
    progress.pause()
