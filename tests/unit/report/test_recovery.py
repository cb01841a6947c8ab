"""What recover and unlock say; the commands' own tests have their sentences."""

from __future__ import annotations

import pytest

from nginxws.errors import ExitCode, LockedError
from nginxws.nodes.transaction import Recovered
from nginxws.report.recovery import NodeResult, as_json, recovered, show_result, unlocked

LOCKED = NodeResult("lb2", "holder", error=LockedError("locked", node="lb2", hint="wait"))


def test_a_holder_cant_act_on_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    show_result(unlocked("lb1", "\x1b[2J\nlb2: not locked"), "text", quiet=False)
    assert capsys.readouterr() == ("lb1: freed: it was locked by \\x1b[2J lb2: not locked\n", "")


@pytest.mark.parametrize(("output_format", "quiet"), [("json", False), ("text", True)])
def test_errors_are_told_in_any_case(
    capsys: pytest.CaptureFixture[str], output_format: str, quiet: bool
) -> None:
    show_result(unlocked("lb1", ""), output_format, quiet=quiet)
    show_result(LOCKED, output_format, quiet=quiet)
    assert capsys.readouterr() == ("", "error: lb2: locked\nhint: wait\n")


def test_the_json_form() -> None:
    document = as_json([unlocked("lb1", "op"), LOCKED], ExitCode.LOCKED_OR_STALE)
    assert (document["changed"], document["failed"], document["rc"]) == (True, True, 7)
    assert document["msg"] == "lb2: locked"
    assert document["nodes"]["lb1"]["holder"] == "op"
    assert document["nodes"]["lb2"] == {
        **{"changed": False, "text": "", "holder": None},
        "error": {"code": 7, "kind": "LockedError", "message": "locked", "hint": "wait"}
        | dict.fromkeys(("file", "line", "detail")),
    }
    assert as_json([recovered("lb1", Recovered(False))], ExitCode.DONE)["changed"] is False


def test_nothing_to_recover_and_yet_not_well() -> None:
    assert recovered("lb1", Recovered(False, "NGINX is not running")).text == (
        "nothing to recover, but NGINX is not running"
    )
