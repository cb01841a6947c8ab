"""``plan`` and ``apply`` with the nodes played by functions: what is asked, refused, planned anew."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Any, Self

import pytest

from nginxws.cli import carrying
from nginxws.deploy import Applied
from nginxws.errors import NginxwsError, Restored, StaleError
from nginxws.nodes.options import NodeOptions, ProbePolicy
from nginxws.nodes.probe.types import ProbeResult
from nginxws.nodes.transaction import Committed
from nginxws.plan import NodePlan, ProbePoint
from nginxws.snapshot import FileState, NginxInfo, Pending, Snapshot

Run = Callable[..., Any]
MAIN = "/n.conf"
PROVED = ProbeResult(True, 101, None, "application", "open", None)
SITE = b"http { server { listen 80; server_name a.example; location / { } } }\n"
HAND = b"http { server { listen 80; server_name a.example; location /ws/ { proxy_pass http://h:1; } } }\n"
MANIFEST = """format = 1
[nodes.lb1]
[nodes.lb2]
labels = ["edge"]
[[routes]]
path = "/ws/"
backends = ["10.0.0.5:8080"]
"""


@dataclass
class Link:
    name: str
    options: NodeOptions = field(default_factory=NodeOptions)
    is_remote: bool = False

    def session(self) -> str:
        return "session"

    def dial(self, *_: Any) -> Self:
        return self

    def close(self) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


@dataclass
class World:
    """The nodes' files, and what was done to them."""

    files: dict[str, bytes] = field(default_factory=lambda: {"lb1": SITE, "lb2": SITE})
    pending: Pending | None = None
    read: list[tuple[str, bool]] = field(default_factory=list)
    applied: list[tuple[str, NodePlan]] = field(default_factory=list)
    troubles: list[Exception] = field(default_factory=list)
    links: dict[str, Link] = field(default_factory=dict)
    policies: dict[str, ProbePolicy] = field(default_factory=dict)

    def open(self, _file: object, names: list[str], *_: object) -> list[Link]:
        self.links = {name: Link(name) for name in names}
        return list(self.links.values())

    def read_node(self, link: Link, _on_step: object, *, undo: bool = True) -> Snapshot:
        self.read.append((link.name, undo))
        state = FileState(MAIN, MAIN, self.files[link.name])
        nginx = NginxInfo(conf=MAIN, main=MAIN, dash_v="nginx version: nginx/1.26.2\nbuilt by x")
        return Snapshot(link.name, nginx, (state,), master=1, pending=self.pending)

    def apply(self, link: Link, plan: NodePlan, policies: Any, *_: object) -> Applied:
        if self.troubles:
            raise self.troubles.pop(0)
        self.policies |= {point.route: policies(point) for point in plan.probes}
        self.applied.append((link.name, plan))
        self.files[link.name] = plan.files[0].after
        return Applied(Committed(len(self.applied)), (("/ws/", PROVED),))


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    made = World()
    monkeypatch.setattr("nginxws.cli.manifest_file.links", made.open)
    monkeypatch.setattr("nginxws.nodes.reading.read_node", made.read_node)
    monkeypatch.setattr(carrying, "read_node", made.read_node)
    monkeypatch.setattr("nginxws.deploy.apply", made.apply)
    monkeypatch.setattr("nginxws.proving.Proof._probe", lambda *_: PROVED)
    monkeypatch.chdir(tmp_path)
    Path("nginxws.toml").write_text(MANIFEST)
    return made


def error_of(ran: Any) -> str:
    line = next(line for line in ran.err.splitlines() if line.startswith("error: "))
    return str(line)


def test_nodes_are_those_of_the_manifest_or_a_selection(nginxws: Run, world: World) -> None:
    assert nginxws("plan").code == 0
    assert sorted(world.read) == [("lb1", False), ("lb2", False)]
    assert list(json.loads(nginxws("plan", "--node", "edge", "--format", "json").out)["nodes"]) == ["lb2"]
    assert nginxws("plan", "--node", "lb3").code == 64
    assert nginxws("plan", "--no-manifest").code == 64


