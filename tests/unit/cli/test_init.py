"""`nginxws init` and `nginxws schema`, without a node."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nginxws.cli.init import _keys, _merged, _name
from nginxws.readback import FoundRoute

Run = Callable[..., Any]
OPTIONS: dict[str, Any] = {
    **dict.fromkeys(("home", "nginx_conf", "nginx_bin", "state_dir"), ""),
    "sudo": False,
    "ask_sudo_password": False,
    "sudo_password_fd": None,
}


def test_a_starter_is_written_once(nginxws: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ran = nginxws("init")
    assert (ran.code, ran.out) == (
        0,
        "nginxws.toml: written\nnext: name your balancers in it, then `nginxws add-route`\n",
    )
    path = tmp_path / "nginxws.toml"
    assert path.stat().st_mode & 0o777 == 0o644
    assert "format = 1\n" in path.read_text()
    path.write_text("mine")
    ran = nginxws("init")
    assert (ran.code, path.read_text()) == (1, "mine")
    assert ran.err.startswith("error: nginxws.toml: it is there already\nhint: overwrite it with --force")
    assert nginxws("init", "--force", "-q").out == ""
    assert path.read_text() != "mine"
    assert nginxws("init", "--manifest", str(tmp_path / "no" / "x.toml")).code == 1


def test_one_written_while_the_node_is_read_stays(
    nginxws: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "nginxws.toml"

    def read(*_: object) -> tuple[list[Any], list[Any]]:
        path.write_text("format = 1\n")
        return [], []

    monkeypatch.setattr("nginxws.cli.init._read", read)
    ran = nginxws("init", "--manifest", str(path))
    assert (ran.code, path.read_text()) == (1, "format = 1\n")
    assert "it is there already" in ran.err
    assert nginxws("init", "--manifest", str(path), "--force").code == 0


def test_the_schema(nginxws: Run) -> None:
    ran = nginxws("schema")
    assert json.loads(ran.out)["title"] == "nginxws.toml"


@pytest.mark.parametrize(
    ("text", "name", "keys"),
    [
        ("lb1", "lb1", {}),
        ("local", "local", {"ssh": "local"}),
        ("op@lb1", "lb1", {"ssh": "op@lb1"}),
        ("ssh://op@10.0.0.2:22/", "10.0.0.2", {"ssh": "op@10.0.0.2:22"}),
        ("ssh://lb1", "lb1", {"ssh": "ssh://lb1"}),
        ("ssh://[::1]:22", "1", {"ssh": "[::1]:22"}),
        ("::", "node", {"ssh": "::"}),
    ],
)
def test_names_and_keys_of_nodes(text: str, name: str, keys: dict[str, Any]) -> None:
    assert _name(text, []) == name
    assert _keys(text, name, OPTIONS) == keys


def test_names_are_used_once_and_options_are_kept() -> None:
    assert _name("lb1", ["lb1", "lb1-2"]) == "lb1-3"
    said = OPTIONS | {"nginx_conf": "/n.conf", "ask_sudo_password": True}
    assert _keys("op@lb1", "lb1-2", said) == {"ssh": "op@lb1", "nginx_conf": "/n.conf", "sudo": True}
    assert _keys("lb1", "lb1-2", OPTIONS) == {"ssh": "lb1"}


def test_what_nodes_have_alike_is_one_entry() -> None:
    a, b = {"path": "/a/", "backends": ["a:1"]}, {"path": "/b/", "backends": ["a:1"]}
    both = FoundRoute(a, "/n.conf:1", exact=True)
    hand = FoundRoute(b, "/n.conf:9", managed=False, usable=False)
    vague = FoundRoute(b, "/n.conf:5")
    lost = FoundRoute({"path": "/c/", "backends": []}, "/n.conf:7", usable=False)
    merged = _merged(["lb1", "lb2"], [[hand, both, lost], [both, vague]])
    assert [(dict(one.keys), one.proposed) for one in merged] == [
        (a, False),
        ({**b, "nodes": ["lb2"]}, False),
        ({**b, "nodes": ["lb1"]}, True),
        ({"path": "/c/", "backends": [], "nodes": ["lb1"]}, True),
    ]
    assert [len(one.notes) for one in merged] == [0, 1, 1, 1]
    words = ("not all of it", "written by hand", "can't be read back")
    assert all(word in one.notes[0] for word, one in zip(words, merged[1:], strict=True))
    (drifted,) = _merged(["lb1"], [[FoundRoute(a, "/n.conf:1", drifted=True)]])
    assert "edited by hand" in drifted.notes[0]
