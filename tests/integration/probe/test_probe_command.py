"""`nginxws probe URL`: exit codes, text and JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from support.nginx import free_port

from nginxws.cli import run

if TYPE_CHECKING:
    from integration.probe.conftest import Balancer

pytestmark = pytest.mark.nginx


def test_success(nginx: Balancer, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"ws://127.0.0.1:{nginx.ports['plain']}/ws/"
    assert run(["probe", url, "--echo", "hi", "--idle", "1s"]) == 0
    out, err = capsys.readouterr()
    first, second, third = out.splitlines()
    assert first.startswith("ok: handshake: the WebSocket opens (101, Sec-WebSocket-Accept verified) in ")
    assert second.startswith("ok: echo: the message came back in ")
    assert third.startswith("ok: idle: open after 1.0 s without traffic")
    assert err == ""


def test_json(nginx: Balancer, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"ws://127.0.0.1:{nginx.ports['plain']}/ws/greet"
    assert run(["probe", url, "--echo", "hi", "--idle", "1", "--format", "json"]) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert (found["format_version"], found["url"], found["ok"]) == ("1.0", url, True)
    assert (found["changed"], found["failed"], found["rc"], found["msg"]) == (False, False, 0, "")
    assert (found["status"], found["accept_ok"], found["answered_by"]) == (101, True, "application")
    assert found["echo"]["received"] == ["welcome", "hi"]
    assert found["idle"]["ok"]
    assert err == ""


def test_failure(nginx: Balancer, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["probe", f"ws://127.0.0.1:{nginx.ports['plain']}/ws/403", "--echo", "hi"]) == 1
    out, err = capsys.readouterr()
    assert out.startswith("failed: handshake: the application, it seems, answered 403: ")
    assert "    refused here" in out
    assert "echo" not in out
    assert err.startswith("hint: try --header Origin=http://127.0.0.1:")


def test_failure_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["probe", f"ws://127.0.0.1:{free_port()}/", "--echo", "x", "--format", "json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["ok"], found["status"], found["echo"], found["idle"]) == (False, None, None, None)
    assert found["message"].startswith("nothing listens on 127.0.0.1:")
    assert (found["changed"], found["failed"], found["rc"]) == (False, True, 1)
    assert found["msg"] == f"handshake: {found['message']}"


def test_options(
    nginx: Balancer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = f"wss://localhost:{nginx.ports['tls']}/ws"
    monkeypatch.setenv("PROBE_TOKEN", "t0k")
    assert run(["probe", f"{tls}/401", "--cacert", str(nginx.cert), "--expect", "401"]) == 0
    monkeypatch.setenv("NGINXWS_PROBE_HEADER", "Cookie=@env:PROBE_TOKEN\nX-Two=a b")
    arguments = ["--insecure", "--origin", "https://a.example", "--format", "json"]
    assert run(["probe", f"{tls}/headers", *arguments]) == 1
    found = json.loads(capsys.readouterr().out.partition("\n")[2])
    for line in ("Cookie: t0k", "X-Two: a b", "Origin: https://a.example"):
        assert line in found["detail"].splitlines()


@pytest.mark.parametrize(
    "arguments",
    [
        ["a.example/ws"],
        ["ws://user:pw@a.example/"],
        ["ws://a.example/", "--header", "Cookie=secret"],
        ["ws://a.example/", "--expect", "100"],
        ["ws://a.example/", "--timeout", "x"],
        ["ws://127.0.0.1:1/", "--cacert", "/nonexistent", "--unknown"],
        [],
    ],
)
def test_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["probe", *arguments]) == 64
    out, err = capsys.readouterr()
    assert out == ""
    assert err
    assert "secret" not in err.replace("is a secret", "")
