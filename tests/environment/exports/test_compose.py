"""The compose export: its shape, and its NGINX configuration served by the real NGINX."""

from __future__ import annotations

import re
import subprocess

import pytest
import yaml
from support.backend import echoes
from support.exporting import World

from nginxws.cli import run

pytestmark = pytest.mark.nginx


def test_its_nginx_serves_the_route(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    text = world.manifest().replace(
        'server = "chat.example.com"', f'server = "chat.example.com:{world.node.port}"'
    )
    document = yaml.safe_load(world.export("compose", text, images={"chat": "python:3.12-slim"}))
    site = document["configs"]["lb1_site"]["content"].replace("$$", "$")
    assert "proxy_pass http://chat:" in site
    # As in the network of a compose file the name is known, here it is put in.
    world.node.site.write_text(site.replace("http://chat:", "http://127.0.0.1:"))
    subprocess.run([world.node.binary, "-t", "-c", str(world.node.conf)], check=True, capture_output=True)
    world.node.stop()
    world.node.start()
    assert echoes(world.node.port)
    test = document["services"]["lb1"]["healthcheck"]["test"]
    assert test[:3] == ["CMD", "sh", "-c"]
    assert subprocess.run([*test[1:-1], test[-1].replace("$$", "$")], check=False, timeout=20).returncode == 0
    assert run(["list-routes", "--no-manifest", "--node", "local", *world.node.options()]) == 0
    assert "/ws/" in capsys.readouterr().out


def test_its_shape(world: World) -> None:
    text = world.export("compose", images={"chat": "python:3.12-slim"}, commands={"chat": "exec run $PORT"})
    document = yaml.safe_load(text)
    assert set(document) == {"services", "configs"}
    chat = document["services"]["chat"]
    assert chat["command"] == ["sh", "-c", "exec run $$PORT"]
    assert chat["volumes"] == [
        {"type": "bind", "source": "./chat", "target": f"{world.target}/current", "read_only": True}
    ]
    assert re.search(r"ws://chat\.example\.com:[0-9]+/ws/", document["configs"]["chat_0"]["content"])
    for service in document["services"].values():
        for mounted in service["configs"]:
            assert mounted["source"] in document["configs"]
    # No variable is left for compose to fill in.
    assert not re.search(r"(?<!\$)(?:\$\$)*\$(?!\$)", text)
