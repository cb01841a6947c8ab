"""How a node stands, by what is really there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from support.backend import Backend, open_socket
from support.command import Nginxws
from support.nginx import NginxNode, free_port

pytestmark = [pytest.mark.nginx, pytest.mark.sshd]


def test_a_node_in_use(nginxws: Nginxws, node: NginxNode, backend: Backend) -> None:
    entry = nginxws("status", "--format", "json").json["nodes"]["node"]
    assert entry["error"] is None
    assert entry["revision"] is None
    assert (entry["running"], entry["master"]) == (True, node.master)
    assert re.fullmatch(r"nginx/\d+\.\d+\.\d+", entry["nginx"])
    assert (entry["conf"], entry["managed"], entry["drifted"]) == (str(node.conf), 0, [])
    assert entry["sockets"] == {str(node.port): 0}
    assert not node.state.exists()

    nginxws("add-route", "/ws/", backend.address, "-m", "chat")
    with open_socket(node.port), open_socket(node.port):
        nginxws("add-route", "/other/", backend.address)
        with open_socket(node.port):
            entry = nginxws("status", "--format", "json").json["nodes"]["node"]
            text = nginxws("status").out
    workers = entry["workers"]
    assert (workers["serving"], workers["generations"]) == (2, 1)
    assert workers["draining"] in (1, 2)  # as the two sockets fell on the workers
    assert workers["oldest_seconds"] < 60
    assert entry["sockets"] == {str(node.port): 3}
    assert (entry["revision"]["number"], entry["revision"]["message"]) == (2, "")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", entry["revision"]["time"])
    assert (entry["managed"], entry["edited"], entry["pending"], entry["holder"]) == (2, [], None, "")
    assert entry["worker_shutdown_timeout"] is None
    assert re.search(r"node: \d old workers? of 1 generation still drains? \(the oldest", text)
    assert f"node: open connections: 3 on port {node.port}\n" in text
    assert "node: worker_shutdown_timeout: none: old workers wait" in text
    assert "node: 2 managed routes\n" in text
    assert "node: no revisions" not in text


def test_what_is_wrong(command: Nginxws, node: NginxNode, backend: Backend) -> None:
    local = command.at("--node", "local", *node.options())
    local("add-route", "/ws/", backend.address)
    node.conf.write_text("worker_shutdown_timeout 10m;\n" + node.conf.read_text())
    node.site.write_text(node.site.read_text().replace("1h;", "2h;", 1) + "nonsense;\n")
    done = local("status")
    assert re.search(r"^local: its own test fails: .*\[emerg\] .* \"nonsense\"", done.out, re.M)
    assert "local: 1 managed route, 1 drifted\n" in done.out
    assert f"local: drifted: /ws/ ({node.site}:" in done.out
    assert f"local: edited by hand since then: {node.site}\n" in done.out
    assert "local: worker_shutdown_timeout: 10m\n" in done.out
    assert "local: revision 1, 20" in done.out
    node.stop()
    assert "NOT running" in local("status").out


def test_a_change_cut_short_and_a_lock_that_is_held(
    command: Nginxws, node: NginxNode, backend: Backend
) -> None:
    local = command.at("--node", "local", *node.options())
    local("add-route", "/ws/", backend.address)
    (state,) = node.state.iterdir()
    (state / "pending").mkdir()
    (state / "pending" / "meta").write_text("tx 0123\nwho a@b\nsince 1700000000\nmessage \n")
    holder = subprocess.Popen(
        ["flock", str(state / "lock"), "sh", "-c", "echo; exec cat"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    (state / "owner").write_text(f"pid {holder.pid}\nwho c@d\nsince 1700000001\n")
    try:
        entry = local("status", "--format", "json").json["nodes"]["local"]
        text = local("status").out
    finally:
        holder.communicate()
    assert entry["pending"] == {"transaction": "0123", "who": "a@b", "time": "2023-11-14T22:13:20Z"}
    assert entry["holder"].startswith("c@d, since 2023-11-14 22:13:21 UTC (process")
    assert "local: a change by a@b, begun 2023-11-14 22:13:20 UTC, is not finished" in text
    assert "local: locked by c@d" in text


def test_a_node_that_is_not_there_is_told_beside_the_others(
    command: Nginxws, node: NginxNode, tmp_path: Path
) -> None:
    both = command.at("--node", f"ssh://nobody@127.0.0.1:{free_port()}", "--node", "local", *node.options())
    done = both("status", code=6)
    assert "local: nginx/" in done.out
    assert done.error.startswith("error: ssh://nobody@127.0.0.1:")
    document = both("status", "--format", "json", code=6).json
    assert document["rc"] == 6
    assert document["nodes"]["local"]["error"] is None
    (other,) = (entry for name, entry in document["nodes"].items() if name != "local")
    assert list(other) == ["error"]
    both("history", code=6)


def test_a_configuration_that_can_not_be_parsed(command: Nginxws, node: NginxNode) -> None:
    local = command.at("--node", "local", *node.options())
    node.conf.write_text("http {")
    assert 'a "}" is missing' in local("status", code=1).error


def test_nothing_is_said_with_quiet(command: Nginxws, node: NginxNode) -> None:
    local = command.at("--node", "local", *node.options())
    done = local("status", "--quiet")
    assert (done.out, done.err) == ("", "")
    assert "connecting" in local("status", "--verbose").err
