"""Carrying a plan out: what is probed, when it is kept, and what the error says; the node is played."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from nginxws import deploy, proving
from nginxws.deploy import NodeOutcome, apply, check_plan, refuse_stopped, worst
from nginxws.errors import (
    ConfigError,
    ConnectionFailed,
    ExitCode,
    Interrupted,
    LockedError,
    NginxwsError,
    NodeError,
    ProtocolError,
    Restored,
    RestoreFailed,
    StaleError,
)
from nginxws.nodes.interrupts import Interrupts
from nginxws.nodes.options import NodeOptions, ProbePolicy
from nginxws.nodes.probe.types import ProbeRequest, ProbeResult
from nginxws.nodes.transaction import Committed, Recovered
from nginxws.plan import FilePlan, NodePlan, ProbePoint
from nginxws.proving import check_provable, prove_standing
from nginxws.snapshot import NginxInfo, Snapshot

POINT = ProbePoint("/ws/", "/ws/", "a.example:8080", "127.0.0.1", 8080, proxy_protocol=True)
PLAN = NodePlan("lb1", (), (), (POINT, replace(POINT, route="/b/", path="/b/")))
GOOD = ProbeResult(True, 101, None, "application", "opened", None)
BAD = ProbeResult(False, 502, None, "nginx", "NGINX answered 502", "is it up?", detail="Bad Gateway")


@dataclass
class Link:
    name: str = "lb1"
    options: NodeOptions = field(default_factory=lambda: NodeOptions(confirm_timeout=0, reload_timeout=0))
    ended: int = 0
    reconnected: int = 0
    dialled: list[tuple[str, int]] = field(default_factory=list)

    def session(self) -> str:
        return "session"

    def end_session(self) -> None:
        self.ended += 1

    def reconnect(self) -> None:
        self.reconnected += 1

    def dial(self, host: str, port: int, timeout: float) -> Any:
        self.dialled.append((host, port))
        return io.BytesIO()


@dataclass
class Node:
    """Plays the transaction and the probes."""

    results: list[ProbeResult]
    requests: list[ProbeRequest] = field(default_factory=list)
    error: NginxwsError | None = None
    link: Link = field(default_factory=Link)

    def run(
        self, _s: Any, _p: Any, _o: Any, _id: str, _on_step: Any, decide: Callable[[], str | None], *_: Any
    ) -> Committed:
        if self.error is not None:
            raise self.error
        reason = decide()
        if reason is not None:
            error = Restored("the probe failed", node="lb1", detail=reason)
            error.cause = "probe"
            raise error
        return Committed(3)

    def probe(self, dial: Callable[[], Any], request: ProbeRequest, _deadline: float) -> ProbeResult:
        dial()
        self.requests.append(request)
        return self.results.pop(0)

    def apply(self, plan: NodePlan = PLAN, **policy: Any) -> deploy.Applied:
        link: Any = self.link
        return apply(link, plan, ProbePolicy(**policy), lambda *_: None)


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Node:
    made = Node([GOOD, GOOD])
    monkeypatch.setattr("nginxws.nodes.transaction.run", made.run)
    monkeypatch.setattr("nginxws.nodes.transaction.new_id", lambda: "id")
    monkeypatch.setattr(proving, "probe_until", made.probe)
    return made


def test_every_route_is_probed_at_its_listener(node: Node) -> None:
    applied = node.apply()
    assert applied.probes == (("/ws/", GOOD), ("/b/", GOOD))
    assert applied.committed.revision == 3
    assert node.link.dialled == [("127.0.0.1", 8080)] * 2
    assert node.link.ended == 1
    first = node.requests[0]
    assert (first.path, first.host, first.proxy_protocol, first.verify_tls) == (
        "/ws/",
        "a.example:8080",
        True,
        False,
    )
    assert first.listener == "127.0.0.1:8080 of the node"


def test_what_the_user_says_of_the_probe(node: Node) -> None:
    node.apply(path="/other?x", host="b.example", headers=(("Origin", "x"),), expect=401, timeout=2.0)
    first = node.requests[0]
    assert (first.path, first.host, first.expect, first.timeout) == ("/other?x", "b.example", 401, 2.0)
    assert first.headers == (("Origin", "x"),)


def test_a_failed_proof_is_told_in_its_own_words(node: Node) -> None:
    node.results = [BAD]
    with pytest.raises(Restored, match="did not prove itself: NGINX answered 502") as caught:
        node.apply()
    assert (caught.value.hint, caught.value.detail, caught.value.node) == ("is it up?", "Bad Gateway", "lb1")
    assert len(node.requests) == 1
    assert node.link.ended == 1


def test_warn_keeps_the_change(node: Node) -> None:
    node.results = [BAD, GOOD]
    assert node.apply(mode="warn").probes == (("/ws/", BAD), ("/b/", GOOD))


def test_off_probes_nothing(node: Node) -> None:
    assert node.apply(mode="off").probes == ()
    assert node.requests == []


def test_a_restore_for_another_reason_is_left_as_it_is(node: Node) -> None:
    node.error = Restored("NGINX refuses it")
    with pytest.raises(Restored, match="NGINX refuses it"):
        node.apply()


@pytest.mark.parametrize("host", ["a.example", None])
def test_a_route_that_cant_be_probed(node: Node, host: str | None) -> None:
    plan = replace(PLAN, probes=(replace(POINT, host=host, problem="no way"),))
    with pytest.raises(Restored, match="no way") as caught:
        node.apply(plan)
    assert ("--probe-host" in str(caught.value.hint)) == (host is None)
    assert "--probe-url" in str(caught.value.hint)
    assert node.requests == []


def test_a_host_of_the_user_solves_a_missing_name(node: Node) -> None:
    node.apply(replace(PLAN, probes=(replace(POINT, host=None, problem="no name"),)), host="b.example")
    assert node.requests[0].host == "b.example"
    with pytest.raises(Restored, match="no port"):
        node.apply(replace(PLAN, probes=(replace(POINT, problem="no port"),)), host="b.example")


def test_a_proof_from_outside(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nginxws.nodes.streams.dial_tcp", lambda host, port, timeout: None)
    node.apply(url="wss://a.example/live/")
    first = node.requests[0]
    assert (first.path, first.host, first.tls, first.verify_tls) == ("/live/", "a.example", True, True)
    assert first.option("header") == "--probe-header"
    assert node.link.dialled == []


@pytest.mark.parametrize("error", [ConnectionFailed("cut"), ProtocolError("unexpected answer")])
def test_a_connection_that_broke(node: Node, monkeypatch: pytest.MonkeyPatch, error: NginxwsError) -> None:
    """A conversation that makes no sense any more is over: what became of the change, a new one tells."""
    node.error = error
    monkeypatch.setattr("nginxws.nodes.transaction.recover", lambda *_: Recovered(False, "", "another", 9))
    with pytest.raises(Restored, match="the connection broke"):
        node.apply()
    assert node.link.reconnected == 1


@pytest.mark.parametrize(
    ("error", "confirmed", "words"),
    [
        (ConnectionFailed("cut"), True, None),
        (ConnectionFailed("cut"), False, "never confirmed"),
        (ProtocolError("a job of the profile printed among the frames"), True, None),
        (ProtocolError("committed, and nobody said so"), False, "never confirmed"),
    ],
)
def test_a_change_that_was_kept_is_success_only_if_this_side_confirmed_it(
    node: Node, monkeypatch: pytest.MonkeyPatch, error: NginxwsError, confirmed: bool, words: str | None
) -> None:
    def broken(*arguments: Any) -> Committed:
        if confirmed:
            assert arguments[5]() is None
        raise error

    monkeypatch.setattr("nginxws.nodes.transaction.run", broken)
    monkeypatch.setattr("nginxws.nodes.transaction.recover", lambda *_: Recovered(False, "", "id", 9))
    if words is None:
        assert node.apply().committed.revision == 9
        return
    with pytest.raises(RestoreFailed, match=words) as caught:
        node.apply()
    assert caught.value.hint


def test_a_node_that_stays_away(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any) -> Recovered:
        raise LockedError("still at it")

    waited: list[float] = []
    node.link.options = NodeOptions(confirm_timeout=2, reload_timeout=0)
    node.error = ConnectionFailed("cut")
    monkeypatch.setattr("nginxws.nodes.transaction.recover", away)
    monkeypatch.setattr("time.sleep", waited.append)
    monkeypatch.setattr("time.monotonic", lambda: float(len(waited)))
    with pytest.raises(
        ConnectionFailed, match="can't be asked again: the change was not confirmed"
    ) as caught:
        node.apply()
    assert "after 2 s of silence" in str(caught.value)
    assert "nginxws recover" in str(caught.value.hint)
    assert len(waited) == 3


def test_a_node_that_stays_away_after_the_word(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once commit was said nobody here knows; and answers without sense aren't asked for again."""

    def cut_after_the_word(*words: Any) -> Committed:
        assert words[5]() is None
        raise ConnectionFailed("cut")

    def nonsense(*_: Any) -> Recovered:
        raise ProtocolError("unexpected answer")

    monkeypatch.setattr("nginxws.nodes.transaction.run", cut_after_the_word)
    monkeypatch.setattr("nginxws.nodes.transaction.recover", nonsense)
    with pytest.raises(ConnectionFailed, match="the change was confirmed: the node keeps it if it heard"):
        node.apply()
    assert node.link.reconnected == 1


