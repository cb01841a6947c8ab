"""The flow of a changing command over nodes, with the nodes played by functions."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import click
import pytest

from nginxws.cli import change as flow
from nginxws.cli import signals
from nginxws.cli.change import Change, ChangeSettings
from nginxws.deploy import Applied
from nginxws.errors import ConfigError, ConnectionFailed, Interrupted, NginxwsError, Restored, StaleError
from nginxws.nodes.probe.types import ProbeResult
from nginxws.nodes.transaction import Committed, Workers
from nginxws.plan import NodePlan, Put
from nginxws.planner import make_plan
from nginxws.report.progress import Progress
from nginxws.route import Route
from nginxws.snapshot import FileState, NginxInfo, Snapshot

MAIN = "/n.conf"
SITE = b"events { }\nhttp { server { listen 80; location / { root /srv; } } }\n"
ROUTE = Route.create("/ws/", ["10.0.0.5:8080"])
PROVED = ProbeResult(True, 101, None, "application", "a WebSocket opened", None)


@dataclass
class Node:
    """Stands for a NodeLink and its Reading."""

    name: str
    reads: Callable[[], Snapshot]
    closed: bool = False

    def result(self) -> Snapshot:
        return self.reads()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closed = True


@dataclass
class Nodes:
    """What happened on all nodes."""

    applied: list[str] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)
    unprovable: NginxwsError | None = None
    signals: list[signal.Signals] = field(default_factory=list)

    def check(self, _link: Any, _plan: NodePlan, _policy: Any) -> None:
        if self.unprovable is not None:
            raise self.unprovable

    def apply(
        self, link: Any, plan: NodePlan, _policy: Any, _on_step: Any, *, on_committed: Callable[[], None]
    ) -> Applied:
        if self.failures:
            raise self.failures.pop(0)
        self.applied.append(link.name)
        on_committed()
        if self.signals:
            signal.raise_signal(self.signals.pop(0))
        return Applied(Committed(1, "", Workers(1)), tuple((probe.route, PROVED) for probe in plan.probes))


def snapshot(data: bytes = SITE) -> Snapshot:
    return Snapshot("n", NginxInfo(conf=MAIN, main=MAIN), (FileState(MAIN, MAIN, data),), master=1)


def fails(error: BaseException) -> Callable[[], Snapshot]:
    def read() -> Snapshot:
        raise error

    return read


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> Nodes:
    made = Nodes()
    monkeypatch.setattr(flow, "apply", made.apply)
    monkeypatch.setattr(flow, "check_provable", made.check)
    monkeypatch.setattr(
        flow, "prove_standing", lambda _link, plan, *_: tuple((p.route, PROVED) for p in plan.standing)
    )
    monkeypatch.setattr(flow, "read_node", lambda link, on_step, undo: snapshot())
    return made


def run(*several: Node, make: Callable[[Snapshot], NodePlan] | None = None, **settings: Any) -> int:
    change = Change(make or (lambda now: make_plan(now, [Put(ROUTE)])), ChangeSettings(**settings))
    pairs: Any = [(node, node) for node in several]
    code = change.on_nodes(pairs, Progress(verbose=False, quiet=True))
    return int(code)


def test_every_node_gets_the_change(nodes: Nodes, capsys: pytest.CaptureFixture[str]) -> None:
    two = [Node("lb1", snapshot), Node("lb2", snapshot)]
    assert run(*two) == 0
    assert nodes.applied == ["lb1", "lb2"]
    assert all(node.closed for node in two)
    assert "lb2: /ws/: live: a WebSocket opened\n" in capsys.readouterr().out


def test_nothing_to_do_touches_nothing(nodes: Nodes, capsys: pytest.CaptureFixture[str]) -> None:
    data = make_plan(snapshot(), [Put(ROUTE)]).files[0].after
    assert run(Node("lb1", lambda: snapshot(data)), dry_run=True, detailed_exitcode=True) == 0
    assert run(Node("lb1", lambda: snapshot(data))) == 0
    assert nodes.applied == []
    told = capsys.readouterr().out
    assert "nothing to do" in told
    assert "live: a WebSocket opened" in told, "proved all the same, but in the dry run"
    assert told.count("live") == 1


def test_a_dry_run(nodes: Nodes, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(Node("lb1", snapshot), dry_run=True) == 0
    assert run(Node("lb1", snapshot), dry_run=True, detailed_exitcode=True) == 2
    assert nodes.applied == []
    assert capsys.readouterr().out.count("+++ b/n.conf") == 2


def test_what_fails_on_one_node_is_not_tried_on_the_next(
    nodes: Nodes, capsys: pytest.CaptureFixture[str]
) -> None:
    nodes.failures.append(Restored("bad"))
    two = [Node("lb1", snapshot), Node("lb2", snapshot)]
    assert run(*two) == 4
    assert nodes.applied == []
    assert all(node.closed for node in two)
    told = capsys.readouterr().err
    assert told.startswith("error: lb1: bad\nerror: lb2: not tried: an earlier node failed\n")


def test_a_dry_run_asks_every_node_and_the_worst_ending_counts(
    nodes: Nodes, capsys: pytest.CaptureFixture[str]
) -> None:
    two = [Node("lb1", fails(ConnectionFailed("gone"))), Node("lb2", snapshot)]
    assert run(*two, dry_run=True) == 6
    assert nodes.applied == []
    output = capsys.readouterr()
    assert output.err == "error: lb1: gone\n"
    assert "+++ b/" in output.out


def test_a_node_that_cant_be_reached_is_passed_over(nodes: Nodes, capsys: pytest.CaptureFixture[str]) -> None:
    two = [Node("lb1", fails(ConnectionFailed("gone"))), Node("lb2", snapshot)]
    assert run(*two) == 6
    assert nodes.applied == ["lb2"]
    assert capsys.readouterr().err == "error: lb1: gone\n"


def test_a_stopped_nginx(nodes: Nodes, capsys: pytest.CaptureFixture[str]) -> None:
    for dry_run in (False, True):
        assert run(Node("lb1", lambda: replace(snapshot(), master=0)), dry_run=dry_run) == 1
        assert "NGINX is not running" in capsys.readouterr().err
    assert nodes.applied == []


def test_what_cant_be_proved_is_not_tried(nodes: Nodes, capsys: pytest.CaptureFixture[str]) -> None:
    nodes.unprovable = ConfigError("couldn't be proved")
    assert run(Node("lb1", snapshot)) == 1
    assert nodes.applied == []


def test_what_was_undone_first_is_told(nodes: Nodes, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(Node("lb1", lambda: replace(snapshot(), recovered="a change by op@desk"))) == 0
    assert "warning: n: undone first: a change by op@desk\n" in capsys.readouterr().err


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), BrokenPipeError()])
def test_a_report_that_cant_be_written_keeps_the_code(
    nodes: Nodes, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: OSError
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(flow, "show_outcomes", refuse)
    monkeypatch.setattr("nginxws.report.text.hush", lambda: None)
    assert run(Node("lb1", snapshot)) == 0
    assert nodes.applied == ["lb1"]
    told = capsys.readouterr().err
    assert ("the report could not be written: No space left" in told) is not isinstance(
        error, BrokenPipeError
    )


@pytest.mark.parametrize("error", [KeyboardInterrupt(), Interrupted("stopped", node="lb1")])
def test_an_interrupt_ends_the_whole_command(
    nodes: Nodes, capsys: pytest.CaptureFixture[str], error: BaseException
) -> None:
    nodes.failures.append(error)
    two = [Node("lb1", snapshot), Node("lb2", snapshot)]
    assert run(*two) == 130
    assert nodes.applied == []
    assert capsys.readouterr().err.startswith("error: lb1: ")


@pytest.fixture
def program() -> Iterator[None]:
    """The program's own signal handlers, for one test."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    hook = sys.unraisablehook
    signals.install()
    yield
    signals._installed.clear()
    sys.unraisablehook = hook
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("program")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_after_the_commit_changes_nothing_of_the_report(
    nodes: Nodes, capsys: pytest.CaptureFixture[str], number: signal.Signals
) -> None:
    nodes.signals.append(number)
    assert run(Node("lb1", snapshot)) == 0
    assert nodes.applied == ["lb1"]
    assert "lb1: /ws/: added" in capsys.readouterr().out


