"""Commands on nodes, with the nodes played by functions: which calls are made, what is shown."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Self, TypeVar

import pytest

from nginxws.cli.targets import ChangeTimes, TargetOptions
from nginxws.errors import ConnectionFailed, LockedError, NginxwsError, Restored
from nginxws.nodes.options import NodeOptions
from nginxws.nodes.transaction import Recovered
from nginxws.snapshot import FileState, NginxInfo, Pending, Snapshot

Run = Callable[..., Any]
T = TypeVar("T")
MAIN = "/n.conf"
SITE = b"""http { server {
location /hand { proxy_pass http://h:1; proxy_set_header Upgrade $http_upgrade; }
location = /h { proxy_pass http://h:12345; proxy_set_header Upgrade $http_upgrade; }
} }
"""


@dataclass
class Link:
    name: str
    options: NodeOptions = field(default_factory=NodeOptions)
    is_remote: bool = False

    def session(self) -> str:
        return f"session of {self.name}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


@dataclass
class World:
    """What the commands are told of the nodes, and what they said."""

    snapshots: dict[str, Snapshot | NginxwsError] = field(default_factory=dict)
    recovered: Recovered | NginxwsError = field(default_factory=lambda: Recovered(False))
    holder: str | NginxwsError = ""
    targets: list[TargetOptions] = field(default_factory=list)
    times: list[ChangeTimes] = field(default_factory=list)
    forced: list[bool] = field(default_factory=list)
    undone: list[bool] = field(default_factory=list)
    accepting: list[bool] = field(default_factory=list)

    def open_links(
        self, target: TargetOptions, times: ChangeTimes | None = None, _ask: object = None
    ) -> list[Link]:
        self.targets.append(target)
        self.times.append(times or ChangeTimes())
        return [Link(name) for name in target.nodes]

    def read_node(self, link: Link, on_step: Callable[[str, str], None], *, undo: bool = True) -> Snapshot:
        self.undone.append(undo)
        on_step("connect", "")
        return said(self.snapshots[link.name])

    def recover_node(
        self, _link: Link, *, accept: bool = False, on_step: Callable[[str, str], None] | None = None
    ) -> Recovered:
        self.accepting.append(accept)
        assert on_step is not None
        on_step("restore", "")
        return said(self.recovered)

    def unlock(self, _session: str, _options: NodeOptions, *, force: bool) -> str:
        self.forced.append(force)
        return said(self.holder)


def said(answer: T | NginxwsError) -> T:
    if isinstance(answer, NginxwsError):
        raise answer
    return answer


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World()
    monkeypatch.setattr("nginxws.cli.targets.open_links", made.open_links)
    monkeypatch.setattr("nginxws.nodes.reading.read_node", made.read_node)
    monkeypatch.setattr("nginxws.nodes.reading.recover_node", made.recover_node)
    monkeypatch.setattr("nginxws.nodes.transaction.unlock", made.unlock)
    made.snapshots["lb1"] = Snapshot(
        "lb1", NginxInfo(conf=MAIN, main=MAIN), (FileState(MAIN, MAIN, SITE),), master=1
    )
    made.snapshots["lb2"] = ConnectionFailed("no route to host", hint="is it up?")
    return made


def test_list_routes(nginxws: Run, world: World) -> None:
    ran = nginxws("list-routes", "--node", "lb1", "--node", "lb2")
    assert ran.code == 6
    assert ran.out == (
        "lb1: /hand  http://h:1      hand-written  /n.conf:2  in :80\n"
        "lb1: = /h   http://h:12345  hand-written  /n.conf:3  in :80\n"
    )
    assert ran.err == "error: lb2: no route to host\nhint: is it up?\n"
    as_json = json.loads(nginxws("list-routes", "--node", "lb1", "--node", "lb2", "--format", "json").out)
    assert {key: value for key, value in as_json.items() if key != "nodes"} == {
        "format_version": "1.0",
        "changed": False,
        "failed": True,
        "rc": 6,
        "msg": "lb2: no route to host",
    }
    assert [route["path"] for route in as_json["nodes"]["lb1"]["routes"]] == ["/hand", "/h"]
    assert as_json["nodes"]["lb2"]["error"]["kind"] == "ConnectionFailed"


def test_the_environment_names_nodes(nginxws: Run, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NGINXWS_NODE", "lb1 lb2\n")
    monkeypatch.setenv("NGINXWS_SUDO", "true")
    monkeypatch.setenv("NGINXWS_SSH_TIMEOUT", "2m")
    nginxws("list-routes")
    (target,) = world.targets
    assert (target.nodes, target.sudo, target.ssh_timeout) == (("lb1", "lb2"), True, 120)
    nginxws("list-routes", "--no-sudo", "--node", "lb1")
    assert (world.targets[1].nodes, world.targets[1].sudo) == (("lb1",), False)


def test_a_dry_run_on_nodes(nginxws: Run, world: World) -> None:
    ran = nginxws(
        "remove-route", "/ws/", "--node", "lb1", "--dry-run", "-v", "--message", "why",
        "--lock-timeout", "1s", "--reload-timeout", "2s", "--confirm-timeout", "3s",
        "--reload-command", "reload", "--max-draining", "4", "--ignore-editors",
        "--nginx-conf", "/x", "--nginx-bin", "/y", "--home", "debian", "--state-dir", "/z",
        "--accept-new-host-keys", "--ask-sudo-password", "--sudo-password-fd", "3",
    )  # fmt: skip
    assert (ran.code, ran.out) == (0, "lb1: /ws/: nothing to do\n")
    assert "lb1: connecting\n" in ran.err
    assert world.undone == [False], "a dry run changes nothing, not even what a dead command left"
    assert world.times == [ChangeTimes("reload", "why", 1, 2, 3, 4, ignore_editors=True)]
    assert world.targets == [
        TargetOptions(("lb1",), None, True, None, False, True, 3, "/x", "/y", "debian", "/z")
    ]


def test_an_interrupted_change_is_told_of(nginxws: Run, world: World) -> None:
    now = world.snapshots["lb1"]
    assert isinstance(now, Snapshot)
    world.snapshots["lb1"] = replace(now, pending=Pending("0" * 16, "op@desk", 1))
    for words in (("list-routes",), ("add-route", "/ws/", "h:1", "--dry-run")):
        ran = nginxws(*words, "--node", "lb1")
        assert ran.code == 0
        assert "warning: lb1: a change by op@desk was cut short, and is not undone yet\nhint: " in ran.err
        assert world.undone[-1] is False


@pytest.mark.parametrize(
    ("found", "text", "changed"),
    [
        (Recovered(False), "nothing to recover", False),
        (Recovered(True, "killed", "0" * 16, 4), "undone: killed; the newest revision is 4", True),
        (Recovered(False, accepted=True), "kept as it is", True),
        (Recovered(False, "bad", accepted=True), "kept as it is, but NGINX doesn't serve it: bad", True),
    ],
)
def test_recover(nginxws: Run, world: World, found: Recovered, text: str, changed: bool) -> None:
    world.recovered = found
    ran = nginxws("recover", "--node", "lb1", "--lock-timeout", "5s", "--reload-command", "again")
    assert (ran.code, ran.out) == (0, f"lb1: {text}\n")
    assert (world.times[0].lock_timeout, world.times[0].reload_command) == (5, "again")
    assert nginxws("recover", "--node", "lb1", "--accept", "--reload-timeout", "9").code == 0
    assert (world.accepting, world.times[1].reload_timeout) == ([False, True], 9)
    assert nginxws("recover", "--node", "lb1", "-q").out == ""
    result = json.loads(nginxws("recover", "--node", "lb1", "--format", "json").out)
    assert result == {
        "format_version": "1.0",
        "changed": changed,
        "failed": False,
        "rc": 0,
        "msg": "",
        "nodes": {"lb1": {"changed": changed, "text": text, "revision": found.last_revision, "error": None}},
    }


def test_unlock(nginxws: Run, world: World) -> None:
    assert nginxws("unlock", "--node", "lb1").out == "lb1: not locked\n"
    world.holder = "op@desk (process 12)"
    told = nginxws("unlock", "--node", "lb1", "--force").out
    assert told == "lb1: freed: it was locked by op@desk (process 12)\n"
    assert world.forced == [False, True]
    world.holder = LockedError("locked by op@desk", hint="use --force")
    ran = nginxws("unlock", "--node", "lb1", "--format", "json")
    assert ran.code == 7
    assert ran.err == "error: lb1: locked by op@desk\nhint: use --force\n"
    result = json.loads(ran.out)
    assert (result["changed"], result["failed"], result["rc"]) == (False, True, 7)
    assert result["msg"] == "lb1: locked by op@desk"
    node = result["nodes"]["lb1"]
    assert (node["changed"], node["text"], node["holder"], node["error"]["code"]) == (False, "", None, 7)


@pytest.mark.parametrize(
    ("command", "steps"),
    [
        ("list-routes", ["connecting"]),
        ("recover", ["connecting", "restoring"]),
        ("unlock", ["connecting", "looking at the lock"]),
    ],
)
def test_steps_are_told_when_verbose(nginxws: Run, world: World, command: str, steps: list[str]) -> None:
    told = "".join(f"lb1: {step}\n" for step in steps)
    assert nginxws(command, "--node", "lb1", "-v").err == told
    assert nginxws(command, "--node", "lb1").err == ""
    assert nginxws(command, "--node", "lb1", "-v", "--format", "json").err == told


@pytest.mark.parametrize("command", ["recover", "unlock"])
def test_quiet_says_only_errors(nginxws: Run, world: World, command: str) -> None:
    quiet = nginxws(command, "--node", "lb1", "-q")
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")
    world.recovered = world.holder = LockedError("locked by op@desk", hint="wait")
    quiet = nginxws(command, "--node", "lb1", "-q")
    assert (quiet.code, quiet.out, quiet.err) == (7, "", "error: lb1: locked by op@desk\nhint: wait\n")


def test_a_quiet_list_is_the_list_without_notes(nginxws: Run, world: World) -> None:
    assert nginxws("list-routes", "--node", "lb1", "-q").out.startswith("lb1: /hand  ")
    world.snapshots["lb1"] = Snapshot("lb1", NginxInfo(conf=MAIN, main=MAIN), (FileState(MAIN, MAIN, b""),))
    loud = nginxws("list-routes", "--node", "lb1")
    assert (loud.code, loud.out, loud.err) == (0, "", "lb1: no WebSocket routes\n")
    quiet = nginxws("list-routes", "--node", "lb1", "-q")
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")


class Closed(io.StringIO):
    """A pipe whose reader went away (``| head -1``)."""

    def write(self, text: str) -> int:
        raise BrokenPipeError(32, "Broken pipe")

    def flush(self) -> None:
        raise BrokenPipeError(32, "Broken pipe")


@pytest.mark.parametrize("streams", [("stdout",), ("stderr",), ("stdout", "stderr")])
@pytest.mark.parametrize("words", [("-v",), ("--format", "json", "-v")])
def test_the_work_isnt_cut_by_who_reads(
    nginxws: Run, world: World, monkeypatch: pytest.MonkeyPatch, streams: Sequence[str], words: Sequence[str]
) -> None:
    for name in streams:
        monkeypatch.setattr(sys, name, Closed())
    world.recovered = Restored("odd")
    assert nginxws("recover", "--node", "lb1", "--node", "lb2", "--node", "lb3", *words).code == 4
    assert len(world.accepting) == 3
    world.recovered = Recovered(True, "killed")
    assert nginxws("recover", "--node", "lb1", "--node", "lb2", *words).code == 0
    assert len(world.accepting) == 5
    assert nginxws("unlock", "--node", "lb1", "--node", "lb2", *words).code == 0
    assert len(world.forced) == 2


def test_a_list_that_nobody_reads_ends_quietly(
    nginxws: Run, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for words in ((), ("--format", "json"), ("-v",)):
        with monkeypatch.context() as patched:
            patched.setattr(sys, "stdout", Closed())
            ran = nginxws("list-routes", "--node", "lb1", "--node", "lb1", *words)
        assert ran.code == 0
        assert "error" not in ran.err


def test_a_report_that_cant_be_written_is_told(
    nginxws: Run, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("nginxws.report.recovery.show_lines", full)
    ran = nginxws("recover", "--node", "lb1", "--node", "lb2")
    assert ran.code == 0
    assert ran.err.count("warning: the report could not be written: No space left on device\n") == 2
    assert len(world.accepting) == 2