def plan_of(before: bytes, after: bytes) -> NodePlan:
    return NodePlan("lb1", (), (FilePlan("/n.conf", "/n.conf", before, after, ()),), contexts={})


NOW = Snapshot("lb1", NginxInfo(conf="/n.conf", main="/n.conf"), ())


def test_errors_that_the_change_would_bring_in() -> None:
    good, bad = b"events { }\n", b"events { }\nhttp { server { listen; root; } }\n"
    assert check_plan(NOW, plan_of(good, good + b"# x\n")) == ()
    old = check_plan(NOW, plan_of(bad, bad + b"# x\n"))
    assert {(one.severity, one.file, one.line) for one in old} == {("warning", "/n.conf", 2)}
    with pytest.raises(ConfigError, match="would bring in an error") as caught:
        check_plan(NOW, plan_of(good, bad))
    assert (caught.value.node, caught.value.file, caught.value.line) == ("lb1", "/n.conf", 2)
    assert "root" in str(caught.value.detail)
    with pytest.raises(ConfigError) as alone:
        check_plan(NOW, plan_of(good, b"events { }\nhttp { root; }\n"))
    assert alone.value.detail is None


def test_a_configuration_that_fails_already() -> None:
    plan = plan_of(b"", b"# x\n")
    with pytest.raises(ConfigError, match="before this command") as caught:
        check_plan(replace(NOW, test_failure="nginx: [emerg] unknown directive"), plan)
    assert caught.value.detail == "nginx: [emerg] unknown directive"
    check_plan(replace(NOW, test_failure="open() failed (13: Permission denied)"), plan)


