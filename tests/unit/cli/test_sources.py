"""Nodes from elsewhere than the manifest, by the command line."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from types import SimpleNamespace

import click
import pytest
from support.inventories import listed
from unit.cli.conftest import Run

from nginxws.cli import manifest_file
from nginxws.cli.targets import ChangeTimes, Opening, TargetOptions
from nginxws.errors import InvalidInput, ManifestError
from nginxws.inventories import ansible

ROUTE = '[[routes]]\npath = "/ws/"\nbackends = ["10.0.0.5:80"]\nnodes = ["lb"]\n'
INVENTORY = listed(
    {"lb": ["lb1", "lb2"], "db": ["db1"]},
    {
        "lb1": {"ansible_connection": "local", "nginxws_nginx_conf": "/nowhere/nginx.conf"},
        "lb2": {"ansible_connection": "local", "nginxws_home": "openresty"},
    },
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nginxws.toml").write_text("format = 1\n" + ROUTE)
    (tmp_path / "inventory.json").write_text(INVENTORY)
    return tmp_path


def add(nginxws: Run, *words: str) -> str:
    """What the manifest is after a route for ``/new/`` was put into it."""
    done = nginxws("add-route", "/new/", "10.0.0.5:80", "--no-apply", "--yes", *words)
    assert (done.code, done.err) == (0, "")
    return Path("nginxws.toml").read_text()


def test_hosts_of_the_inventory_are_nodes(nginxws: Run, folder: Path) -> None:
    done = nginxws("plan", "--inventory", "inventory.json", "--node", "lb1")
    assert done.code == 1
    assert done.err.startswith("error: lb1: "), "it was reached as the inventory says"
    assert "/nowhere/nginx.conf" in done.err
    assert (
        nginxws("plan").err == "error: nginxws.toml:5: no node or label is called lb\nhint: there are: none\n"
    )


def test_a_route_for_a_group_that_no_route_names_yet(nginxws: Run, folder: Path) -> None:
    after = add(nginxws, "--inventory", "inventory.json", "--node", "db")
    assert after.endswith('path = "/new/"\nbackends = ["10.0.0.5:80"]\nnodes = ["db"]\n')


def test_by_the_environment_and_from_stdin(
    nginxws: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NGINXWS_INVENTORY", "inventory.json")
    assert "/nowhere/nginx.conf" in nginxws("plan", "--node", "lb1").err
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"[lb]")))
    assert nginxws("plan", "--inventory", "-").err.startswith("error: the inventory on stdin:1: isn't JSON\n")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (None, "error: inventory.json: cannot read the inventory: No such file or directory"),
        (b"\xff", "error: inventory.json: isn't UTF-8 text"),
        (b"[lb]\nlb1\n", "error: inventory.json:1: isn't JSON"),
        (
            INVENTORY.replace('"local"', '"telnet"').encode(),
            "error: inventory.json:4: lb1: ansible_connection",
        ),
        (INVENTORY.replace("openresty", "nonsense").encode(), "error: inventory.json:8: lb2: "),
    ],
)
def test_an_inventory_that_cant_be_used(nginxws: Run, folder: Path, data: bytes | None, words: str) -> None:
    file = folder / "inventory.json"
    file.unlink() if data is None else file.write_bytes(data)
    done = nginxws("plan", "--inventory", "inventory.json")
    assert done.code in (1, 64)
    assert done.err.startswith(words)
    assert "\nhint: " in done.err


def test_one_that_is_too_long(nginxws: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ansible, "MAX_SIZE", 10)
    assert nginxws("plan", "--inventory", "inventory.json").err.startswith(
        "error: inventory.json:1: longer than 10"
    )


def test_no_host_is_named(nginxws: Run, folder: Path) -> None:
    (folder / "nginxws.toml").write_text("format = 1\n")
    done = nginxws("plan", "--inventory", "inventory.json")
    assert done.err.startswith("error: nginxws.toml:1: no nodes\nhint: name hosts or groups of the inventory")


def test_nodes_without_a_manifest(nginxws: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = nginxws("status", "--no-manifest", "--inventory", "inventory.json", "--node", "local")
    assert (done.code, done.err.splitlines()[0]) == (
        64,
        "error: --inventory adds nodes to a manifest, and none is meant here",
    )
    monkeypatch.setenv("NGINXWS_NODES", "lb1")
    assert "NGINXWS_NODES" not in nginxws("status", "--no-manifest", "--nginx-conf", "/nowhere").err
    (folder / "nginxws.toml").unlink()
    done = nginxws("status")
    assert (done.code, "NGINXWS_NODES adds nodes to a manifest, and there is none here" in done.err) == (
        64,
        True,
    )
    assert "NGINXWS_NODES" not in nginxws("status", "--node", "local", "--nginx-conf", "/nowhere").err


def test_nodes_in_variables(nginxws: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NGINXWS_NODES", "eu1=local us1=local")
    monkeypatch.setenv("NGINXWS_NODE_EU1_LABELS", "lb")
    monkeypatch.setenv("NGINXWS_NODE_EU1_NGINX_CONF", "/nowhere/nginx.conf")
    assert "eu1: " in nginxws("plan", "--node", "lb").err
    assert add(nginxws, "--node", "us1").endswith('nodes = ["us1"]\n')
    monkeypatch.setenv("NGINXWS_NODE_EU2_SSH", "x")
    done = nginxws("plan")
    assert (done.code, done.err.splitlines()[0]) == (
        64,
        "error: NGINXWS_NODE_EU2_SSH is about no node that there is",
    )


def test_what_a_saved_plan_is_for(folder: Path) -> None:
    from nginxws.inventories.joining import Sources

    path = folder / "nginxws.toml"
    path.write_text("format = 1\n[nodes.lb]\n")
    plain = manifest_file.read(path)
    assert plain.planned_digest == plain.digest
    joined = manifest_file.read(path, Sources(ansible.parse(INVENTORY, "i")))
    assert joined.digest == plain.digest
    assert joined.planned_digest != plain.digest


def test_a_key_file_and_a_place(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nginxws.inventories.joining import Sources
    from nginxws.nodes import connect

    text = listed({"lb": ["lb1"]}, {"lb1": {"ansible_private_key_file": "~/key"}})
    file = manifest_file.read(folder / "nginxws.toml", Sources(ansible.parse(text, "i.json")))
    assert file.place("lb1") == ("i.json", 4)
    asked: list[connect.SshOptions] = []
    monkeypatch.setattr(connect, "connect", lambda _target, options: asked.append(options))
    monkeypatch.setenv("HOME", "/home/me")
    opening = Opening(TargetOptions(), ChangeTimes(), lambda _prompt: None)
    with click.Context(click.Command("status")):
        (link,) = manifest_file.opened(file, ["lb1"], opening)
    with pytest.raises(AttributeError):  # what `connect` gave is no transport
        link.dial("127.0.0.1", 1, 1.0)
    assert [options.identity for options in asked] == [Path("/home/me/key")]
    assert isinstance(file.node_error("lb1", InvalidInput("x")), ManifestError)
