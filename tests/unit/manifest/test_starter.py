"""What a manifest begins as."""

from __future__ import annotations

import re

from nginxws.manifest.reading import parse
from nginxws.manifest.starter import StarterNode, StarterRoute, starter


def test_an_empty_one_is_valid_and_so_are_its_examples() -> None:
    text = starter()
    assert parse(text, "m").routes == ()
    examples = re.sub(r"^# (?=\[|\w+ = )", "", text, flags=re.M)
    manifest = parse(examples, "m")
    assert (list(manifest.nodes), manifest.routes[0].path, manifest.defaults.read_timeout) == (
        ["lb1"],
        "/ws/",
        3600,
    )


def test_one_with_what_nodes_have() -> None:
    nodes = [StarterNode("10.0.0.2", {"ssh": "op@10.0.0.2:22", "sudo": True}), StarterNode("lb1", {})]
    routes = [
        StarterRoute({"path": "/a/", "backends": ["a:1"], "header": ['X="\\']}, ["lb1: /n.conf:1: one\ntwo"]),
        StarterRoute({"path": "/b/\udcff", "backends": ["b:1"]}, ["by hand \x1b[31m"], proposed=True),
    ]
    text = starter(nodes, routes)
    manifest = parse(text, "m")
    assert list(manifest.nodes) == ["10.0.0.2", "lb1"]
    assert manifest.nodes["10.0.0.2"].sudo
    assert [(one.path, one.header) for one in manifest.routes] == [("/a/", ('X="\\',))]
    assert "\n# lb1: /n.conf:1: one two\n[[routes]]\n" in text
    assert '\n# by hand \\x1b[31m\n# [[routes]]\n# path = "/b/\\xff"\n# backends = ["b:1"]\n' in text
    assert "/ws/" not in text
    assert "/ws/" in starter(nodes, routes[1:])
