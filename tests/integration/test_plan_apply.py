"""``plan`` and ``apply`` on three balancers, by the command line alone."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from integration.conftest import NodeFactory
from support.backend import Backend, echoes
from support.command import Nginxws
from support.fleet import Fleet, route
from support.nginx import main_conf, wait_for
from support.schemas import hold
from support.sshd import SshServer

pytestmark = [pytest.mark.nginx, pytest.mark.sshd]


@pytest.fixture
def fleet(
    make_node: NodeFactory, tmp_path: Path, command: Nginxws, ssh_server: SshServer, backend: Backend
) -> Fleet:
    nodes = []
    for prefix in (tmp_path / f"lb{number}" for number in (1, 2, 3)):
        main = main_conf(prefix).replace("error.log;", "error.log notice;")
        nodes.append(make_node(prefix=prefix, main=main))
    folder = tmp_path / "team"
    folder.mkdir()
    made = Fleet(folder, nodes, "node", command.at("--ssh-config", str(ssh_server.config)))
    made.write(route("/ws/", backend.address), route("/chat/", backend.address, nodes='["lb1", "lb3"]'))
    return made


def actions(document: dict[str, object], node: str) -> dict[str, str]:
    nodes = document["nodes"]
    assert isinstance(nodes, dict)
    return {change["route"]: change["action"] for change in nodes[node]["changes"]}


def results(document: dict[str, object]) -> dict[str, str]:
    nodes = document["nodes"]
    assert isinstance(nodes, dict)
    return {name: node["result"] for name, node in nodes.items()}


def test_the_life_of_a_manifest(fleet: Fleet, backend: Backend) -> None:
    first = fleet.digests()
    original = {name: node.site.read_bytes() for name, node in fleet.nodes.items()}
    planned = fleet("plan", "--detailed-exitcode", "--format", "json", code=2).held("plan")
    assert actions(planned, "lb2") == {"/ws/": "add"}
    assert actions(planned, "lb3") == {"/ws/": "add", "/chat/": "add"}
    assert fleet.digests() == first, "a plan changes nothing"
    assert "lb1: 2 to add, 0 to change, 0 to remove\n" in fleet("plan").out

    done = fleet("apply", "--message", "first")
    assert done.out.splitlines()[-4:] == [
        "NODE  RESULT   ROUTES   REVISION",
        "lb1   applied  2 added  1",
        "lb2   applied  1 added  1",
        "lb3   applied  2 added  1",
    ]
    for node in fleet.nodes.values():
        assert echoes(node.port)
    assert fleet.revisions() == [1, 1, 1]
    fleet("plan", "--detailed-exitcode", code=0)

    workers, logs = fleet.workers(), {node.log: node.log.read_text() for node in fleet.nodes.values()}
    again = fleet("apply", "--format", "json").held("result")
    assert results(again) == {"lb1": "unchanged", "lb2": "unchanged", "lb3": "unchanged"}
    assert again["changed"] is False
    assert [probe["ok"] for probe in again["nodes"]["lb1"]["probes"]] == [True, True], "what stands is proved"
    assert fleet.workers() == workers, "nothing to do is no reload"
    assert all("SIGHUP" not in log.read_text().removeprefix(text) for log, text in logs.items())

    site = fleet.nodes["lb2"].site
    applied = site.read_bytes()
    site.write_bytes(applied.replace(b"proxy_read_timeout 1h", b"proxy_read_timeout 2h"))
    edited = fleet.digests()
    drift = fleet("plan", "--detailed-exitcode", code=2)
    assert "lb2: 0 to add, 0 to change, 0 to remove, 1 drifted\n" in drift.out
    refused = fleet("apply", code=1)
    assert "error: lb2: " in refused.err
    assert "--overwrite-drift" in refused.hint
    assert refused.out.splitlines()[-3:] == [
        "lb1   not tried  -          -",
        "lb2   failed     1 drifted  -",
        "lb3   not tried  -          -",
    ]
    assert fleet.digests() == edited
    fleet("apply", "--overwrite-drift")
    assert site.read_bytes() == applied
    assert fleet.revisions() == [1, 2, 1]

    for name, node in fleet.nodes.items():
        fleet(
            "rollback", "0", "--node", name, *(["--surgical", "--overwrite-drift"] if name == "lb2" else [])
        )
        assert node.site.read_bytes() == original[name]


def test_a_saved_plan_is_exactly_that(fleet: Fleet, tmp_path: Path, backend: Backend) -> None:
    file = tmp_path / "plan.json"
    fleet("plan", "--out", str(file), "--detailed-exitcode", code=2)
    assert file.stat().st_mode & 0o777 == 0o600
    saved = json.loads(file.read_text())
    hold(saved, "plan")
    assert saved["nodes"]["lb3"]["nginx"].startswith("nginx/")
    assert fleet("apply", str(file), "--adopt", code=64).error
    done = fleet("apply", str(file), "--parallel", "2", "--format", "json").held("result")
    assert results(done) == {"lb1": "applied", "lb2": "applied", "lb3": "applied"}
    for name, node in saved["nodes"].items():
        assert done["nodes"][name]["files"] == node["files"]
    with_untouched = fleet.digests()
    again = fleet("apply", str(file), code=7)
    assert "error: lb1: not what was planned" in again.err
    assert fleet.digests() == with_untouched


@pytest.mark.parametrize("where", ["site", "elsewhere"])
def test_an_edit_since_the_plan_keeps_everything_untouched(fleet: Fleet, tmp_path: Path, where: str) -> None:
    node = fleet.nodes["lb2"]
    other = node.site.with_name("other.conf")
    other.write_text("server_tokens off;\n")
    file = tmp_path / "plan.json"
    fleet("plan", "--out", str(file))
    target = node.site if where == "site" else other
    target.write_bytes(target.read_bytes() + b"# a word of mine\n")
    before = fleet.digests()
    done = fleet("apply", str(file), code=7)
    assert f"error: lb2: not what was planned: {target} changed since\n" in done.err
    assert "lb1   not tried" in done.out
    assert (fleet.digests(), fleet.revisions()) == (before, [0, 0, 0])


def test_another_manifest_or_an_old_plan_is_stale(fleet: Fleet, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    fleet("plan", "--out", str(file))
    old = json.loads(file.read_text())
    for change, code, words in (
        ({"created": "2020-01-01T00:00:00+00:00"}, 7, "the plan is "),
        ({"format_version": "2.0"}, 1, "format 2.0 isn't known"),
    ):
        file.write_text(json.dumps(old | change))
        assert words in fleet("apply", str(file), code=code).error
    file.write_text(json.dumps(old))
    fleet.manifest.write_text(fleet.manifest.read_text() + "\n")
    assert "the manifest isn't the one" in fleet("apply", str(file), code=7).error
    assert fleet.revisions() == [0, 0, 0]


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port that somebody else listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("on_failure", ["stop", "rollback-all"])
def test_the_second_of_three_fails(fleet: Fleet, taken_port: int, on_failure: str) -> None:
    """A listener that an operator prepared can't be opened, so the reload fails."""
    before = fleet.digests()
    other = fleet.nodes["lb2"].site.with_name("other.conf")
    other.write_text(f"server {{ listen 127.0.0.1:{taken_port}; return 204; }}\n")
    prepared = fleet.nodes["lb2"].digests()
    third = fleet.workers()["lb3"]
    done = fleet("apply", "--on-failure", on_failure, "--reload-timeout", "5s", "--format", "json", code=4)
    back = on_failure == "rollback-all"
    first = "rolled back" if back else "applied"
    assert results(done.held("result")) == {"lb1": first, "lb2": "restored", "lb3": "not tried"}
    assert f"{taken_port}" in done.err
    assert (fleet.nodes["lb1"].digests() == before["lb1"]) is back
    assert fleet.nodes["lb2"].digests() == prepared
    assert (fleet.nodes["lb3"].digests(), fleet.workers()["lb3"]) == (before["lb3"], third)
    assert fleet.revisions() == [2 if back else 1, 0, 0]
    assert (done.json["nodes"]["lb1"].get("taken_back") == 2) is back
    assert done.json["changed"] is not back


