"""``nginxws env`` without a node: what is refused, what is asked, what is printed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.schemas import hold

from nginxws.cli.change import ChangeSettings
from nginxws.cli.env import changing
from nginxws.deploy import NodeOutcome
from nginxws.environment.plan import AppPlan
from nginxws.errors import NginxwsError
from nginxws.nodes.probe.types import ProbeResult
from nginxws.plan import Change, NodePlan
from nginxws.provisioning.types import AppOutcome, Outcome, Proved
from nginxws.report import environment as report
from nginxws.report.environment import Report

Run = Callable[..., Any]
MANIFEST = """format = 1
[environment]
domain = "chat.example.com"
{environment}
[nodes.lb1]
[apps.chat]
ssh = "10.0.0.5"
port = 8080
{app}
[[routes]]
path = "/ws/"
backend = "app:chat"
"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    monkeypatch.chdir(tmp_path)

    def to(environment: str = "", app: str = "") -> None:
        Path("nginxws.toml").write_text(MANIFEST.format(environment=environment, app=app))

    to()
    return to


def test_urls(nginxws: Run, write: Callable[..., None]) -> None:
    ran = nginxws("env", "url")
    assert (ran.code, ran.out) == (0, "chat  /ws/  ws://chat.example.com/ws/\n")
    assert "hint: wss:// needs TLS" in ran.err
    write("tls = true")
    ran = nginxws("env", "url")
    assert ran.out.splitlines() == [
        "chat  /ws/  wss://chat.example.com/ws/",
        "chat  /ws/  ws://chat.example.com/ws/",
    ]
    assert ran.err == ""
    (url,) = json.loads(nginxws("env", "url", "--format", "json").out)["urls"]
    assert (url["app"], url["wss"]) == ("chat", "wss://chat.example.com/ws/")


def test_a_manifest_without_environment(nginxws: Run, write: Callable[..., None]) -> None:
    Path("nginxws.toml").write_text("format = 1\n[nodes.lb1]\n")
    ran = nginxws("env", "up")
    assert ran.code == 1
    assert "there is no [environment]" in ran.err
    assert "domain =" in ran.err


def test_a_source_that_isnt_there(nginxws: Run, write: Callable[..., None]) -> None:
    write(app='source = "chat"\ntarget = "/srv/chat"')
    ran = nginxws("env", "up", "--format", "json")
    assert ran.code == 1
    hold(json.loads(ran.out), "environment")
    assert "error: chat: cannot read it: No such file or directory" in ran.err