@pytest.mark.usefixtures("program")
def test_but_spares_the_nodes_that_are_left(nodes: Nodes, capsys: pytest.CaptureFixture[str]) -> None:
    nodes.signals.append(signal.SIGINT)
    assert run(Node("lb1", snapshot), Node("lb2", snapshot)) == 130
    assert nodes.applied == ["lb1"]
    told = capsys.readouterr()
    assert "lb1: /ws/: added" in told.out
    assert told.err.startswith("error: lb2: ")
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN  # settled


def test_a_node_that_changed_meanwhile_is_planned_anew(nodes: Nodes) -> None:
    nodes.failures.append(StaleError("changed"))
    assert run(Node("lb1", snapshot)) == 0
    assert nodes.applied == ["lb1"]


def test_but_not_for_ever(nodes: Nodes, capsys: pytest.CaptureFixture[str]) -> None:
    nodes.failures.append(StaleError("changed"))
    assert run(Node("lb1", snapshot), lock_timeout=-1) == 7
    assert capsys.readouterr().err == "error: lb1: changed\n"


def asked(monkeypatch: pytest.MonkeyPatch, answer: Callable[[], bool]) -> list[str]:
    questions: list[str] = []

    def confirm(text: str, **_: Any) -> bool:
        questions.append(text)
        return answer()

    monkeypatch.setattr(ChangeSettings, "asks", property(lambda self: not self.yes))
    monkeypatch.setattr(click, "confirm", confirm)
    return questions


