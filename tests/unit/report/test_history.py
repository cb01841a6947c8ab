"""Revisions and states as text and JSON, whatever a node says of itself."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from support.planning import MAIN, SITE, snapshot

from nginxws.config.tree import MappingReader, load
from nginxws.errors import ExitCode, NodeError
from nginxws.inventory import ListedRoute
from nginxws.report.history import NodeHistory, diff, iso, show_history
from nginxws.report.status import Standing, show_status
from nginxws.revision import History, Revision, RevisionFile
from nginxws.snapshot import Pending
from nginxws.status import NodeStatus, node_status

EVIL = "\x1b[31m\u202e::error::x\nlb2: all is well"
SINCE = 1_700_000_000
FILE = RevisionFile("/etc/a b", "0" * 64, "1" * 64, b"old\n", b"new\n")
ONE = Revision(9, "tx", "a@b", SINCE, "why", "f" * 64, "apply", (FILE,))
TWO = Revision(10, "ty", "carol@host", SINCE + 60, "", "", "rollback")


def shown(
    capsys: pytest.CaptureFixture[str], *found: NodeHistory, form: str = "text", **named: bool
) -> tuple[str, str]:
    show_history(found, ExitCode.DONE, form, quiet=named.get("quiet", False), whole=named.get("whole", False))
    done = capsys.readouterr()
    return done.out, done.err


def test_the_list_lines_up(capsys: pytest.CaptureFixture[str]) -> None:
    out, _err = shown(capsys, NodeHistory("lb1", (ONE, TWO)))
    assert out.splitlines() == [
        "lb1:  9  2023-11-14 22:13:20 UTC  a@b         apply     why",
        "lb1: 10  2023-11-14 22:14:20 UTC  carol@host  rollback",
    ]


def test_one_revision_with_its_diff(capsys: pytest.CaptureFixture[str]) -> None:
    out, _err = shown(capsys, NodeHistory("lb1", (ONE,)), whole=True)
    assert out.splitlines()[:3] == [
        "lb1: revision 9, applied 2023-11-14 22:13:20 UTC by a@b",
        "lb1: message: why",
        f"lb1: digest: {'f' * 64}",
    ]
    assert out.endswith("--- a/etc/a b\t\n+++ b/etc/a b\t\n@@ -1 +1 @@\n-old\n+new\n")
    out, _err = shown(capsys, NodeHistory("lb1", (replace(TWO, who="", since=10**20),)), whole=True)
    assert out == "lb1: revision 10, rolled back an unknown moment by somebody\n"
    assert diff(TWO) == ""


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    broken = NodeHistory("lb2", error=NodeError("no", node="lb2"))
    document = json.loads(shown(capsys, NodeHistory("lb1", (ONE, TWO)), broken, form="json")[0])
    first, second = document["nodes"]["lb1"]["revisions"]
    assert first == {
        "number": 9,
        "time": "2023-11-14T22:13:20Z",
        "who": "a@b",
        "message": "why",
        "kind": "apply",
        "digest": "f" * 64,
        "transaction": "tx",
        "files": [{"path": "/etc/a b", "before": "0" * 64, "after": "1" * 64}],
    }
    assert (second["kind"], second["digest"], second["files"]) == ("rollback", None, [])
    assert document["nodes"]["lb2"]["error"]["message"] == "no"
    assert (document["changed"], document["failed"], document["msg"]) == (False, True, "lb2: no")


def test_no_revisions(capsys: pytest.CaptureFixture[str]) -> None:
    assert "no revisions" in shown(capsys, NodeHistory("lb1"))[1]
    assert shown(capsys, NodeHistory("lb1"), quiet=True) == ("", "")
    assert shown(capsys, NodeHistory("lb1", error=NodeError("no")))[1] == "error: no\n"


@pytest.mark.parametrize("seconds", [0, 10**18])
def test_moments_that_no_clock_says(seconds: int) -> None:
    assert iso(seconds) is None


def status(**values: Any) -> NodeStatus:
    now = snapshot(SITE, dash_v="nginx version: nginx/1.22.1")
    found = node_status(now, load(MAIN, MappingReader(now.texts())), History((ONE,)))
    return replace(found, **{"master": 7, "serving": 2, "edited": (), "state_dir": "/s", **values})


def lines(capsys: pytest.CaptureFixture[str], one: NodeStatus, **named: bool) -> list[str]:
    show_status([Standing("lb1", one)], ExitCode.DONE, "text", quiet=named.get("quiet", False))
    return capsys.readouterr().out.splitlines()


def test_a_healthy_node(capsys: pytest.CaptureFixture[str]) -> None:
    found = status(sockets={80: 3, 443: 0}, shutdown_timeout="10m")
    assert lines(capsys, found) == [
        "lb1: nginx/1.22.1, running (master 7): /etc/nginx/nginx.conf",
        "lb1: revision 9, 2023-11-14 22:13:20 UTC by a@b: why",
        "lb1: 0 managed routes",
        "lb1: 2 workers serving",
        "lb1: worker_shutdown_timeout: 10m",
        "lb1: open connections: 3 on port 80, 0 on port 443",
        "lb1: state directory: /s",
    ]
    assert lines(capsys, found, quiet=True) == []


def test_all_that_may_be_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    drifted = ListedRoute("/ws/", "^~", (), "drifted", "a:80", "/x", 3)
    found = status(
        nginx="",
        master=0,
        revision=replace(ONE, who="", message=""),
        test_failure="[warn] a\nnginx: [emerg] b\n",
        edited=("/x",),
        managed=2,
        drifted=(drifted,),
        pending=Pending("tx", "", SINCE),
        holder=f"pid 5\nwho a@b\nsince {SINCE}",
        draining=3,
        generations=2,
        oldest_seconds=300,
    )
    assert lines(capsys, found) == [
        "lb1: NGINX, NOT running: /etc/nginx/nginx.conf",
        "lb1: its own test fails: nginx: [emerg] b",
        "lb1: revision 9, 2023-11-14 22:13:20 UTC by somebody",
        "lb1: edited by hand since then: /x",
        "lb1: 2 managed routes, 1 drifted",
        "lb1: drifted: /ws/ (/x:3)",
        "lb1: a change by somebody, begun 2023-11-14 22:13:20 UTC, is not finished: under way, or cut short "
        "(then `nginxws recover`)",
        "lb1: locked by a@b, since 2023-11-14 22:13:20 UTC (process 5 on the node)",
        "lb1: 3 old workers of 2 generations still drain (the oldest was started 5 minutes ago)",
        "lb1: worker_shutdown_timeout: none: old workers wait for their sockets without limit",
        "lb1: open connections: unknown (the node has no ss)",
        "lb1: state directory: /s",
    ]
    found = status(revision=None, test_failure="", sockets={})
    assert "lb1: its own test fails: without a word" in lines(capsys, found)
    assert "lb1: no revisions: nothing was applied by nginxws yet" in lines(capsys, found)


def test_nothing_that_a_node_says_acts_on_a_terminal_or_looks_like_a_line_of_ours(
    capsys: pytest.CaptureFixture[str],
) -> None:
    evil = Revision(1, EVIL, EVIL, SINCE, EVIL, EVIL, files=(replace(FILE, path=f"/{EVIL}"),))
    out = (
        shown(capsys, NodeHistory("lb1", (evil,)))[0]
        + shown(capsys, NodeHistory("lb1", (evil,)), whole=True)[0].partition("--- ")[0]
    )
    found = status(
        nginx=EVIL,
        conf=EVIL,
        state_dir=EVIL,
        revision=evil,
        edited=(EVIL,),
        holder=f"who {EVIL}",
        pending=Pending(EVIL, EVIL, SINCE),
        test_failure=EVIL,
        shutdown_timeout=EVIL,
    )
    out += "\n".join(lines(capsys, found))
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert all(line.startswith("lb1: ") for line in out.splitlines() if line)
