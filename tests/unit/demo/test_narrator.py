"""What the demo prints, and that it suits where it is printed."""

from __future__ import annotations

import io
import shlex
import sys

import pytest

from nginxws.demo.narrator import Narrator


def _say_everything() -> None:
    narrator = Narrator()
    narrator.step("First")
    narrator.step("Second")
    narrator.fact("name", "value")
    narrator.good("works")
    narrator.bad("fails")
    narrator.text("a remark")
    narrator.diff("same\nold\n", "same\nnew\n", "file")


def test_plain_text_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    _say_everything()
    assert capsys.readouterr().out.splitlines() == [
        *("", "1. First", "", "2. Second"),
        *("   name          value", "   ✓ works", "   ✗ fails", "   a remark"),
        *("   --- file before", "   +++ file", "   @@ -1,2 +1,2 @@", "    same", "   -old", "   +new"),
    ]


def test_a_command_can_be_pasted(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["nginxws", "add-route", "/a b/", "--node", "ssh://x", "--yes"]
    Narrator().command(argv)
    printed = capsys.readouterr().out
    assert printed.count("\n") == 3
    assert shlex.split(printed.strip().removeprefix("$ ").replace("\\\n", "")) == argv


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_colours_on_a_terminal_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], no_color: str, coloured: bool
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("NO_COLOR", no_color)
    _say_everything()
    assert ("\x1b[" in capsys.readouterr().out) is coloured


def test_signs_that_the_encoding_lacks_become_words(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii", write_through=True))
    _say_everything()
    assert b"   ok: works\n   no: fails\n" in raw.getvalue()


@pytest.mark.parametrize(("terminal", "printed"), [(True, "\r\x1b[2K\x1b[?25h"), (False, "")])
def test_a_command_that_was_cut_off_leaves_a_usable_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], terminal: bool, printed: str
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal, raising=False)
    Narrator().cut_off()
    assert capsys.readouterr().out == printed
