"""The node script killed before and after every program by which it changes files, in each of its flows."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from faults.crash import MARK, CrashPoints
from faults.fault import expect
from faults.judge import judge
from faults.rig import Rig
from faults.variants import mutate
from support.programs import standing_first

from nginxws.errors import NginxwsError, Restored
from nginxws.nodes import transaction
from nginxws.nodes.link import NodeLink
from nginxws.nodes.reading import read_node, recover_node
from nginxws.nodes.script import script
from nginxws.plan import NodePlan, Put
from nginxws.planner import make_plan
from nginxws.route import Route

pytestmark = [pytest.mark.nginx]

#: Before program k+1 and after program k lie only the shell's own writes: once is enough for the second way.
EVERY = [("rename", "before"), ("rename", "after"), ("inplace", "after")]
#: More tool calls than any flow makes: a flow that never ends without a crash is a fault of the test.
MOST = 60


@pytest.fixture
def crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CrashPoints:
    points = CrashPoints(tmp_path / "shims")
    text = standing_first(mutate(script().decode(), [MARK]).encode(), points.path)
    monkeypatch.setattr("nginxws.nodes.script.script", lambda: text)
    return points


@pytest.fixture
def how(request: pytest.FixtureRequest, rig: Rig) -> Iterator[str]:
    """How the file is replaced: one with a second name is written in place."""
    second = rig.node.prefix / "second-name"
    if request.param == "inplace":
        os.link(rig.node.site, second)
    yield request.param
    second.unlink(missing_ok=True)


def step(_name: str, _words: str) -> None:
    """Progress that nobody watches."""


def plan_route(link: NodeLink, rig: Rig) -> NodePlan:
    return make_plan(read_node(link, step), [Put(Route.create("/ws/", [rig.backend.address]))])


def change(rig: Rig, decide: Callable[[], str | None], before: Callable[[], None] = lambda: None) -> None:
    """One transaction, as far as it comes."""
    with rig.link() as link:
        plan = plan_route(link, rig)
        before()
        with contextlib.suppress(NginxwsError):
            transaction.run(link.session(), plan, link.options, transaction.new_id(), step, decide)


def recovery(rig: Rig) -> None:
    with rig.link() as link, contextlib.suppress(NginxwsError):
        recover_node(link)


def commit_flow(rig: Rig, arm: Callable[[], None]) -> None:
    change(rig, lambda: None, arm)


def rollback_flow(rig: Rig, arm: Callable[[], None]) -> None:
    change(rig, lambda: arm() or "no")  # type: ignore[func-returns-value]  # armed on the way back only


def recovery_flow(rig: Rig, arm: Callable[[], None]) -> None:
    """A node that died with the route live but unproved, and dies again while it recovers."""

    def die() -> str | None:
        for owner in rig.node.state.glob("*/owner"):
            os.kill(int(owner.read_text().split()[1]), 9)
        return "dead"

    change(rig, die)
    assert list(rig.node.state.glob("*/pending")), "there is something to recover"
    arm()
    recovery(rig)


@pytest.mark.parametrize(("how", "when"), EVERY, indirect=["how"])
@pytest.mark.parametrize("flow", [commit_flow, rollback_flow, recovery_flow])
def test_killed_at_every_program(
    rig: Rig, crash: CrashPoints, how: str, flow: Callable[[Rig, Callable[[], None]], None], when: str
) -> None:
    wrong = []
    for number in range(1, MOST):
        flow(rig, lambda n=number: crash.arm(n, when))  # type: ignore[misc]  # a default binds the number
        reached = crash.disarm()
        outcome = judge(rig, expect("old new" if flow is commit_flow else "old", -9, helped=True), -9, "")
        wrong += [f"{number}: {violation}" for violation in outcome.violations]
        rig.reset()
        if not reached:
            break
    else:
        pytest.fail("no end of programs to be killed at")
    assert number > 4, "some programs were reached"
    assert wrong == []


@pytest.mark.parametrize("how", ["rename", "inplace"], indirect=True)
def test_a_file_edited_after_the_crash_is_never_overwritten(rig: Rig, how: str) -> None:
    """Recovery takes nothing and says what to do; ``accept`` keeps what is there, and NGINX serves it."""
    with rig.link() as link:
        plan = plan_route(link, rig)

        def die() -> str | None:
            for owner in rig.node.state.glob("*/owner"):
                os.kill(int(owner.read_text().split()[1]), 9)
            return "dead"

        with contextlib.suppress(NginxwsError):
            transaction.run(link.session(), plan, link.options, transaction.new_id(), step, die)
    edited = rig.node.site.read_bytes() + b"# by hand\n"
    rig.node.site.write_bytes(edited)
    try:
        with rig.link() as link:
            with pytest.raises(NginxwsError, match="edited") as caught:
                read_node(link, step)
            assert caught.value.code == 5
            assert str(rig.node.site) in (caught.value.detail or "")
            assert "--accept" in (caught.value.hint or "")
            assert rig.node.site.read_bytes() == edited
            assert recover_node(link, accept=True).accepted
        assert rig.node.site.read_bytes() == edited
        assert rig.serves() == "new"
        assert rig.at_rest()
    finally:
        os.truncate(rig.node.site, len(edited) - len(b"# by hand\n"))


@pytest.mark.parametrize("how", ["rename", "inplace"], indirect=True)
def test_a_failing_probe_leaves_the_original_bytes(rig: Rig, how: str) -> None:
    with rig.link() as link:
        plan, new = plan_route(link, rig), transaction.new_id()
        with pytest.raises(Restored):
            transaction.run(link.session(), plan, link.options, new, step, lambda: "no answer")
    assert judge(rig, expect("old", 4), 4, "everything was restored").violations == []
