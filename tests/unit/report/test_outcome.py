"""The result of a changing command, as text and as JSON."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from nginxws.checks.finding import Finding
from nginxws.config.splice import Edit
from nginxws.deploy import Applied, NodeOutcome
from nginxws.errors import ConfigError, ExitCode
from nginxws.nodes.probe.types import ProbeResult
from nginxws.nodes.transaction import Committed, Workers
from nginxws.plan import Change, FilePlan, NodePlan
from nginxws.report.outcome import as_json, show_outcomes

FILE = FilePlan("/n.conf", "/n.conf", b"a\n", b"a\nb\n", [Edit(2, 2, b"b\n")])
PLAN = NodePlan(
    "lb1",
    (
        Change("add", "/ws/", "a:80 (/n.conf:3)", "/n.conf:3"),
        Change("unchanged", "/x", note="did you mean /y?"),
    ),
    (FILE,),
)
PROVED = ProbeResult(True, 101, "nginx", "application", "a WebSocket opened", None, True, 0.01234567)
FAILED = ProbeResult(False, 502, "nginx", "nginx", "NGINX answered 502", "is it up?", None, 0.5)
DONE = NodeOutcome(
    "lb1", PLAN, Applied(Committed(7, "before it was live", Workers(2, 3, 2, 60)), (("/ws/", PROVED),))
)
NOTHING = NodeOutcome("lb2", NodePlan("lb2", (Change("unchanged", "/ws/", "a:80", "/n.conf:3"),), ()))
BROKEN = NodeOutcome("lb3", error=ConfigError("no good", node="lb3", file="/n.conf", line=2, hint="mend it"))


def shown(capsys: pytest.CaptureFixture[str], *outcomes: NodeOutcome, quiet: bool = False) -> tuple[str, str]:
    show_outcomes(outcomes, ExitCode.DONE, "text", quiet=quiet)
    return capsys.readouterr()


def test_done(capsys: pytest.CaptureFixture[str]) -> None:
    out, err = shown(capsys, DONE)
    assert out == (
        "lb1: /ws/: added in a:80 (/n.conf:3)\n"
        "lb1: /x: nothing to do; did you mean /y?\n"
        "lb1: /ws/: live: a WebSocket opened\n"
        "lb1: revision 7; tested before it was live; 2 new workers\n"
        "lb1: 3 old workers of 2 generations still drain (the oldest was started 60 seconds ago)\n"
    )
    assert err == ""


def test_done_without_drain_or_test(capsys: pytest.CaptureFixture[str]) -> None:
    outcome = replace(DONE, applied=Applied(Committed(8, "", Workers(2))))
    assert shown(capsys, outcome)[0].endswith("lb1: revision 8; 2 new workers\n")


def test_many_generations_are_warned_of(capsys: pytest.CaptureFixture[str]) -> None:
    for generations, warned in ((9, False), (10, True)):
        committed = Committed(8, "", Workers(2, 1, generations, 7200))
        out, err = shown(capsys, replace(DONE, applied=Applied(committed)))
        words = f"lb1: 1 old worker of {generations} generations still drains"
        words += " (the oldest was started 2 hours ago)"
        assert f"{words}\n" in out
        assert (f"warning: {words}\n" in err) is warned
        assert ("hint: " in err and "worker_shutdown_timeout" in err) is warned


def test_in_place_but_not_proved(capsys: pytest.CaptureFixture[str]) -> None:
    out, err = shown(capsys, replace(DONE, applied=Applied(Committed(7), (("/ws/", FAILED),))))
    assert "lb1: /ws/: NOT proved: NGINX answered 502\n" in out
    assert err == "warning: lb1: /ws/ is in place, but not proved: NGINX answered 502\nhint: is it up?\n"


def test_nothing_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, NOTHING)[0] == "lb2: /ws/: nothing to do (/n.conf:3)\n"


def test_a_dry_run_is_the_diff(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, NodeOutcome("lb1", PLAN))[0] == "--- a/n.conf\n+++ b/n.conf\n@@ -1 +1,2 @@\n a\n+b\n"


def test_a_dry_run_of_several_nodes_says_whose_diff_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    """Balancers have their files at the same paths."""
    diff = "--- a/n.conf\n+++ b/n.conf\n@@ -1 +1,2 @@\n a\n+b\n"
    out, _ = shown(capsys, NodeOutcome("lb1", PLAN), NOTHING, NodeOutcome("lb3", PLAN))
    nothing = "lb2: /ws/: nothing to do (/n.conf:3)\n"
    assert out == f"lb1: this would change:\n{diff}{nothing}lb3: this would change:\n{diff}"


def test_nothing_to_do_where_there_is_no_route(capsys: pytest.CaptureFixture[str]) -> None:
    """Silence would leave open whether anything was looked at."""
    empty = NodeOutcome("lb1", NodePlan("lb1", (), ()))
    assert shown(capsys, empty)[0] == "lb1: nothing to do\n"
    assert shown(capsys, replace(BROKEN, plan=empty.plan))[0] == ""


def test_a_file_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, NodeOutcome("x.conf", PLAN, written=True))[0].startswith("x.conf: /ws/: added in")


def test_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, BROKEN) == ("", "error: lb3: /n.conf:2: no good\nhint: mend it\n")
    assert shown(capsys, replace(BROKEN, plan=PLAN))[0] == "lb3: /x: nothing to do; did you mean /y?\n"


def test_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    out, err = shown(capsys, DONE, NOTHING, BROKEN, quiet=True)
    assert out == ""
    assert err.startswith("error: lb3")


def test_old_errors_are_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    finding = Finding("crossplane", "warning", "unknown directive", "/n.conf", 4, "it was there before")
    outcome = replace(DONE, findings=(finding,))
    _, err = shown(capsys, outcome)
    assert err == "warning: lb1: /n.conf:4: unknown directive\nhint: it was there before\n"
    (told,) = as_json([outcome], ExitCode.DONE)["nodes"]["lb1"]["findings"]
    assert (told["rule"], told["file"], told["line"]) == ("crossplane", "/n.conf", 4)


def test_the_json_form(capsys: pytest.CaptureFixture[str]) -> None:
    outcomes = [DONE, NOTHING, BROKEN]
    show_outcomes(outcomes, ExitCode.ERROR, "json", quiet=True)
    out, err = capsys.readouterr()
    assert err.startswith("error: lb3")
    document = json.loads(out)
    assert document == as_json(outcomes, ExitCode.ERROR)
    assert {key: value for key, value in document.items() if key != "nodes"} == {
        "format_version": "1.0",
        "changed": True,
        "failed": True,
        "rc": 1,
        "msg": "lb3: /n.conf:2: no good",
    }
    assert document["nodes"]["lb1"] == PLAN.as_json() | {
        "findings": [],
        "result": "applied",
        "applied": True,
        "revision": 7,
        "tested": "before it was live",
        "in_place": [],
        "workers": {"serving": 2, "draining": 3, "generations": 2, "oldest_seconds": 60},
        "probes": [
            {
                "route": "/ws/",
                "ok": True,
                "status": 101,
                "answered_by": "application",
                "message": "a WebSocket opened",
                "seconds": 0.0123,
            }
        ],
        "error": None,
    }
    assert document["nodes"]["lb3"] == {
        "changes": [],
        "files": [],
        "diff": "",
        "findings": [],
        "result": "failed",
        "applied": False,
        "revision": None,
        "tested": None,
        "probes": [],
        "error": {
            "code": 1,
            "kind": "ConfigError",
            "message": "no good",
            "file": "/n.conf",
            "line": 2,
            "detail": None,
            "hint": "mend it",
        },
    }
    assert document["nodes"]["lb2"]["error"] is None


def test_json_holds_bytes_that_are_no_text(capsys: pytest.CaptureFixture[str]) -> None:
    file = FilePlan("/n.conf", "/n.conf", b"", b"\xe9\x1b\n", [Edit(0, 0, b"\xe9\x1b\n")])
    show_outcomes([NodeOutcome("lb1", replace(PLAN, files=(file,)))], ExitCode.DONE, "json", quiet=False)
    out = capsys.readouterr().out
    assert out.isascii()
    assert "\x1b" not in out
    assert json.loads(out)["nodes"]["lb1"]["diff"].endswith("+\\xe9\x1b\n")
