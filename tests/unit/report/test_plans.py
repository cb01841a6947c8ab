"""Several nodes' plans, and what became of them, as text and JSON."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from support.schemas import hold

from nginxws.config.splice import Edit
from nginxws.deploy import Applied, NodeOutcome
from nginxws.errors import ConnectionFailed, ExitCode, Interrupted, NginxwsError, Restored, RestoreFailed
from nginxws.nodes.transaction import Committed
from nginxws.plan import Change, FilePlan, NodePlan
from nginxws.planfile import PlanFile, planned_node
from nginxws.report.plans import is_pending, nodes_json, plan_json, show_applied, show_plan

FILE = FilePlan("/n.conf", "/n.conf", b"a\n", b"a\nb\n", [Edit(2, 2, b"b\n")])
PLAN = NodePlan(
    "lb1",
    (
        Change("add", "/ws/", "a:80 (/n.conf:1)", "/n.conf:3"),
        Change("unchanged", "/x/", "a:80", "/n.conf:9"),
        Change("drift", "/d/", where="/n.conf:12", note="edited by hand"),
    ),
    (FILE,),
)
SAME = NodePlan("lb2", (Change("unchanged", "/ws/", "a:80", "/n.conf:3"),), ())
AWAY = NodeOutcome("lb3", error=ConnectionFailed("no route to host", node="lb3", hint="is it up?"))
PLANNED = [NodeOutcome("lb1", PLAN), NodeOutcome("lb2", SAME), AWAY]
SAVED = PlanFile(
    datetime(2026, 1, 2, tzinfo=UTC),
    "op@desk",
    "1.0",
    "d" * 64,
    {"overwrite_drift": False, "adopt": False, "replace": False},
    {"lb1": planned_node("nginx/1.26.2", PLAN), "lb2": planned_node("nginx/1.26.2", SAME)},
    nodes_json(PLANNED),
)


def test_a_plan_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    show_plan(PLANNED, ExitCode.CONNECTION, "text", SAVED, quiet=False)
    out, err = capsys.readouterr()
    assert out == (
        "lb1: 1 to add, 0 to change, 0 to remove, 1 drifted\n"
        "  + add /ws/  a:80 (/n.conf:3)\n"
        "  ! drift /d/  (/n.conf:12): edited by hand\n"
        "--- a/n.conf\n+++ b/n.conf\n@@ -1 +1,2 @@\n a\n+b\n"
        "lb2: 0 to add, 0 to change, 0 to remove\n"
    )
    assert err == "error: lb3: no route to host\nhint: is it up?\n"


def test_a_quiet_plan_is_its_errors(capsys: pytest.CaptureFixture[str]) -> None:
    show_plan(PLANNED, ExitCode.CONNECTION, "text", SAVED, quiet=True)
    assert capsys.readouterr() == ("", "error: lb3: no route to host\nhint: is it up?\n")


def test_a_plan_for_review(capsys: pytest.CaptureFixture[str]) -> None:
    show_plan(PLANNED, ExitCode.DONE, "github", SAVED, quiet=False, places={("lb1", ""): ("m.toml", 2)})
    out, err = capsys.readouterr()
    assert out.startswith("::notice file=m.toml,line=2,title=nginxws%3A add::")
    assert err.startswith("error: lb3")


def test_a_plan_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    document = plan_json(PLANNED, ExitCode.CONNECTION, SAVED)
    hold(document, "plan")
    assert (document["changed"], document["failed"], document["rc"]) == (True, True, 6)
    assert document["nodes"]["lb1"]["planned"] is True
    assert [change["action"] for change in document["nodes"]["lb1"]["changes"]] == [
        "add",
        "unchanged",
        "drift",
    ]
    assert plan_json([PLANNED[1]], ExitCode.DONE, SAVED)["changed"] is False
    show_plan(PLANNED, ExitCode.DONE, "json", SAVED, quiet=True)
    assert capsys.readouterr().out.startswith('{\n  "format_version": "1.0",')


@pytest.mark.parametrize(
    ("plan", "pending"),
    [(PLAN, True), (SAME, False), (NodePlan("lb1", PLAN.changes, ()), True)],
    ids=["files", "nothing", "drift alone"],
)
def test_what_isnt_as_wanted_is_pending(plan: NodePlan, pending: bool) -> None:
    assert is_pending(plan) is pending


def test_a_table_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    applied = Applied(Committed(4))
    outcomes = [
        NodeOutcome("a", PLAN, applied),
        NodeOutcome("bbb", PLAN, applied, taken_back=Applied(Committed(5))),
        NodeOutcome("c", PLAN, applied, RestoreFailed("it keeps the change")),
        NodeOutcome("d", PLAN, error=Restored("no proof")),
        NodeOutcome("e", PLAN, error=RestoreFailed("no reload")),
        NodeOutcome("f", PLAN, error=Interrupted("interrupted")),
        NodeOutcome("g", SAME),
        NodeOutcome("h", PLAN, error=NginxwsError("not tried"), skipped=True),
        NodeOutcome("i\n", error=NginxwsError("odd")),
    ]
    show_applied(outcomes, ExitCode.RESTORE_FAILED, "text", quiet=False)
    out, err = capsys.readouterr()
    assert out.splitlines()[-10:] == [
        "NODE  RESULT          ROUTES               REVISION",
        "a     applied         1 added, 1 drifted   4",
        "bbb   rolled back     1 to add, 1 drifted  5",
        "c     kept            1 added, 1 drifted   4",
        "d     restored        1 to add, 1 drifted  -",
        "e     restore failed  1 to add, 1 drifted  -",
        "f     interrupted     1 to add, 1 drifted  -",
        "g     unchanged       1 route              -",
        "h     not tried       1 to add, 1 drifted  -",
        "i     failed          -                    -",
    ]
    assert "a: /ws/: added in a:80 (/n.conf:3)\n" in out
    assert "bbb: taken back by revision 5\n" in out
    assert "nothing to do" not in out
    assert err.count("error: ") == 6
    show_applied(outcomes, ExitCode.DONE, "text", quiet=True)
    assert capsys.readouterr().out == ""
    show_applied(outcomes, ExitCode.DONE, "gitlab", quiet=False)
    assert capsys.readouterr().out.startswith("[")