def test_yes(nodes: Nodes, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    questions = asked(monkeypatch, lambda: True)
    assert run(Node("lb1", snapshot)) == 0
    assert questions == ["Apply this to n?"]
    assert capsys.readouterr().out.startswith("--- a/n.conf")
    assert run(Node("lb1", snapshot), yes=True) == 0
    assert len(questions) == 1


def test_a_file_is_asked_about_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "n.conf"
    path.write_bytes(SITE)
    asked(monkeypatch, lambda: False)
    change = Change(lambda now: make_plan(now, [Put(ROUTE)]), ChangeSettings())
    assert change.on_file(str(path)) == 1
    assert path.read_bytes() == SITE
    assert capsys.readouterr().err == f"error: {path}: not confirmed; nothing was changed\n"


def test_no(nodes: Nodes, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    asked(monkeypatch, lambda: False)
    assert run(Node("lb1", snapshot)) == 1
    out, err = capsys.readouterr()
    assert out.count("+++ b/n.conf") == 1
    assert "not confirmed; nothing was changed" in err
    assert nodes.applied == []


def test_control_c_at_the_question(nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    def abort() -> bool:
        raise click.Abort

    asked(monkeypatch, abort)
    assert run(Node("lb1", snapshot), Node("lb2", snapshot)) == 130
    assert nodes.applied == []


def test_a_stale_plan_that_somebody_saw_is_not_made_anew(
    nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked(monkeypatch, lambda: True)
    nodes.failures.append(StaleError("changed"))
    assert run(Node("lb1", snapshot)) == 7


@pytest.mark.parametrize(
    ("settings", "terminal", "asks"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"yes": True}, True, False),
        ({"output_format": "json"}, True, False),
    ],
)
def test_when_it_asks(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], terminal: bool, asks: bool
) -> None:
    monkeypatch.setattr("sys.stdin", Stream(terminal))
    monkeypatch.setattr("sys.stdout", Stream(True))
    found = ChangeSettings(**settings).asks
    monkeypatch.undo()
    assert found is asks


@dataclass
class Stream:
    terminal: bool

    def isatty(self) -> bool:
        return self.terminal


def test_the_code_survives_a_reader_that_went_away(nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise BrokenPipeError

    hushed: list[bool] = []
    monkeypatch.setattr(flow, "show_outcomes", broken)
    monkeypatch.setattr("nginxws.report.text.hush", lambda: hushed.append(True))
    nodes.failures.append(Restored("bad"))
    assert run(Node("lb1", snapshot)) == 4
    assert hushed == [True]
