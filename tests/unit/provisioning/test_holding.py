"""What is said of an application that was held."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from nginxws.environment.plan import AppPlan
from nginxws.errors import Interrupted, Restored
from nginxws.nodes.interrupts import Interrupts, Listener
from nginxws.nodes.transaction import Decide
from nginxws.provisioning.holding import AppTask, Holding
from nginxws.provisioning.types import AppOutcome


@pytest.mark.parametrize(("words", "detail"), [("", None), ("\nits log", "its log")])
def test_why_it_isnt_up_is_said_once(words: str, detail: str | None) -> None:
    def change(decide: Decide, _listener: Listener) -> Sequence[str]:
        raise Restored("the change was refused; everything was restored", detail=f"{decide()}{words}")

    plan = AppPlan("chat", changes=("x",))
    task = AppTask(AppOutcome("chat", plan), (), change, lambda _stopped: "chat isn't up")
    holding = Holding([task], Interrupts())
    assert not holding.bring_up()
    holding.roll_back("x")
    (outcome,) = holding.results()
    assert outcome.error is not None
    assert outcome.error.message == "chat isn't up; everything was restored"
    assert outcome.error.detail == detail


def test_an_interruption_has_no_failure_for_its_detail() -> None:
    def change(decide: Decide, _listener: Listener) -> Sequence[str]:
        refused = decide()
        raise Interrupted("interrupted; the node is as it was", detail=refused)

    task = AppTask(AppOutcome("chat", AppPlan("chat", changes=("x",))), (), change, lambda _stopped: None)
    interrupts = Interrupts()
    holding = Holding([task], interrupts)
    assert holding.bring_up()
    interrupts.asked = True
    holding.roll_back("the environment failed")
    (outcome,) = holding.results()
    assert isinstance(outcome.error, Interrupted)
    assert outcome.error.detail is None


def test_what_was_noted_before_stays_noted() -> None:
    def change(decide: Decide, _listener: Listener) -> Sequence[str]:
        assert decide() is None
        return ["second"]

    outcome = AppOutcome("chat", AppPlan("chat", changes=("x",)), notes=("first",))
    holding = Holding([AppTask(outcome, (), change, lambda _stopped: None)], Interrupts())
    assert holding.bring_up()
    assert holding.commit()
    assert [one.notes for one in holding.results()] == [("first", "second")]