@pytest.mark.parametrize(
    ("errors", "code"),
    [
        ([], 0),
        ([None, None], 0),
        ([None, ConfigError("x")], 1),
        ([ConfigError("x"), LockedError("x")], 7),
        ([StaleError("x"), ConnectionFailed("x")], 6),
        ([Restored("x"), ConnectionFailed("x")], 4),
        ([Restored("x"), Interrupted("x")], 130),
        ([RestoreFailed("x"), Interrupted("x"), None], 5),
    ],
)
def test_the_worst_of_several(errors: list[NginxwsError | None], code: int) -> None:
    assert worst(NodeOutcome("n", error=error) for error in errors) == ExitCode(code)


def test_every_exit_code_has_its_rank() -> None:
    assert set(deploy._URGENCY) == set(ExitCode)


def test_done() -> None:
    assert not NodeOutcome("n").done
    assert NodeOutcome("n", written=True).done
    assert NodeOutcome("n", applied=deploy.Applied(Committed(1))).done


def test_a_proof_that_cant_be_made_is_refused_beforehand(node: Node) -> None:
    link: Any = node.link
    hopeless = NodePlan("lb1", (), (), (replace(POINT, host=None, problem="no name"),))
    with pytest.raises(ConfigError, match="couldn't be proved: no name") as caught:
        check_provable(link, hopeless, ProbePolicy())
    assert "--probe-host" in str(caught.value.hint)
    for policy in (
        ProbePolicy("warn"),
        ProbePolicy("off"),
        ProbePolicy(url="wss://a/"),
        ProbePolicy(host="a"),
    ):
        check_provable(link, hopeless, policy)
    check_provable(link, NodePlan("lb1", (), ()), ProbePolicy())


@pytest.mark.parametrize(
    ("words", "refused"), [("the server forbids it", True), ("connection refused", False)]
)
def test_a_channel_that_the_server_forbids(node: Node, words: str, refused: bool) -> None:
    def dial(_host: str, _port: int, _timeout: float) -> None:
        raise ConnectionRefusedError(words) from ConnectionFailed(words, hint="allow it")

    link: Any = node.link
    link.dial = dial
    if refused:
        with pytest.raises(NodeError, match="forbids") as caught:
            check_provable(link, PLAN, ProbePolicy())
        assert "--probe warn" in str(caught.value.hint)
    else:
        check_provable(link, PLAN, ProbePolicy())


def test_a_stopped_nginx_is_refused() -> None:
    refuse_stopped(replace(NOW, master=7))
    with pytest.raises(NodeError, match="not running"):
        refuse_stopped(NOW)


def test_routes_that_stay_are_proved_again(node: Node) -> None:
    link: Any = node.link
    still = NodePlan("lb1", (), (), standing=(POINT, replace(POINT, route="/b/")))
    steps: list[tuple[str, str]] = []
    results = prove_standing(link, still, ProbePolicy(), lambda *step: steps.append(step))
    assert [(route, result.ok) for route, result in results] == [("/ws/", True), ("/b/", True)]
    assert steps == [("probe", "/ws/"), ("probe", "/b/")]
    assert prove_standing(link, still, ProbePolicy("off"), lambda *_: None) == ()
    node.results[:] = [GOOD, BAD]
    assert len(prove_standing(link, still, ProbePolicy("warn"), lambda *_: None)) == 2
    node.results[:] = [GOOD, BAD]
    with pytest.raises(NodeError, match="/b/ is there, unchanged, and does not prove itself") as caught:
        prove_standing(link, still, ProbePolicy(), lambda *_: None)
    assert (caught.value.hint, caught.value.detail) == ("is it up?", "Bad Gateway")


