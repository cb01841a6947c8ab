"""What Terraform is answered."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nginxws.errors import InvalidInput, NginxwsError
from nginxws.manifest.reading import parse
from nginxws.plan import Change, FilePlan, NodePlan
from nginxws.report import terraform
from nginxws.report.terraform import Asked, Looked, live, offline

TEXT = """format = 1
[environment]
domain = "chat.example.com:8443"
tls = true
[nodes.lb1]
labels = ["edge"]
[nodes.lb2]
[apps.chat]
ssh = "deploy@10.0.0.5"
port = 8080
[apps.feed]
address = "fd00::6"
port = 9090
[[routes]]
path = "/ws/"
backend = "app:chat"
header = ["X-Secret=hunter2"]
[[routes]]
path = "/feed/"
backend = "app:feed"
nodes = ["edge"]
[[routes]]
path = "^/r/[0-9]+$"
match = "regex"
backends = ["10.0.0.9:1"]
"""
MANIFEST = parse(TEXT.replace('"fd00::6"', '"[fd00::6]"'), "m")


def asked(node: str = "", app: str = "", path: str = "", manifest: Any = MANIFEST) -> Asked:
    return Asked.of(manifest, node, app, path)


def test_the_whole() -> None:
    assert offline(asked(), "d" * 64) == {
        "format_version": "1.0",
        "digest": "d" * 64,
        "domain": "chat.example.com:8443",
        "tls": "true",
        "nodes": '["lb1", "lb2"]',
        "apps": '["chat", "feed"]',
        "paths": '["/ws/", "/feed/", "^/r/[0-9]+$"]',
        "live": "false",
        "app:chat": "10.0.0.5:8080",
        "app:feed": "[fd00::6]:9090",
        "url": "",
        "ws": "",
        "wss": "",
        "url:/ws/": "wss://chat.example.com:8443/ws/",
        "ws:/ws/": "ws://chat.example.com/ws/",
        "wss:/ws/": "wss://chat.example.com:8443/ws/",
        "url:/feed/": "wss://chat.example.com:8443/feed/",
        "ws:/feed/": "ws://chat.example.com/feed/",
        "wss:/feed/": "wss://chat.example.com:8443/feed/",
    }


@pytest.mark.parametrize(
    ("only", "nodes", "apps", "paths"),
    [
        ({"path": "/ws/"}, ["lb1", "lb2"], ["chat"], ["/ws/"]),
        ({"app": "feed"}, ["lb1", "lb2"], ["feed"], ["/feed/"]),
        ({"node": "lb2"}, ["lb2"], ["chat"], ["/ws/", "^/r/[0-9]+$"]),
        ({"node": "edge", "app": "feed"}, ["lb1"], ["feed"], ["/feed/"]),
        ({"app": "chat", "path": "/ws/"}, ["lb1", "lb2"], ["chat"], ["/ws/"]),
    ],
)
def test_less_is_asked(only: dict[str, str], nodes: list[str], apps: list[str], paths: list[str]) -> None:
    found = offline(asked(**only), "")
    assert [json.loads(found[key]) for key in ("nodes", "apps", "paths")] == [nodes, apps, paths]
    assert {key.partition(":")[2] for key in found if key.startswith("app:")} == set(apps)
    assert {key.partition(":")[2] for key in found if key.startswith("url:")} == set(paths) - {"^/r/[0-9]+$"}


def test_the_only_address() -> None:
    found = offline(asked(path="/feed/"), "")
    assert (found["url"], found["ws"]) == (found["url:/feed/"], found["ws:/feed/"])


def test_without_tls_and_without_environment() -> None:
    plain = parse(TEXT.replace("tls = true\n", "").replace("fd00::6", "f.example"), "m")
    found = offline(asked(path="/ws/", manifest=plain), "")
    assert (found["url"], found["wss"], found["tls"]) == ("ws://chat.example.com:8443/ws/", "", "false")
    bare = offline(asked(manifest=parse("format = 1\n", "m")), "")
    assert (bare["domain"], bare["url"], bare["nodes"], bare["paths"]) == ("", "", "[]", "[]")


@pytest.mark.parametrize(
    ("only", "words", "hint"),
    [
        ({"node": "lb3"}, "no node or label of the manifest is called lb3", "lb"),
        ({"app": "caht"}, "no application of the manifest is called caht", "chat"),
        ({"path": "/w/"}, "there is no route /w/", "/ws/"),
        ({"path": "/feed/", "node": "lb2"}, "there is no route /feed/ on lb2", "/ws/"),
        ({"path": "/feed/", "app": "chat"}, "there is no route /feed/ to chat", "/ws/"),
    ],
)
def test_what_isnt_there(only: dict[str, str], words: str, hint: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        asked(**only)
    assert caught.value.message == words
    assert hint in str(caught.value.hint)


def plan(*changes: tuple[Any, str], files: bool = False) -> Looked:
    made = tuple(Change(action, route) for action, route in changes)
    file = FilePlan("/n.conf", "/n.conf", b"", b"x", ())
    return Looked(NodePlan("n", made, (file,) if files else ()), "nginx/1.22.1", 3, False)


def test_live() -> None:
    first = plan(
        ("add", "/ws/"), ("unchanged", "/feed/"), ("remove", "/old/"), ("drift", "/feed/"), files=True
    )
    found = live(asked(), {"lb1": first, "lb2": plan(("unchanged", "/ws/"))})
    numbers = {"add": "1", "change": "0", "remove": "1", "drift": "1", "conflict": "0", "changes": "3"}
    assert found == numbers | {
        "live": "true",
        "in_sync": "false",
        "nginx:lb1": "nginx/1.22.1",
        "revision:lb1": "3",
        "changes:lb1": "3",
        "in_sync:lb1": "false",
        "interrupted:lb1": "false",
        "nginx:lb2": "nginx/1.22.1",
        "revision:lb2": "3",
        "changes:lb2": "0",
        "in_sync:lb2": "true",
        "interrupted:lb2": "false",
    }
    only = live(asked(path="/ws/"), {"lb1": first})
    assert (only["changes"], only["add"], only["remove"]) == ("1", "1", "0")
    assert live(asked(path="/feed/"), {"lb1": plan(("add", "/ws/"), files=True)})["in_sync"] == "true"


def test_shared_blocks_alone_are_a_change() -> None:
    found = live(asked(), {"lb1": plan(("unchanged", "/ws/"), files=True)})
    assert (found["changes"], found["in_sync"]) == ("0", "false")


def test_nothing_secret() -> None:
    assert "hunter2" not in terraform.text(offline(asked(), ""))


def test_an_answer_has_an_end() -> None:
    assert terraform.text({"b": "ü", "a": "1"}) == '{"a": "1", "b": "\\u00fc"}'
    with pytest.raises(NginxwsError, match="longer than 1048576 bytes"):
        terraform.text({"a": "x" * terraform.MAX_SIZE})
