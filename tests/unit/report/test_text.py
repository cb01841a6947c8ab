"""Errors, warnings and diffs as people see them."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest

from nginxws.errors import ConfigError, NginxwsError
from nginxws.report.text import hush, show_diff, show_error, show_lines, show_note, show_warning


class Stream(Protocol):
    text: str


class Terminals(Protocol):
    out: Stream
    err: Stream


def test_an_error_with_all_its_parts(capsys: pytest.CaptureFixture[str]) -> None:
    show_error(
        ConfigError(
            "no good",
            node="lb2",
            file="/etc/x.conf",
            line=14,
            detail="nginx: [emerg] a\n  b\n",
            hint="mend it",
        )
    )
    assert capsys.readouterr() == (
        "",
        "error: lb2: /etc/x.conf:14: no good\n  nginx: [emerg] a\n    b\nhint: mend it\n",
    )


def test_an_error_alone(capsys: pytest.CaptureFixture[str]) -> None:
    show_error(NginxwsError("no good"))
    assert capsys.readouterr().err == "error: no good\n"


def test_a_long_detail_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    show_error(NginxwsError("x", detail="\n".join(map(str, range(99)))))
    assert len(capsys.readouterr().err.splitlines()) == 31


def test_further_lines_cant_pass_for_messages(capsys: pytest.CaptureFixture[str]) -> None:
    show_error(NginxwsError("bad\nerror: lb1: everything is lost", hint="one of:\n  --server a"))
    assert capsys.readouterr().err == (
        "error: bad\n  error: lb1: everything is lost\nhint: one of:\n  --server a\n"
    )


def test_nothing_from_a_node_acts_on_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    evil = "\x1b]0;title\x07"
    show_error(NginxwsError(evil, node=evil, file=evil, detail=evil, hint=evil))
    show_warning(evil, evil)
    show_note(evil)
    show_lines([evil, "two\nlines"])
    out, err = capsys.readouterr()
    assert "\x1b" not in out + err
    assert "\x07" not in out + err
    assert out.splitlines() == ["\\x1b]0;title\\x07", "two lines"]


def test_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    show_warning("careful")
    show_warning("careful", "look there")
    assert capsys.readouterr().err == "warning: careful\nwarning: careful\nhint: look there\n"


DIFF = "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\x1b[0m\n"


def test_colours_on_a_terminal(terminal: Callable[[], Terminals]) -> None:
    shown = terminal()
    show_error(NginxwsError("bad", hint="mend"))
    show_diff(DIFF)
    assert shown.err.text == "\x1b[31m\x1b[1merror: \x1b[0mbad\n\x1b[36m\x1b[1mhint: \x1b[0mmend\n"
    assert "\x1b[32m+b\\x1b[0m\x1b[0m\n" in shown.out.text
    assert "\x1b[36m@@" in shown.out.text


def test_no_colours_where_they_arent_wanted(
    terminal: Callable[[], Terminals], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = terminal()
    monkeypatch.setenv("NO_COLOR", "1")
    show_error(NginxwsError("bad", hint="mend"))
    show_warning("careful")
    show_diff(DIFF)
    assert "\x1b" not in shown.err.text + shown.out.text
    assert "+b\\x1b[0m\n" in shown.out.text


def test_a_diff_goes_into_a_pipe_byte_for_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    show_diff("+caf\udce9\r\n+\x1b\n")
    assert raw.getvalue() == b"+caf\xe9\r\n+\x1b\n"


def test_hush() -> None:
    """Into a pipe whose reader went away, in a process of its own."""
    reader, writer = os.pipe()
    code = (
        "import os, sys\nfrom nginxws.report.text import hush\nsys.stdin.read(1)\n"
        "try:\n    print('x', flush=True)\nexcept BrokenPipeError:\n    hush()\n"
        "print('y', flush=True)\nsys.exit(7)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=writer, stderr=subprocess.PIPE
    )
    os.close(reader)
    os.close(writer)
    _, err = process.communicate(b"!", timeout=30)
    assert (process.returncode, err) == (7, b"")


def test_what_comes_after_hush_goes_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "out").open("w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        hush()
        print("x")
    assert (tmp_path / "out").read_text() == ""


def test_hush_without_a_real_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    hush()
