"""Steps as they happen."""

from __future__ import annotations

import re
import threading
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


def test_a_terminal_that_went_away_stops_no_work(
    terminal: Callable[[], Terminals], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = terminal()
    calls: list[str] = []

    def gone(text: str) -> int:
        calls.append(text)
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(shown.err, "write", gone)
    steps(Progress(verbose=False, quiet=False))
    assert calls


def test_threads_share_it(terminal: Callable[[], Terminals]) -> None:
    """Steps of several nodes at once, and pauses in between: nothing gets lost, nothing is left behind."""
    shown = terminal()
    progress = Progress(verbose=False, quiet=False)
    troubles: list[BaseException] = []

    def work(name: str) -> None:
        try:
            for _ in range(30):
                progress.step(name, "stage")
                progress.pause()
        except BaseException as error:
            troubles.append(error)

    with progress:
        threads = [threading.Thread(target=work, args=(f"lb{number}",)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert (troubles, progress._status) == ([], None)
    assert {f"lb{number}: staging" in shown.err.text for number in range(4)} == {True}