def test_the_text_says_so_per_node(fleet: Fleet, taken_port: int) -> None:
    other = fleet.nodes["lb2"].site.with_name("other.conf")
    other.write_text(f"server {{ listen 127.0.0.1:{taken_port}; return 204; }}\n")
    done = fleet("apply", "--on-failure", "rollback-all", "--reload-timeout", "5s", code=4)
    assert done.out.splitlines()[-4:] == [
        "NODE  RESULT       ROUTES    REVISION",
        "lb1   rolled back  2 to add  2",
        "lb2   restored     1 to add  -",
        "lb3   not tried    2 to add  -",
    ]
    assert "error: lb3: not tried: lb2 failed\n" in done.err


def test_a_hundred_routes_are_one_reload(fleet: Fleet, backend: Backend) -> None:
    node = fleet.nodes["lb1"]
    old = set(node.workers())
    fleet.write(*(route(f"/r{number}/", backend.address, probe='"off"') for number in range(100)))
    fleet("apply", "--node", "lb1")
    assert fleet.revisions() == [1, 0, 0]
    wait_for(lambda: not old & set(node.workers()), "the old workers are gone")
    assert len(node.workers()) == 2
    assert node.log.read_text().count("signal 1 (SIGHUP) received") == 1
    assert echoes(node.port, "/r99/")
    fleet("plan", "--node", "lb1", "--detailed-exitcode", code=0)