def test_a_plan_warns_of_an_interrupted_change(nginxws: Run, world: World) -> None:
    world.pending = Pending("0" * 16, "op@desk", 1)
    ran = nginxws("plan")
    assert ran.code == 0
    assert ran.err.count("was cut short, and is not undone yet") == 2
    assert {undo for _node, undo in world.read} == {False}


def test_what_is_kept_with_the_revision(nginxws: Run, world: World) -> None:
    assert nginxws("apply", "--message", "why").code == 0
    assert {len(link.options.digest) for link in world.links.values()} == {64}
    assert [name for name, _plan in world.applied] == ["lb1", "lb2"]
    assert {undo for _node, undo in world.read} == {True}


def test_somebody_faster_is_planned_around(
    nginxws: Run, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faster(*words: Any) -> Applied:
        if not world.applied:
            world.files["lb1"] = b"# new\n" + SITE
            world.applied.append(("mark", words[1]))
            raise StaleError("the file changed", hint="again")
        return world.apply(*words)

    monkeypatch.setattr("nginxws.deploy.apply", faster)
    assert nginxws("apply").code == 0
    assert [name for name, _plan in world.applied] == ["mark", "lb1", "lb2"]
    assert world.files["lb1"].startswith(b"# new\n")


def test_planned_anew_it_may_be_refused(nginxws: Run, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.troubles = [StaleError("the file changed", hint="again")]

    def read(link: Link, on_step: object, *, undo: bool = True) -> Snapshot:
        world.files["lb1"] = HAND
        return world.read_node(link, on_step, undo=undo)

    monkeypatch.setattr(carrying, "read_node", read)
    ran = nginxws("apply")
    assert ran.code == 1
    assert error_of(ran) == "error: lb1: /n.conf:1: /ws/ has a hand-written location in its way"
    assert world.applied == []


def test_no_time_left_to_plan_anew(nginxws: Run, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.troubles = [StaleError("the file changed", hint="again")]
    clock = iter(range(0, 1000, 100))
    monkeypatch.setattr(carrying, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    ran = nginxws("apply")
    assert ran.code == 7
    assert error_of(ran) == "error: lb1: the file changed"


def test_a_bug_on_one_node_doesnt_hide_the_others(nginxws: Run, world: World) -> None:
    assert nginxws("apply", "--node", "lb1").code == 0
    world.files["lb1"] = SITE
    world.troubles = [ValueError("odd")]
    ran = nginxws("apply", "--format", "json")
    assert ran.code == 1
    nodes = json.loads(ran.out)["nodes"]
    assert "this is a bug of nginxws: ValueError: odd" in nodes["lb1"]["error"]["message"]
    assert nodes["lb2"]["result"] == "not tried"


def test_ctrl_c_while_somebody_else_is_faster(
    nginxws: Run, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faster(*_: object) -> Applied:
        signal.raise_signal(signal.SIGINT)
        raise StaleError("the file changed", hint="again")

    monkeypatch.setattr("nginxws.deploy.apply", faster)
    ran = nginxws("apply", "--format", "json")
    assert ran.code == 130
    assert [node["result"] for node in json.loads(ran.out)["nodes"].values()] == ["interrupted", "not tried"]
    assert "error: lb1: interrupted; nothing was changed" in ran.err


def test_a_bug_while_planning_anew_doesnt_either(
    nginxws: Run, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.troubles = [StaleError("the file changed", hint="again")]

    def read(*_: object, **__: object) -> Snapshot:
        raise ValueError("odd")

    monkeypatch.setattr(carrying, "read_node", read)
    ran = nginxws("apply", "--format", "json")
    assert ran.code == 1
    nodes = json.loads(ran.out)["nodes"]
    assert "this is a bug of nginxws: ValueError: odd" in nodes["lb1"]["error"]["message"]
    assert nodes["lb2"]["result"] == "not tried"


def test_a_bug_on_the_way_back_doesnt_either(
    nginxws: Run, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def apply(link: Link, *words: Any) -> Applied:
        if link.name == "lb2":
            raise Restored("lb2 failed", node="lb2")
        return world.apply(link, *words)

    def take_back(*_: object, **__: object) -> Applied:
        raise ValueError("odd")

    monkeypatch.setattr("nginxws.deploy.apply", apply)
    monkeypatch.setattr(carrying, "take_back", take_back)
    ran = nginxws("apply", "--on-failure", "rollback-all", "--format", "json")
    assert ran.code == 5
    nodes = json.loads(ran.out)["nodes"]
    assert [node["result"] for node in nodes.values()] == ["kept", "restored"]
    assert "this is a bug of nginxws: ValueError: odd" in nodes["lb1"]["error"]["message"]


def test_a_conflict_on_one_node_keeps_all_untouched(nginxws: Run, world: World) -> None:
    world.files["lb2"] = HAND
    assert nginxws("plan", "--detailed-exitcode").code == 2
    ran = nginxws("apply")
    assert ran.code == 1
    assert world.applied == []
    assert "error: lb1: not tried: nothing is begun while another node can't be done\n" in ran.err
    assert "--adopt or --replace" in ran.err
    assert nginxws("apply", "--replace").code == 0
    assert len(world.applied) == 2


def test_a_node_that_isnt_running_cant_be_done(nginxws: Run, world: World, monkeypatch: Any) -> None:
    monkeypatch.setattr(
        "nginxws.nodes.reading.read_node", lambda *_, **__: replace(snapshot(world), master=0)
    )
    assert nginxws("plan").code == 1
    assert nginxws("apply").code == 1


def snapshot(world: World) -> Snapshot:
    return world.read_node(Link("lb1"), None)


def test_a_dry_run_is_the_plan(nginxws: Run, world: World) -> None:
    ran = nginxws("apply", "--dry-run", "--detailed-exitcode")
    assert (ran.code, world.applied) == (2, [])
    assert ran.out == nginxws("plan").out
    assert nginxws("apply", "--dry-run").code == 0
    assert {undo for _node, undo in world.read} == {False}


@pytest.mark.parametrize(("answer", "code", "done"), [(True, 0, 2), (False, 1, 0)])
def test_somebody_is_asked_once(
    nginxws: Run, world: World, monkeypatch: pytest.MonkeyPatch, answer: bool, code: int, done: int
) -> None:
    asked: list[str] = []

    def confirm(text: str, **_: Any) -> bool:
        asked.append(text)
        return answer

    monkeypatch.setattr("nginxws.cli.change.ChangeSettings.asks", True)
    monkeypatch.setattr("click.confirm", confirm)
    ran = nginxws("apply")
    assert (ran.code, len(world.applied)) == (code, done)
    assert asked == ["Apply this to 2 nodes?"]
    assert "lb1: 1 to add, 0 to change, 0 to remove\n" in ran.out
    if answer:
        assert nginxws("apply").code == 0
        assert len(asked) == 1, "nothing to do is nothing to ask"


def test_a_saved_plan(nginxws: Run, world: World) -> None:
    assert nginxws("plan", "--out", "p.json").code == 0
    world.pending = Pending("0" * 16, "op@desk", 1)
    ran = nginxws("apply", "p.json")
    assert ran.code == 7
    assert "not what was planned: a change by op@desk was cut short here meanwhile" in ran.err
    world.pending = None
    world.troubles = [StaleError("the file changed", node="lb1", hint="again")]
    assert nginxws("apply", "p.json").code == 7, "never planned anew"
    assert world.applied == []
    assert nginxws("apply", "p.json").code == 0
    assert {undo for _node, undo in world.read} == {False}
    assert nginxws("apply", "p.json", "--replace", "--node", "lb1").code == 64


@pytest.mark.parametrize("data", [b"http { server {", HAND + b"stray; }"])
def test_a_node_that_changed_is_stale_even_if_no_plan_can_be_made(
    nginxws: Run, world: World, data: bytes
) -> None:
    assert nginxws("plan", "--out", "p.json").code == 0
    world.files["lb2"] = data
    ran = nginxws("apply", "p.json")
    assert ran.code == 7
    assert "error: lb2: not what was planned: /n.conf changed since\n" in ran.err
    assert world.applied == []


def test_a_saved_plan_of_some_nodes_is_for_those(nginxws: Run, world: World) -> None:
    assert nginxws("plan", "--node", "lb2", "--out", "p.json").code == 0
    assert nginxws("apply", "p.json").code == 0
    assert [name for name, _plan in world.applied] == ["lb2"]


@pytest.mark.parametrize(
    ("nodes", "words"),
    [({}, "it is for no node"), ({"evil": {"planned": False}}, "evil isn't a node of the manifest")],
)
def test_a_saved_plan_for_strangers(nginxws: Run, world: World, nodes: dict[str, Any], words: str) -> None:
    nginxws("plan", "--out", "p.json")
    Path("p.json").write_text(json.dumps(json.loads(Path("p.json").read_text()) | {"nodes": nodes}))
    ran = nginxws("apply", "p.json")
    assert (ran.code, error_of(ran)) == (7, f"error: p.json: {words}")


def test_a_saved_plan_keeps_its_options(nginxws: Run, world: World) -> None:
    world.files["lb2"] = HAND
    nginxws("plan", "--replace", "--out", "p.json")
    assert nginxws("apply", "p.json").code == 0
    assert len(world.applied) == 2


def test_routes_are_proved_as_their_entries_say(nginxws: Run, world: World) -> None:
    routes = '[[routes]]\npath = "/b/"\nbackends = ["h:1"]\nprobe = "warn"\nprobe_timeout = 2\n'
    Path("nginxws.toml").write_text(f"{MANIFEST}{routes}")
    assert nginxws("apply", "--node", "lb1").code == 0
    assert world.policies["/ws/"] == ProbePolicy()
    assert world.policies["/b/"] == ProbePolicy(mode="warn", timeout=2)


def test_a_route_that_cant_be_proved_is_an_error_of_the_manifest(nginxws: Run, world: World) -> None:
    routes = '[[routes]]\npath = "^/v[0-9]+/"\nbackends = ["h:1"]\nmatch = "regex"\n'
    Path("nginxws.toml").write_text(f"{MANIFEST}{routes}")
    assert nginxws("plan").code == 0
    ran = nginxws("apply")
    assert ran.code == 1
    assert error_of(ran).startswith("error: nginxws.toml:8: no path to probe follows")
    assert world.read[2:] == [], "no node was asked"


def test_two_routes_that_turn_out_to_be_one(nginxws: Run, world: World) -> None:
    routes = '[[routes]]\npath = "/ws/"\nbackends = ["h:1"]\nserver = "a.example"\n'
    Path("nginxws.toml").write_text(f"{MANIFEST}{routes}")
    ran = nginxws("plan", "--node", "lb1")
    assert ran.code == 1
    assert "two wanted routes" in error_of(ran)
    assert error_of(ran).startswith("error: lb1: nginxws.toml:5: ")


def test_what_cant_be_proved_is_refused_before_anything(
    nginxws: Run, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unprovable(link: Link, plan: NodePlan, policies: Callable[[ProbePoint], ProbePolicy]) -> None:
        if link.name == "lb2":
            raise NginxwsError("couldn't be proved", hint="else")

    monkeypatch.setattr(carrying, "check_provable", unprovable)
    ran = nginxws("apply")
    assert (ran.code, world.applied) == (1, [])
    assert "error: lb2: couldn't be proved\n" in ran.err