def test_a_wrong_option_is_told_in_json_too(
    nginxws: Run, write: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = nginxws("env", "status", "--odd", "--format", "json")
    assert (ran.code, json.loads(ran.out)["error"]["code"]) == (64, 64)
    monkeypatch.setenv("NGINXWS_FORMAT", "json")
    assert json.loads(nginxws("env", "status", "--odd").out)["rc"] == 64
    assert nginxws("env", "stauts").code == 64


def test_an_application_that_cant_be_reached_as_it_says(nginxws: Run, write: Callable[..., None]) -> None:
    write(app='address = "10.0.0.5"')
    text = Path("nginxws.toml").read_text()
    Path("nginxws.toml").write_text(text.replace('ssh = "10.0.0.5"', 'ssh = "ftp://10.0.0.5"'))
    ran = nginxws("env", "up")
    assert ran.code == 1
    assert "nginxws.toml:" in ran.err


class _Changing:
    """Only what `ask` looks at."""

    ask = changing.Changing.ask

    def __init__(self) -> None:
        self.settings = ChangeSettings()
        self.progress = type("Progress", (), {"pause": lambda _self: None})()
        self.installing = type("Installing", (), {"wanted": {"lb1": "apt"}, "leaving": ["lb2"]})()


@pytest.mark.parametrize("yes", [True, False])
def test_somebody_is_asked(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], yes: bool
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(ChangeSettings, "asks", property(lambda _self: True))

    def confirm(text: str, **_: object) -> bool:
        asked.append(text)
        return yes

    monkeypatch.setattr("click.confirm", confirm)
    if yes:
        _Changing().ask((), ())  # type: ignore[misc]
    else:
        with pytest.raises(NginxwsError, match="not confirmed"):
            _Changing().ask((), ())  # type: ignore[misc]
    assert asked == ["Apply this to 2 nodes?"]
    assert "lb1: install NGINX (apt)" in capfd.readouterr().out


def test_a_balancer_is_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its routes leave, and so does the server block that came with its NGINX."""
    asked: list[str] = []
    monkeypatch.setattr(ChangeSettings, "asks", property(lambda _self: True))
    monkeypatch.setattr(changing, "show_plans", lambda *_: None)
    monkeypatch.setattr("click.confirm", lambda text, **_: asked.__iadd__([text]))
    plan = SimpleNamespace(files=("x",), blocked=())
    nodes = [SimpleNamespace(outcome=NodeOutcome(name, plan)) for name in ("lb2", "lb3")]  # type: ignore[arg-type]
    _Changing().ask((), nodes)  # type: ignore[misc,arg-type]
    assert asked == ["Apply this to 3 nodes?"]


# --- the report ----------------------------------------------------------------------------------


def test_all_that_a_report_can_say(capfd: pytest.CaptureFixture[str]) -> None:
    warned = ProbeResult(False, None, None, "unknown", "nothing listens", "look")
    plan = AppPlan("chat", changes=("restart it: x",), restart=True)
    outcome = Outcome(
        (AppOutcome("chat", plan, done=True, notes=("written in place: /x",)), AppOutcome("lost")),
        (NodeOutcome("lb1"),),
        (Proved("ws://h/ws/", "/ws/", warned),),
        installed=(("lb1", "apt"),),
        sites_removed=("lb2",),
    )
    said = Report("env up", outcome, "h")
    report.show_outcome(said, outcome.code, "text", quiet=False)
    out, err = capfd.readouterr()
    assert out.splitlines() == [
        "chat: restart it: x",
        "lb1: NGINX was installed (apt)",
        "lb2: the server block that came with NGINX was removed",
        "NAME  ROLE         RESULT     CHANGES",
        "chat  application  applied    1 step",
        "lost  application  unchanged  -",
        "lb1   balancer     unchanged  -",
        "ws://h/ws/: NOT proved: nothing listens",
    ]
    assert "warning: chat: written in place: /x" in err
    assert "warning: ws://h/ws/ isn't proved: nothing listens" in err
    report.show_outcome(said, outcome.code, "text", quiet=True)
    assert capfd.readouterr().out == ""
    document = report.as_json(said, outcome.code)
    hold(document, "environment")
    assert document["nodes"]["lb1"]["install"] == "apt"


def test_how_much_changed_is_said_only_of_what_was_tried(capfd: pytest.CaptureFixture[str]) -> None:
    adds = NodePlan("lb1", (Change("add", "/ws/"),), ())
    there = NodePlan("lb2", (Change("unchanged", "/ws/"),), ())
    steps = AppPlan("chat", changes=("x",))
    outcome = Outcome(
        (AppOutcome("chat", steps, skipped=True),),
        (NodeOutcome("lb1", adds, skipped=True), NodeOutcome("lb2", there)),
    )
    for command, routes in (("env up", "1 route"), ("env down", "-")):
        report.show_outcome(Report(command, outcome, "h"), outcome.code, "text", quiet=False)
        assert [line.split()[2:] for line in capfd.readouterr().out.splitlines()[1:]] == [
            ["not", "tried", "-"],
            ["not", "tried", "-"],
            ["unchanged", *routes.split()],
        ]


def test_a_plan_that_installs(capfd: pytest.CaptureFixture[str]) -> None:
    outcome = Outcome((AppOutcome("chat"),), (NodeOutcome("lb1"),), error=NginxwsError("no", hint="look"))
    said = Report("env plan", outcome, "h", dry_run=True, installs={"lb1": "apt"}, leaving=["lb2"])
    report.show_outcome(said, outcome.code, "text", quiet=False)
    out, err = capfd.readouterr()
    assert "lb1: install NGINX (apt), then add the routes\n" in out
    assert "lb2: remove the server block that came with NGINX\n" in out
    assert err == "error: no\nhint: look\n"
    document = report.as_json(said, outcome.code)
    hold(document, "environment")
    assert (document["changed"], document["nodes"]["lb1"]["result"]) == (True, "planned")