def test_a_node_that_cant_be_reached_is_told_beside_the_others(fleet: Fleet, backend: Backend) -> None:
    text = fleet.manifest.read_text()
    fleet.manifest.write_text(text.replace('ssh = "node"', 'ssh = "root@127.0.0.1:1"'))
    before = fleet.digests()
    planned = fleet("plan", "--format", "json", code=6).held("plan")
    assert planned["nodes"]["lb3"]["error"]["code"] == 6
    assert actions(planned, "lb2") == {"/ws/": "add"}
    done = fleet("apply", code=6)
    assert "lb1   not tried" in done.out
    assert fleet.digests() == before


def test_ctrl_c_restores_the_nodes_under_way(fleet: Fleet, backend: Backend) -> None:
    """Two nodes at once, in threads, wait for a proof that doesn't come."""
    with socket.create_server(("127.0.0.1", 0)) as silent:  # its queue takes connections that nobody answers
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        fleet.write(
            route("/ws/", backend.address, nodes='["lb1"]'),
            route("/mute/", address, nodes='["lb2", "lb3"]', probe_timeout="3"),
        )
        before = fleet.digests()
        process = fleet.start("apply", "--parallel", "2", "--format", "json", "--verbose")
        assert process.stderr is not None
        told: set[str] = set()
        while len(told) < 2:
            line = process.stderr.readline().decode()
            assert line, "it ended early"
            if "probing the route (/mute/)" in line:
                told.add(line.partition(":")[0])
        process.send_signal(signal.SIGINT)
        done = Nginxws.finish(process)
    assert done.code == 130, done.err
    assert results(done.held("result")) == {"lb1": "applied", "lb2": "interrupted", "lb3": "interrupted"}
    after = fleet.digests()
    assert (after["lb2"], after["lb3"]) == (before["lb2"], before["lb3"])
    assert fleet.revisions() == [1, 0, 0]
    assert all(node.lock_is_free() for node in fleet.nodes.values())


def test_for_those_who_review(fleet: Fleet, tmp_path: Path, backend: Backend) -> None:
    summary = tmp_path / "summary.md"
    env = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_STEP_SUMMARY": str(summary),
        "GITHUB_WORKSPACE": str(fleet.manifest.parent),
    }
    lines = fleet.manifest.read_text().splitlines()
    line = lines.index("[[routes]]") + 1
    github = fleet("plan", "--format", "github", env=env).out
    assert (
        f"::notice file=nginxws.toml,line={line},title=nginxws%3A add::lb1: /ws/ would be added\n" in github
    )
    assert "::group::lb1\n::stop-commands::" in github
    assert "### nginxws plan\n" in summary.read_text()
    assert "| lb1 | 2 | 0 | 0 | 0 | 0 | planned |" in summary.read_text()
    gitlab = json.loads(fleet("apply", "--format", "gitlab", env={"CI_PROJECT_DIR": str(tmp_path)}).out)
    assert {issue["location"]["path"] for issue in gitlab} == {"team/nginxws.toml"}
    assert {issue["check_name"] for issue in gitlab} == {"nginxws-add"}

    fleet.manifest.write_text("\n".join([*lines, "[[routes]]", 'path = "/x/"', 'backend = "h"', ""]))
    broken = fleet("plan", "--format", "github", env=env, code=1).out
    assert broken.startswith(f"::error file=nginxws.toml,line={len(lines) + 3}")
    issues = json.loads(fleet("plan", "--format", "gitlab", code=1).out)
    assert [issue["severity"] for issue in issues] == ["major"] * len(issues)


def test_what_plan_prints_can_be_applied(fleet: Fleet, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    file.write_text(fleet("plan", "--format", "json").out)
    fleet("apply", str(file))
    assert fleet.revisions() == [1, 1, 1]


def test_a_route_that_leaves_the_manifest_goes(fleet: Fleet, backend: Backend) -> None:
    fleet("apply", "--node", "lb1")
    hand = fleet.nodes["lb1"].site.read_bytes()
    fleet.write(route("/ws/", backend.address))
    done = fleet("apply", "--node", "lb1").out
    assert "lb1   applied  1 removed  2" in done
    assert fleet.nodes["lb1"].site.read_bytes() != hand
    fleet.write()
    fleet("apply", "--node", "lb1")
    assert b"nginxws" not in fleet.nodes["lb1"].site.read_bytes()


def test_the_revision_says_where_it_comes_from(fleet: Fleet, tmp_path: Path) -> None:
    fleet("apply", "--node", "lb1", "--message", "because")
    kept = fleet("history", "--node", "lb1", "--format", "json").json["nodes"]["lb1"]
    assert "because" in json.dumps(kept)
