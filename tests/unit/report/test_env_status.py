"""How an environment stands, part by part."""

from __future__ import annotations

import pytest
from support.schemas import hold

from nginxws.deploy import NodeOutcome
from nginxws.environment.plan import AppPlan, AppSnapshot
from nginxws.environment.standing import FileStanding
from nginxws.environment.wanted import Url, WantedApp
from nginxws.errors import ConnectionFailed, ExitCode
from nginxws.plan import Action, Change, NodePlan
from nginxws.report.env_status import AppStanding, BalancerStanding, Standing, as_json, show_standing
from nginxws.snapshot import NginxInfo, Pending, Snapshot

WANTED = WantedApp("chat", "h", 8080, "chat", "/srv", 3, None, None, 30, (), ())
PLAIN = WantedApp("plain", "h", 8081, None, None, 3, None, None, 30, (), ())
URLS = [Url("chat", "/ws/", "ws://h/ws/", None), Url(None, "/x/", "ws://h/x/", "wss://h/x/")]
NOW = Snapshot("lb1", NginxInfo(conf="/n.conf"), (), master=7)


def balancer(*actions: Action, now: Snapshot | None = NOW) -> BalancerStanding:
    changes = tuple(Change(action, f"/{action}/", where="/n.conf:3") for action in actions)
    return BalancerStanding(NodeOutcome("lb1", NodePlan("lb1", changes, ())), "nginx/1.22.1", now)


def lines(
    standing: Standing, capsys: pytest.CaptureFixture[str], *, quiet: bool = False
) -> tuple[list[str], list[str]]:
    capsys.readouterr()
    show_standing(standing, standing.code, "text", quiet=quiet)
    out, err = capsys.readouterr()
    return out.splitlines(), err.splitlines()


def test_all_as_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    apps = [
        AppStanding(WANTED, AppSnapshot("abc", ("abc", "old")), AppPlan("chat"), None),
        AppStanding(PLAIN, AppSnapshot(), AppPlan("plain"), None),
    ]
    standing = Standing("h", URLS, apps, [balancer("unchanged")])
    assert standing.as_wanted
    assert lines(standing, capsys)[0] == [
        "chat: release abc, 2 releases kept",
        "chat: port 8080 answers",
        "chat: as wanted",
        "plain: port 8081 answers",
        "plain: as wanted",
        "lb1: nginx/1.22.1, running (master 7)",
        "lb1: /unchanged/: there (/n.conf:3)",
        "chat  /ws/  ws://h/ws/",
        "-  /x/  wss://h/x/",
    ]
    assert lines(standing, capsys, quiet=True) == ([], [])
    hold(as_json(standing, ExitCode.DONE), "env-status")


def test_nothing_as_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    plan = AppPlan("chat", changes=("deploy", "restart"))
    apps = [
        AppStanding(WANTED, AppSnapshot(pending=True), plan, "nothing answers"),
        AppStanding(PLAIN, error=ConnectionFailed("gone", node="plain")),
    ]
    stopped = Snapshot("lb1", NginxInfo(conf="/n.conf"), (), pending=Pending("", "", 0))
    nodes = [
        balancer("add", "drift", now=stopped),
        BalancerStanding.lost("lb2", ConnectionFailed("gone", node="lb2")),
    ]
    standing = Standing("h", [], apps, nodes)
    assert not standing.as_wanted
    assert not any(one.as_wanted for one in apps)
    assert not any(one.as_wanted for one in nodes)
    assert standing.code == ExitCode.CONNECTION
    out, err = lines(standing, capsys)
    assert out == [
        "chat: no release of ours is deployed",
        "chat: port 8080 does not answer: nothing answers",
        "chat: a change was cut short, and is not undone yet: the next change undoes it first",
        "chat: not as wanted: `nginxws env up` has 2 steps to do",
        "lb1: nginx/1.22.1, NOT running",
        "lb1: a change was cut short, and is not undone yet: the next change undoes it first",
        "lb1: /add/: missing",
        "lb1: /drift/: edited by hand (/n.conf:3)",
    ]
    assert err == ["error: plain: gone", "error: lb2: gone"]
    document = as_json(standing, standing.code)
    hold(document, "env-status")
    assert document["nodes"]["lb1"]["running"] is False


def test_the_address_in_its_files_and_edits_by_hand(capsys: pytest.CaptureFixture[str]) -> None:
    files = (FileStanding("/a.js", "ws://h/ws/", False), FileStanding("/b.js", None, True))
    app = AppStanding(WANTED, AppSnapshot("abc"), AppPlan("chat"), None, files=files)
    standing = Standing("h", [], [app], [])
    assert not standing.as_wanted
    assert lines(standing, capsys)[0][2:] == [
        "chat: /a.js: ws://h/ws/",
        "chat: /b.js: no address found, edited by hand",
        "chat: not as wanted: edited by hand",
    ]
    document = as_json(standing, ExitCode.DONE)
    hold(document, "env-status")
    assert document["apps"]["chat"]["files"] == [
        {"path": "/a.js", "address": "ws://h/ws/", "edited": False},
        {"path": "/b.js", "address": None, "edited": True},
    ]


def test_one_that_is_down_with_nothing_to_change_isnt_as_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    app = AppStanding(PLAIN, AppSnapshot(), AppPlan("plain"), "nothing answers")
    assert lines(Standing("h", [], [app], []), capsys)[0] == [
        "plain: port 8081 does not answer: nothing answers",
        "plain: not as wanted: it isn't up",
    ]
    both = AppStanding(
        PLAIN, AppSnapshot(), AppPlan("plain"), "no", files=(FileStanding("/a.js", "ws://h/", True),)
    )
    assert lines(Standing("h", [], [both], []), capsys)[0][-1] == (
        "plain: not as wanted: edited by hand, it isn't up"
    )


def test_an_application_that_cant_be_planned_for(capsys: pytest.CaptureFixture[str]) -> None:
    error = ConnectionFailed("no", node="chat")
    standing = Standing("h", [], [AppStanding(WANTED, AppSnapshot("abc"), None, None, error)], [])
    assert lines(standing, capsys)[0] == ["chat: release abc", "chat: port 8080 answers"]
    bare = Standing("h", [], [], [BalancerStanding(NodeOutcome("lb1", error=error), "", NOW)])
    assert lines(bare, capsys)[0] == ["lb1: NGINX, running (master 7)"]
