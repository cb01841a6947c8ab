"""What a probe of a URL found, as people and programs see it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from nginxws.errors import ExitCode
from nginxws.nodes.probe.types import ProbeResult
from nginxws.nodes.probe.url import UrlReport
from nginxws.nodes.probe.websocket import EchoResult, IdleResult
from nginxws.report.probe import as_json, show_probe

URL = "wss://a.example/ws/"
OPEN = ProbeResult(True, 101, "nginx", "application", "the WebSocket opens", "unused", True, 0.0123)
REFUSED = ProbeResult(
    False, 403, "nginx", "nginx", "NGINX answered 403", "let it in", detail="a\n\n\x1b[31mb"
)
ECHO = EchoResult(True, True, ("hi",), 0.5, "the message came back")
CUT = IdleResult(False, 60.0, 1, 0, "closed after 60 s", "raise --read-timeout")


def shown(capsys: pytest.CaptureFixture[str], report: UrlReport) -> tuple[str, str]:
    show_probe(URL, report, ExitCode.DONE if report.ok else ExitCode.ERROR, "text")
    return capsys.readouterr()


def test_all_is_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, UrlReport(OPEN, ECHO)) == (
        "ok: handshake: the WebSocket opens in 12 ms\nok: echo: the message came back\n",
        "",
    )


def test_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, UrlReport(REFUSED)) == (
        "failed: handshake: NGINX answered 403 in 0 ms\n    a\n    \\x1b[31mb\n",
        "hint: let it in\n",
    )
    out, _ = shown(capsys, UrlReport(replace(REFUSED, detail="x" * 999)))
    assert out.endswith(f"\n    {'x' * 400}\n")


def test_no_answer_takes_no_time(capsys: pytest.CaptureFixture[str]) -> None:
    silent = ProbeResult(False, None, None, "unknown", "nothing listens", None)
    assert shown(capsys, UrlReport(silent)) == ("failed: handshake: nothing listens\n", "")


def test_cut_when_idle(capsys: pytest.CaptureFixture[str]) -> None:
    out, err = shown(capsys, UrlReport(OPEN, ECHO, CUT))
    assert out.endswith("ok: echo: the message came back\nfailed: idle: closed after 60 s\n")
    assert err == "hint: raise --read-timeout\n"


def test_a_server_cant_say_more_than_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    evil = "\x1b]0;t\x07\nok: handshake: fine"
    out, err = shown(capsys, UrlReport(replace(REFUSED, message=evil, hint=evil, detail=evil)))
    assert "\x1b" not in out + err
    assert not [line for line in (out + err).splitlines() if line.startswith("ok")]


def test_the_json_form(capsys: pytest.CaptureFixture[str]) -> None:
    report = UrlReport(OPEN, ECHO, CUT)
    show_probe(URL, report, ExitCode.ERROR, "json")
    document = json.loads(capsys.readouterr().out)
    assert document == as_json(URL, report, ExitCode.ERROR)
    assert list(document)[:7] == ["format_version", "changed", "failed", "rc", "msg", "url", "ok"]
    assert list(document.values())[:7] == ["1.0", False, True, 1, "idle: closed after 60 s", URL, False]
    assert (document["status"], document["elapsed"], document["echo"]["received"]) == (101, 0.0123, ["hi"])
    assert document["idle"]["ok"] is False
    refused = as_json(URL, UrlReport(REFUSED), ExitCode.ERROR)
    assert (refused["msg"], refused["echo"], refused["idle"]) == ("handshake: NGINX answered 403", None, None)
