"""One change on several nodes, the nodes played by functions: order, stops, and the way back."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
from support.nginx import wait_for

from nginxws.deploy import Applied, NodeOutcome, worst
from nginxws.errors import ConnectionFailed, ExitCode, Interrupted, NginxwsError, Restored
from nginxws.nodes.interrupts import Listener
from nginxws.nodes.transaction import Committed
from nginxws.plan import NodePlan
from nginxws.rollout import OnFailure, Task, roll_out

Hook = Callable[[Listener], None]


@dataclass
class Fleet:
    """Nodes by name; ``fails``: those whose part fails, and how."""

    names: str
    fails: dict[str, NginxwsError] = field(default_factory=dict)
    unchanged: str = ""
    stuck: str = ""
    hooks: dict[str, Hook] = field(default_factory=dict)
    begun: list[str] = field(default_factory=list)
    taken_back: list[str] = field(default_factory=list)
    most: int = 0
    _now: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def task(self, name: str) -> Task:
        outcome = NodeOutcome(name, NodePlan(name, (), ()))
        return Task(
            outcome,
            lambda listener: self.carry_out(outcome, listener),
            lambda applied: self.take_back(name, applied),
        )

    def carry_out(self, outcome: NodeOutcome, listener: Listener) -> NodeOutcome:
        with self._lock:
            self.begun.append(outcome.node)
            self._now += 1
            self.most = max(self.most, self._now)
        try:
            if outcome.node in self.hooks:
                self.hooks[outcome.node](listener)
            if outcome.node in self.fails:
                raise self.fails[outcome.node]
        finally:
            with self._lock:
                self._now -= 1
        return outcome if outcome.node in self.unchanged else replace(outcome, applied=Applied(Committed(1)))

    def take_back(self, name: str, applied: Applied) -> Applied:
        self.taken_back.append(name)
        assert applied.committed.revision == 1
        if name in self.stuck:
            raise Restored("no reload", node=name, hint="look")
        return Applied(Committed(2))

    def run(self, parallel: int = 1, on_failure: OnFailure = "stop") -> dict[str, str]:
        tasks = [self.task(name) for name in self.names]
        self.outcomes = roll_out(tasks, parallel=parallel, on_failure=on_failure)
        assert [outcome.node for outcome in self.outcomes] == list(self.names)
        return {outcome.node: outcome.result for outcome in self.outcomes}


def test_one_after_the_other() -> None:
    fleet = Fleet("abc")
    assert fleet.run() == {"a": "applied", "b": "applied", "c": "applied"}
    assert (fleet.begun, fleet.most) == (["a", "b", "c"], 1)
    assert fleet.run(on_failure="rollback-all")["a"] == "applied"
    assert fleet.taken_back == []


def test_no_nodes() -> None:
    assert Fleet("").run() == {}


def test_the_first_that_changes_is_alone_and_the_others_run_at_once() -> None:
    gate = threading.Barrier(3, timeout=30)

    def meet(_listener: Listener) -> None:
        gate.wait()

    fleet = Fleet("abcdefgh", unchanged="ab", hooks=dict.fromkeys("def", meet))
    assert fleet.run(parallel=3)["h"] == "applied"
    assert fleet.begun[:3] == ["a", "b", "c"]
    assert fleet.most == 3


def test_a_canary_that_fails_is_the_only_one() -> None:
    fleet = Fleet("abc", {"a": Restored("no proof")})
    assert fleet.run(parallel=2) == {"a": "restored", "b": "not tried", "c": "not tried"}
    assert fleet.begun == ["a"]
    assert worst(fleet.outcomes) is ExitCode.RESTORED
    assert str(fleet.outcomes[2].error) == "c: not tried: a failed"
    assert fleet.outcomes[0].error is not None
    assert fleet.outcomes[0].error.node == "a"


def test_those_under_way_end_by_themselves() -> None:
    failed = threading.Event()

    def outlive(_listener: Listener) -> None:
        assert failed.wait(30)

    def fail(_listener: Listener) -> None:
        failed.set()

    fleet = Fleet("abcde", {"b": ConnectionFailed("gone")}, hooks={"b": fail, "c": outlive})
    results = fleet.run(parallel=2)
    assert (results["a"], results["b"], results["c"]) == ("applied", "failed", "applied")
    assert results["e"] == "not tried"


def test_rollback_all_takes_back_what_was_changed() -> None:
    fleet = Fleet("abcd", {"c": Restored("no reload")}, unchanged="b")
    assert fleet.run(on_failure="rollback-all") == {
        "a": "rolled back", "b": "unchanged", "c": "restored", "d": "not tried",
    }  # fmt: skip
    assert fleet.taken_back == ["a"]
    assert not any(outcome.done for outcome in fleet.outcomes)


def test_the_last_one_goes_back_first_and_one_that_cant_is_told() -> None:
    fleet = Fleet("abcd", {"d": Restored("no reload")}, stuck="b")
    results = fleet.run(on_failure="rollback-all")
    assert results == {"a": "rolled back", "b": "kept", "c": "rolled back", "d": "restored"}
    assert fleet.taken_back == ["c", "b", "a"]
    error = fleet.outcomes[1].error
    assert str(error) == "b: it keeps the change, taking that back failed: no reload"
    assert error is not None
    assert error.hint == "look; then run `nginxws rollback --node b`"
    assert worst(fleet.outcomes) is ExitCode.RESTORE_FAILED


@pytest.mark.parametrize("on_failure", ["stop", "rollback-all"])
def test_ctrl_c_asks_those_under_way_and_begins_no_other(on_failure: OnFailure) -> None:
    def interrupted(listener: Listener) -> None:
        assert not listener.asked
        os.kill(os.getpid(), signal.SIGINT)
        wait_for(lambda: listener.asked, "the listener hears of it")
        raise Interrupted("interrupted, restored")

    fleet = Fleet("abcd", hooks={"b": interrupted})
    results = fleet.run(on_failure=on_failure)
    first = "applied" if on_failure == "stop" else "rolled back"
    assert results == {"a": first, "b": "interrupted", "c": "not tried", "d": "not tried"}
    assert worst(fleet.outcomes) is ExitCode.INTERRUPTED
    assert str(fleet.outcomes[2].error) == "c: interrupted; nothing was changed"  # b isn't to blame


def test_ctrl_c_after_the_last_word_of_a_node() -> None:
    """The node is done; the next isn't begun."""

    def late(_listener: Listener) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    fleet = Fleet("abc", hooks={"a": late})
    assert fleet.run() == {"a": "applied", "b": "not tried", "c": "not tried"}
    assert str(fleet.outcomes[1].error) == "b: interrupted; nothing was changed"
    assert worst(fleet.outcomes) is ExitCode.INTERRUPTED


def test_an_error_without_a_hint_has_none_made_up() -> None:
    fleet = Fleet("ab", {"b": Restored("no reload")})

    def fail(_applied: Applied) -> Applied:
        raise NginxwsError("odd")

    tasks = [replace(fleet.task("a"), take_back=fail), fleet.task("b")]
    outcomes = roll_out(tasks, on_failure="rollback-all")
    assert outcomes[0].error is not None
    assert outcomes[0].error.hint is None
