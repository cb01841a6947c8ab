"""The confirm window, with a real frozen line: what the node does by itself, and what the command says."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace

import pytest
from faults.rig import Rig
from faults.window import freeze
from support.lines import TcpProxy
from support.nginx import wait_for

from nginxws.nodes import transaction
from nginxws.nodes.reading import read_node
from nginxws.plan import Put
from nginxws.planner import make_plan
from nginxws.route import Route

pytestmark = [pytest.mark.nginx, pytest.mark.sshd]


def test_a_node_that_hears_nothing_restores_by_itself(
    rig: Rig, record_property: Callable[[str, object], None]
) -> None:
    window = freeze(rig)
    assert window.violations() == []
    assert window.trouble() == []
    assert rig.live_echoes()
    record_property("figure", "from a frozen line to restored, by the node alone, --confirm-timeout 1 (s)")
    record_property("value", round(window.restored or 0, 2))


def test_the_command_gives_up_in_bounded_time(
    rig: Rig, record_property: Callable[[str, object], None]
) -> None:
    """It was told to keep it just before the line froze: then only the node knows, and it says so."""
    window = freeze(rig, step="commit", state="new")
    assert window.code == 6
    assert "was confirmed: the node keeps it if it heard that, else it restores itself" in window.output
    assert window.state == "new"
    record_property("figure", "from a frozen line to the command's end, exit code 6 (s)")
    record_property("value", round(window.ended, 2))


def test_a_line_that_comes_back(rig: Rig, record_property: Callable[[str, object], None]) -> None:
    """The connection is dead and a new one gets through (a firewall forgot it): the command asks again."""
    with contextlib.closing(TcpProxy(rig.server.port)) as proxy:
        argv = rig.add_route("--node", "node", "--ssh-config", str(rig.ssh_config(proxy.port)))
        began = rig.start_stopping([*argv, "--confirm-timeout", "1"], "ready")
        try:
            wait_for(began.reached.exists, "the node being ready", 30)
            proxy.stall()
        finally:
            began.go()
        code = rig.finish_soon(began.pid)
    assert code == 4, began.output.read_text()
    assert "no sign of life for 2 s); the node is as it was" in began.output.read_text()
    assert rig.state() == "old"
    wait_for(rig.at_rest, "the node at rest")


def test_a_line_that_freezes_in_the_middle_of_the_new_text(rig: Rig) -> None:
    """The node takes the new text in under its lock; a text that never comes doesn't hold that for ever."""
    with rig.link() as link:
        plan = make_plan(read_node(link, _step), [Put(Route.create("/ws/", [rig.backend.address]))])
        session, options = link.session(), replace(link.options, confirm_timeout=1)
        parameters = transaction._parameters(plan, options, transaction.new_id())
        session.request("transaction", parameters, plan.files[0].after[:10])
        steps: list[str] = []
        done = session.frames(lambda frame: steps.append(frame.text), silence=15)
        assert (done.outcome, done.code) == ("failed", "stage")
        assert "did not come within 1 s" in done.text
        assert any(step.startswith("stage") for step in steps)
        wait_for(rig.unlocked, "the lock")
    assert rig.state() == "old"
    assert rig.at_rest()


def _step(_name: str, _words: str) -> None:
    """Progress that nobody watches."""