def test_every_route_in_its_own_way(node: Node) -> None:
    """Where each route has its own policy: one off, one that only warns."""
    ways = {"/ws/": ProbePolicy(mode="off"), "/b/": ProbePolicy(mode="warn", timeout=3.0, host="b.example")}
    node.results = [BAD]
    link: Any = node.link
    done = apply(link, PLAN, lambda point: ways[point.route], lambda *_: None)
    assert done.probes == (("/b/", BAD),)
    assert [(request.host, request.timeout) for request in node.requests] == [("b.example", 3.0)]


def test_only_what_must_be_proved_must_be_provable(node: Node) -> None:
    link: Any = node.link
    plan = replace(PLAN, probes=tuple(replace(point, problem="no port") for point in PLAN.probes))
    check_provable(link, plan, lambda point: ProbePolicy(mode="warn" if point.route == "/b/" else "off"))
    with pytest.raises(ConfigError, match="/b/ couldn't be proved: no port"):
        check_provable(
            link, plan, lambda point: ProbePolicy(mode="required" if point.route == "/b/" else "off")
        )


def test_an_interrupted_thread_probes_no_further_route(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupts = Interrupts()
    link: Any = node.link

    def probe(*_: Any) -> ProbeResult:
        interrupts.asked = True
        return GOOD

    monkeypatch.setattr(proving, "probe_until", probe)
    proof = proving.Proof(link, PLAN, ProbePolicy(), lambda *_: None, interrupts.listener())
    assert proof.decide() == "interrupted"
    assert (proof.results, proof.failed, proof.agreed) == ([("/ws/", GOOD)], None, False)
    standing = replace(PLAN, probes=(), standing=PLAN.probes)
    with pytest.raises(Interrupted, match="nothing was changed"):
        prove_standing(link, standing, ProbePolicy(), lambda *_: None, interrupts.listener())


def test_an_interrupted_thread_waits_for_no_answer(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backend that says nothing would hold Ctrl-C up for the whole of --probe-timeout."""
    interrupts, over = Interrupts(), threading.Event()
    link: Any = node.link

    def probe(*_: Any) -> ProbeResult:
        interrupts.asked = True
        over.wait(60)
        return GOOD

    monkeypatch.setattr(proving, "probe_until", probe)
    proof = proving.Proof(link, PLAN, ProbePolicy(), lambda *_: None, interrupts.listener())
    began = time.monotonic()
    try:
        assert proof.decide() == "interrupted"
    finally:
        over.set()
    assert time.monotonic() - began < 30
    assert (proof.results, proof.agreed) == ([], False)


def test_what_a_probe_raises_in_a_thread_is_raised(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    def probe(*_: Any) -> ProbeResult:
        raise ConnectionFailed("cut")

    link: Any = node.link
    monkeypatch.setattr(proving, "probe_until", probe)
    proof = proving.Proof(link, PLAN, ProbePolicy(), lambda *_: None, Interrupts().listener())
    with pytest.raises(ConnectionFailed, match="cut"):
        proof.decide()


@pytest.mark.parametrize(
    ("outcome", "result"),
    [
        (NodeOutcome("a"), "unchanged"),
        (NodeOutcome("a", replace(PLAN, files=(FilePlan("/n", "/n", b"", b"x", ()),))), "planned"),
        (NodeOutcome("a", PLAN, written=True), "written"),
        (NodeOutcome("a", PLAN, deploy.Applied(Committed(1))), "applied"),
        (NodeOutcome("a", PLAN, deploy.Applied(Committed(1)), StaleError("x")), "kept"),
        (NodeOutcome("a", error=StaleError("x")), "failed"),
        (NodeOutcome("a", error=Restored("x")), "restored"),
        (NodeOutcome("a", error=Interrupted("x")), "interrupted"),
        (NodeOutcome("a", error=RestoreFailed("x")), "restore failed"),
        (NodeOutcome("a", error=NodeError("x"), skipped=True), "not tried"),
    ],
)
def test_what_became_of_a_node(outcome: NodeOutcome, result: str) -> None:
    assert outcome.result == result


def test_what_was_taken_back_isnt_done() -> None:
    done = NodeOutcome("a", PLAN, deploy.Applied(Committed(1)))
    back = replace(done, taken_back=deploy.Applied(Committed(2), (("/ws/", BAD),)))
    assert (done.done, back.done, back.result) == (True, False, "rolled back")
    assert back.probes == (("/ws/", BAD),)
