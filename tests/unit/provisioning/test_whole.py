"""All or nothing, the parts played by functions: order, verdict, the way back, what is said of each."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import pytest

from nginxws.deploy import Applied, NodeOutcome
from nginxws.environment.plan import AppPlan
from nginxws.errors import (
    ConnectionFailed,
    ExitCode,
    Interrupted,
    LockedError,
    NginxwsError,
    NodeError,
    Restored,
    RestoreFailed,
)
from nginxws.nodes.interrupts import Listener
from nginxws.nodes.options import ProbePolicy
from nginxws.nodes.probe.types import ProbeResult
from nginxws.nodes.transaction import Committed, Decide
from nginxws.plan import NodePlan
from nginxws.provisioning.holding import AppTask, Stopped
from nginxws.provisioning.outside import Address, Outside
from nginxws.provisioning.types import AppOutcome, Outcome, Proved
from nginxws.provisioning.whole import Parts, carry_out
from nginxws.rollout import Task

FINE = ProbeResult(True, 101, None, "application", "open", None)
DEAD = ProbeResult(False, None, None, "unknown", "nothing listens", "look")


@dataclass
class World:
    """Applications (capital letters) and balancers (small ones); ``log`` is what was done, in order."""

    apps: str = "AB"
    nodes: str = "ab"
    after: dict[str, str] = field(default_factory=dict)
    fails: dict[str, NginxwsError] = field(default_factory=dict)
    not_up: dict[str, str] = field(default_factory=dict)
    at_commit: dict[str, NginxwsError] = field(default_factory=dict)
    stuck: str = ""
    done_already: str = ""
    hooks: dict[str, Callable[[], object]] = field(default_factory=dict)
    probe: ProbeResult | None = FINE
    down: bool = False
    log: list[str] = field(default_factory=list)

    def app(self, name: str) -> AppTask:
        def change(decide: Decide, listener: Listener) -> Sequence[str]:
            self.log.append(f"{name} begins")
            if name in self.fails:
                raise self.fails[name]
            if name in self.done_already:
                return []
            why = decide()
            if why is None and listener.asked:
                raise Interrupted("interrupted; the node is as it was", node=name)
            if why is None and name in self.at_commit:
                raise self.at_commit[name]
            if why is not None:
                self.log.append(f"{name} goes back")
                raise Restored("the probe failed; everything was restored", node=name)
            self.log.append(f"{name} keeps it")
            self.hooks.get(f"{name} kept", lambda: None)()
            return [f"{name} has a note"]

        def come_up(stopped: Stopped) -> str | None:
            self.hooks.get(name, lambda: None)()
            return "stopped" if stopped() else self.not_up.get(name)

        outcome = AppOutcome(name, AppPlan(name, changes=("x",)))
        return AppTask(outcome, tuple(self.after.get(name, "")), change, come_up)

    def node(self, name: str) -> Task:
        outcome = NodeOutcome(name, NodePlan(name, (), ()))

        def carry_out(_listener: Listener) -> NodeOutcome:
            self.log.append(f"{name} changes")
            self.hooks.get(name, lambda: None)()
            if name in self.fails:
                raise self.fails[name]
            return replace(outcome, applied=Applied(Committed(1)))

        def take_back(_applied: Applied) -> Applied:
            self.log.append(f"{name} goes back")
            if name in self.stuck:
                raise RestoreFailed("no", node=name)
            return Applied(Committed(2))

        return Task(outcome, carry_out, take_back)

    def run(self) -> Outcome:
        prove = None
        if self.probe is not None:
            addresses = [Address("ws://h/ws/", "/ws/", ProbePolicy())]
            hook = self.hooks.get("outside", lambda: None)
            prove = _Outside(addresses, None, lambda *_: None, self.probe, hook)
        apps, nodes = [self.app(name) for name in self.apps], [self.node(name) for name in self.nodes]
        return carry_out(Parts(apps, nodes, prove, balancers_first=self.down))


@dataclass(frozen=True)
class _Outside(Outside):
    probe: ProbeResult = FINE
    hook: Callable[[], object] = lambda: None

    def results(self) -> tuple[Proved, ...]:
        self.hook()
        return (Proved("ws://h/ws/", "/ws/", self.probe),)


def said(outcome: Outcome) -> dict[str, str]:
    apps = {one.name: one.result for one in outcome.apps}
    return apps | {one.node: one.result for one in outcome.nodes}


def test_everything_is_kept() -> None:
    world = World(apps="A")
    outcome = world.run()
    assert said(outcome) == {"A": "applied", "a": "applied", "b": "applied"}
    assert world.log == ["A begins", "a changes", "b changes", "A keeps it"]
    assert (outcome.code, outcome.changed, outcome.apps[0].notes) == (ExitCode.DONE, True, ("A has a note",))


def test_nothing_to_do_is_nothing() -> None:
    outcome = World(apps="", nodes="", probe=None).run()
    assert (outcome.code, outcome.changed, list(outcome.errors)) == (ExitCode.DONE, False, [])


def test_balancers_first_on_the_way_down() -> None:
    world = World(apps="A", nodes="a", down=True, probe=None)
    assert world.run().code == 0
    assert world.log == ["a changes", "A begins", "A keeps it"]
    world = World(apps="A", nodes="a", down=True, probe=None, fails={"A": NodeError("no", node="A")})
    assert said(world.run()) == {"A": "failed", "a": "rolled back"}


def test_each_comes_after_those_before_it() -> None:
    world = World(apps="ABC", nodes="", after={"A": "B", "B": "CX"})
    assert world.run().code == 0
    assert [line for line in world.log if "begins" in line] == ["C begins", "B begins", "A begins"]


def test_an_application_that_doesnt_come_up_takes_the_others_back() -> None:
    world = World(after={"B": "A"}, not_up={"B": "B isn't up after 1 second: refused"})
    outcome = world.run()
    assert said(outcome) == {"A": "rolled back", "B": "restored", "a": "not tried", "b": "not tried"}
    assert outcome.code == ExitCode.RESTORED
    error = outcome.apps[1].error
    assert error is not None
    assert error.message == "B isn't up after 1 second: refused; everything was restored"
    assert "a changes" not in world.log
    assert str(outcome.nodes[0].error) == "a: not tried: B failed"


def test_an_application_that_never_began() -> None:
    world = World(after={"B": "A"}, fails={"A": LockedError("locked", node="A")})
    outcome = world.run()
    assert said(outcome)["B"] == "not tried"
    assert outcome.code == ExitCode.LOCKED_OR_STALE


def test_why_an_application_cant_be_asked_for_its_port() -> None:
    def forbidden() -> None:
        raise NodeError("the server forbids forwarding")

    outcome = World(apps="A", hooks={"A": forbidden}).run()
    assert str(outcome.apps[0].error) == "A: the server forbids forwarding; everything was restored"


def test_a_balancer_that_fails_takes_all_back() -> None:
    world = World(fails={"b": NodeError("no", node="b")})
    outcome = world.run()
    assert said(outcome) == {"A": "rolled back", "B": "rolled back", "a": "rolled back", "b": "failed"}
    assert outcome.code == ExitCode.RESTORED, "something was changed, and is as before"
    assert world.log.index("a goes back") < world.log.index("A goes back")


def test_a_balancer_that_keeps_its_change() -> None:
    outcome = World(fails={"b": NodeError("no")}, stuck="a").run()
    assert (said(outcome)["a"], outcome.code) == ("kept", ExitCode.RESTORE_FAILED)


def test_the_proof_from_outside_fails() -> None:
    outcome = World(probe=DEAD).run()
    assert set(said(outcome).values()) == {"rolled back"}
    assert outcome.code == ExitCode.RESTORED
    assert isinstance(outcome.error, Restored)
    assert "everything was restored" in outcome.error.message


def test_it_fails_where_nothing_was_changed() -> None:
    outcome = World(apps="", nodes="", probe=DEAD).run()
    assert outcome.error is not None
    assert outcome.code == ExitCode.ERROR
    assert "nothing was changed" in outcome.error.message


def test_an_application_that_ends_just_before_the_verdict() -> None:
    world = World(apps="A", nodes="a")
    world.hooks["outside"] = lambda: world.not_up.update(A="gone")
    outcome = world.run()
    assert said(outcome) == {"A": "restored", "a": "rolled back"}
    assert str(outcome.apps[0].error) == "A: gone; everything was restored"


def test_the_first_that_cant_keep_it_takes_all_back() -> None:
    outcome = World(at_commit={"A": ConnectionFailed("lost", node="A")}).run()
    assert said(outcome) == {"A": "failed", "B": "rolled back", "a": "rolled back", "b": "rolled back"}


def test_after_the_first_has_kept_it_the_rest_is_kept() -> None:
    outcome = World(apps="ABC", at_commit={"B": ConnectionFailed("lost", node="B")}).run()
    assert said(outcome) == {"A": "applied", "B": "failed", "C": "applied", "a": "applied", "b": "applied"}
    assert outcome.code == ExitCode.CONNECTION


def test_an_application_that_somebody_else_has_taken_down_meanwhile() -> None:
    """Its node has nothing to do any more, and never gets ready."""
    world = World(apps="AB", nodes="a", after={"B": "A"}, done_already="A", down=True, probe=None)
    assert said(world.run()) == {"A": "applied", "B": "applied", "a": "applied"}


def test_a_bug_of_ours_takes_all_back_before_it_is_told() -> None:
    def bug() -> None:
        raise ZeroDivisionError

    world = World(apps="A", nodes="a", hooks={"outside": bug})
    with pytest.raises(ZeroDivisionError):
        world.run()
    assert world.log[-2:] == ["a goes back", "A goes back"]


def test_the_proof_from_outside_fails_and_a_balancer_keeps_its_change() -> None:
    outcome = World(nodes="a", probe=DEAD, stuck="a").run()
    assert (said(outcome)["a"], outcome.code) == ("kept", ExitCode.RESTORE_FAILED)
    assert outcome.error is not None
    assert outcome.error.message == "ws://h/ws/ doesn't work from here: nothing listens"


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("where", ["a", "outside"])
def test_ctrl_c(where: str) -> None:
    world = World(apps="A", nodes="a", hooks={where: interrupt})
    outcome = world.run()
    assert (said(outcome)["A"], outcome.code) == ("interrupted", ExitCode.INTERRUPTED)
    assert said(outcome)["a"] == "rolled back"


def test_ctrl_c_while_an_application_comes_up() -> None:
    import os

    world = World(apps="AB", after={"B": "A"}, hooks={"A": lambda: os.kill(os.getpid(), signal.SIGINT)})
    outcome = world.run()
    assert outcome.code == ExitCode.INTERRUPTED
    assert said(outcome)["b"] == "not tried"
    assert all(isinstance(one.error, Interrupted) for one in outcome.nodes)


def test_ctrl_c_when_the_first_application_has_kept_its_change() -> None:
    """Then it is too late: half of it taken back would be neither the one nor the other."""
    import os

    world = World(apps="AB", nodes="a", hooks={"A kept": lambda: os.kill(os.getpid(), signal.SIGINT)})
    outcome = world.run()
    assert said(outcome) == {"A": "applied", "B": "applied", "a": "applied"}
    assert outcome.code == ExitCode.DONE


def test_ctrl_c_when_only_balancers_were_changed() -> None:
    outcome = World(apps="", nodes="a", hooks={"outside": interrupt}).run()
    assert isinstance(outcome.error, Interrupted)
    assert outcome.code == ExitCode.INTERRUPTED


def test_ctrl_c_says_nothing_of_as_it_was_when_it_isnt() -> None:
    outcome = World(apps="", nodes="a", hooks={"outside": interrupt}, stuck="a").run()
    assert (outcome.error, outcome.code) == (None, ExitCode.RESTORE_FAILED)
