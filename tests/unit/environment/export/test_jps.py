"""The Cloud Scripting export: held to our schema of the public documentation."""

from __future__ import annotations

import pytest
from support.exporting import export_text, held

from nginxws.errors import InvalidInput

PLATFORM = '[environment.jelastic]\nhoster = "example.com"\nenv_name = "chat"\n'
NODE = '[environment.jelastic.application]\ntype = "nodejs"\ncount = 2\n'


def test_an_archive_and_restarts_of_the_platform(world_text: str) -> None:
    document = held(export_text("jps", world_text))
    restart = {"restartNodes": [{"nodeGroup": "bl", "reboot": False}]}
    assert document["onInstall"] == [
        "deployArchive",
        "applyApplication",
        {"restartNodes": [{"nodeGroup": "cp", "reboot": False}]},
        "applyRoutes",
        restart,
    ]
    assert document["onAfterScaleOut [bl]"] == ["applyRoutes", restart]
    assert document["actions"]["deployArchive"]["deploy"][0]["name"] == "chat.zip"
    assert document["region"] == "eu"


@pytest.fixture
def world_text() -> str:
    return (
        'format = 1\n[environment]\ndomain = "chat.example.com"\ntls = true\n[nodes.lb1]\nssh = "local"\n'
        '[apps.chat]\naddress = "10.0.0.5"\nport = 8080\n[[routes]]\npath = "/ws/"\nbackends = ["app:chat"]\n'
        + PLATFORM
        + 'region = "eu"\nreload = "restart"\narchive = "https://example.com/files/chat.zip?x=1"\n'
        + NODE
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('archive = "https://example.com/files/chat.zip?x=1"\n', "", "has no source"),
        ('type = "nodejs"\n', "", "what kind of node"),
        ("port = 8080\n", 'port = 8080\nrestart = "echo ${env.session}"\n', "placeholder"),
        ("[[routes]]", '[nodes.lb2]\nssh = "local"\n[[routes]]', "one layer of balancers"),
        ("[[routes]]", '[apps.two]\naddress = "10.0.0.6"\nport = 1\n[[routes]]', "holds one application"),
    ],
)
def test_what_the_platform_can_not_have(world_text: str, old: str, new: str, message: str) -> None:
    assert old in world_text
    with pytest.raises(InvalidInput, match=message) as caught:
        export_text("jps", world_text.replace(old, new))
    assert caught.value.hint


def test_files_of_the_node_hold_the_platforms_domain(world_text: str) -> None:
    place = '[[apps.chat.websocket]]\nfile = "/var/www/chat.js"\nplaceholder = "@@WS@@"\n'
    text = export_text("jps", world_text.replace("[[routes]]", f"{place}[[routes]]"))
    assert "address /var/www/chat.js @@WS@@ wss://${env.domain}/ws/" in text
    held(text)
