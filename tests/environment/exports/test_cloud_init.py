"""The cloud-init export: its own program takes it, and what it would run brings a machine up."""

from __future__ import annotations

import base64
import gzip
import subprocess
from pathlib import Path

import pytest
import yaml
from support.backend import echoes
from support.exporting import World, run_script
from support.sshd import need

from nginxws.errors import InvalidInput

pytestmark = pytest.mark.nginx


@pytest.mark.parametrize("name", ["lb1", "chat"])
def test_cloud_init_takes_it(world: World, tmp_path: Path, name: str) -> None:
    text = world.export("cloud-init", only=name)
    file = tmp_path / "user-data"
    file.write_text(text)
    subprocess.run([need("cloud-init"), "schema", "--config-file", str(file)], check=True)
    assert text.startswith("#cloud-config\n")
    data = yaml.safe_load(text)
    assert data["packages"] == (["nginx", "curl"] if name == "lb1" else ["curl"])
    (written,) = data["write_files"]
    assert data["runcmd"] == [["/bin/sh", written["path"], "apply", name]]


def test_what_it_runs_brings_the_machine_up(world: World) -> None:
    world.node.stop()
    world.node.site.unlink()
    world.node.start()
    text = world.manifest().replace(
        'server = "chat.example.com"', f'server = "chat.example.com:{world.node.port}"'
    )
    (file,) = yaml.safe_load(world.export("cloud-init", text, only="lb1"))["write_files"]
    assert file["encoding"] == "gz+b64"
    script = gzip.decompress(base64.b64decode(file["content"])).decode()
    for word in ("changed", "nothing to change"):
        code, said = run_script(script, world.folder, "apply", "lb1")
        assert code == 0, said
        assert word in said
    assert echoes(world.node.port)


def test_for_which_machine(world: World) -> None:
    with pytest.raises(InvalidInput, match="one machine") as caught:
        world.export("cloud-init")
    assert caught.value.hint == "say which one with --only: lb1, chat"
