"""The pages on Ansible and Terraform: their examples work, and they know every key."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from nginxws.cli.tf_query import Query
from nginxws.inventories.ansible import parse as parse_inventory
from nginxws.inventories.hosts import meaning_of
from nginxws.inventories.joining import Joined, Sources
from nginxws.manifest.model import Manifest
from nginxws.manifest.reading import parse
from nginxws.plan import NodePlan
from nginxws.report.terraform import Asked, Looked, live, offline

INVENTORIES, TERRAFORM = "docs/how-to/inventories.md", "docs/how-to/terraform.md"
MANIFEST = """format = 1
[environment]
domain = "chat.example.com"
[nodes.NODE]
[apps.NAME]
port = 1
[[routes]]
path = "/PATH"
backend = "app:NAME"
"""


def fenced(page: str, kind: str) -> str:
    """The first block of this kind in a page."""
    found = re.search(rf"^```{kind}\n(.*?)^```", page, re.M | re.S)
    assert found is not None
    return found[1]


def test_the_inventory_of_the_page(pages: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text(fenced(pages[INVENTORIES], "yaml"))
    done = subprocess.run(
        [Path(sys.executable).with_name("ansible-inventory"), "-i", "hosts.yml", "--list"],
        cwd=tmp_path,
        env={"HOME": str(tmp_path), "LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    inventory = parse_inventory(done.stdout, "inventory.json")
    found: list[Joined] = []

    def join(manifest: Manifest) -> Manifest:
        found.append(Sources(inventory).join(manifest))
        return found[-1].manifest

    manifest = parse(fenced(pages[INVENTORIES], "toml"), "nginxws.toml", join)
    assert {name: node.ssh for name, node in manifest.nodes.items()} == {
        "lb1": "ssh://root@10.0.0.2",
        "lb2": "ssh://root@10.0.0.3",
    }
    assert found[-1].identities == dict.fromkeys(manifest.nodes, "~/.ssh/deploy")
    assert {node.server for node in manifest.nodes.values()} == {"chat.example.com"}


@pytest.mark.parametrize(
    "name", ["ansible_host", "ansible_port", "ansible_user", "ansible_private_key_file",
             "ansible_ssh_private_key_file", "ansible_connection", "ansible_become", "ansible_become_method",
             "ansible_become_user", "ansible_ssh_common_args"],
)  # fmt: skip
def test_every_variable_that_is_read_stands_in_the_page(pages: dict[str, str], name: str) -> None:
    from nginxws.inventories.ansible import Host

    usual = {"ansible_become": True} if name.startswith("ansible_become_") else {}
    with_it = meaning_of(Host("lb1", frozenset(), {**usual, name: "7"}, 1), ())
    assert with_it != meaning_of(Host("lb1", frozenset(), usual, 1), ()), "it is read"
    assert f"`{name}`" in pages[INVENTORIES]


def test_every_key_of_terraforms_is_documented(pages: dict[str, str]) -> None:
    for field in fields(Query):
        assert f"\n| `{field.name}` | " in pages[TERRAFORM]
    section = pages["docs/reference/json.md"].partition("\n## tf-external\n")[2]
    asked = Asked.of(parse(MANIFEST, "m"), "", "", "")
    answer = offline(asked, "d") | live(
        asked, {"NODE": Looked(NodePlan("NODE", (), ()), "nginx/1", 1, False)}
    )
    assert len(answer) > 25
    for key in answer:
        assert f"`{key.replace(':/', ':')}`" in section, key
