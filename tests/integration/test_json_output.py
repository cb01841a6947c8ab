"""``--format json``: one object on stdout whatever happens, with the keys that drivers look for."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from support.backend import Backend
from support.command import Done, Nginxws
from support.nginx import NginxNode, free_port

pytestmark = [pytest.mark.nginx, pytest.mark.sshd]

TOP = {"format_version", "changed", "failed", "rc", "msg", "nodes"}
NODE = {"changes", "files", "diff", "findings", "result", "applied", "revision", "tested", "probes", "error"}
ERROR = {"code", "kind", "message", "file", "line", "detail", "hint"}


def only_node(done: Done) -> dict[str, Any]:
    result = done.held("result")
    assert result.keys() == TOP
    assert result["format_version"] == "1.0"
    assert result["rc"] == done.code
    assert result["failed"] is bool(result["msg"])
    (node,) = result["nodes"].values()
    assert node.keys() >= NODE
    if node["error"] is not None:
        assert node["error"].keys() == ERROR
        assert node["error"]["code"] == done.code
        assert node["error"]["hint"]
    return dict(node)


def test_add_again_and_remove(nginxws: Nginxws, node: NginxNode, backend: Backend) -> None:
    before = hashlib.sha256(node.site.read_bytes()).hexdigest()
    dry_run = ("--dry-run", "--detailed-exitcode", "--format", "json")
    plan = nginxws("add-route", "/ws/", backend.address, *dry_run, code=2)
    planned = only_node(plan)
    assert plan.json["changed"] is True, "a dry run says what would be, as Ansible's check mode does"
    assert (planned["applied"], planned["revision"]) == (False, None)
    assert node.revisions() == []

    done = nginxws("add-route", "/ws/", backend.address, "--format", "json")
    result = only_node(done)
    assert done.err == ""
    assert done.json["changed"] is True
    after = hashlib.sha256(node.site.read_bytes()).hexdigest()
    assert result["files"] == [{"path": str(node.site), "before": before, "after": after}]
    assert result["files"] == planned["files"]
    assert result["diff"] == planned["diff"]
    assert [change["action"] for change in result["changes"]] == ["add"]
    assert (result["applied"], result["revision"], result["error"]) == (True, 1, None)
    assert result["workers"]["serving"] == 2
    (probe,) = result["probes"]
    assert (probe["route"], probe["ok"], probe["status"]) == ("/ws/", True, 101)

    again = nginxws("add-route", "/ws/", backend.address, *dry_run)
    assert again.json["changed"] is False
    assert [change["action"] for change in only_node(again)["changes"]] == ["unchanged"]

    removed = only_node(nginxws("remove-route", "/ws/", "--format", "json"))
    assert removed["files"] == [{"path": str(node.site), "before": after, "after": before}]
    assert removed["revision"] == 2


def test_failed_probe(nginxws: Nginxws, node: NginxNode) -> None:
    backend = f"127.0.0.1:{free_port()}"
    with node.untouched(reloads=True):
        done = nginxws("add-route", "/ws/", backend, "--probe-timeout", "1", "--format", "json", code=4)
    result = only_node(done)
    assert done.json["changed"] is False
    assert result["error"]["kind"] == "Restored"
    assert "502" in done.json["msg"]
    assert result["applied"] is False
    assert done.error, "people who look at stderr are told, too"


def test_taken_path_names_its_line(nginxws: Nginxws, node: NginxNode, backend: Backend) -> None:
    with node.untouched():
        done = nginxws(
            "add-route", "/50x.html", backend.address, "--match", "exact", "--format", "json", code=1
        )
    error = only_node(done)["error"]
    lines = node.site.read_text().splitlines()
    assert (error["kind"], error["file"]) == ("RouteConflict", str(node.site))
    assert "location = /50x.html" in lines[error["line"] - 1]


def test_unreachable_node_among_two(nginxws: Nginxws, node: NginxNode, backend: Backend) -> None:
    """Each node has its own result; one that can't be reached is passed over."""
    dead = f"ssh://127.0.0.1:{free_port()}"
    words = ("add-route", "/ws/", backend.address, "--node", dead, "--format", "json")
    with node.untouched():
        plan = nginxws(*words, "--dry-run", code=6)
    done = nginxws(*words, code=6)
    assert done.json["nodes"][dead]["error"]["code"] == 6
    assert done.json["nodes"]["node"]["applied"] is True
    assert (done.json["changed"], done.json["failed"]) == (True, True)
    assert plan.json["nodes"]["node"]["diff"]
    assert (plan.json["changed"], plan.json["failed"]) == (True, True)


def test_bad_argument(nginxws: Nginxws, node: NginxNode, backend: Backend) -> None:
    """Before any node is known there is no result of one: the document has the error alone."""
    with node.untouched():
        done = nginxws("add-route", "ws", backend.address, "--format", "json", code=64)
    assert done.json.keys() == TOP - {"nodes"} | {"error"}
    assert done.json["error"].keys() == ERROR
    assert (done.json["failed"], done.json["rc"]) == (True, 64)
    assert done.error == f"error: {done.json['msg']}"


def test_list_routes(nginxws: Nginxws, node: NginxNode, backend: Backend) -> None:
    nginxws("add-route", "/ws/", backend.address)
    result = nginxws("list-routes", "--format", "json").json
    assert result.keys() == TOP
    assert (result["changed"], result["failed"], result["msg"]) == (False, False, "")
    (entry,) = result["nodes"].values()
    (route,) = entry["routes"]
    assert (result["rc"], route["path"], route["state"]) == (0, "/ws/", "managed")
    node.stop()
    assert nginxws("list-routes", "--format", "json").json["rc"] == 0, "reading needs no running NGINX"


def test_recover_and_unlock(nginxws: Nginxws, node: NginxNode, backend: Backend) -> None:
    nginxws("add-route", "/ws/", backend.address)
    for command, field, value in (("recover", "revision", 1), ("unlock", "holder", "")):
        result = nginxws(command, "--format", "json").json
        assert result.keys() == TOP
        assert (result["changed"], result["failed"], result["rc"], result["msg"]) == (False, False, 0, "")
        (entry,) = result["nodes"].values()
        assert (entry[field], entry["changed"], entry["error"]) == (value, False, None)
