"""An environment on the platform, from nothing to a route that serves, and back."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from support.backend import Backend, echoes, open_socket
from support.nginx import NginxNode
from support.platform_api import CREATE, DEPLOY, EXEC, RESTART, WRITE, PlatformApi

from nginxws.errors import InvalidInput
from nginxws.nodes.options import ProbePolicy
from nginxws.providers.jelastic import (
    STEPS,
    Archive,
    Layer,
    Settings,
    Wanted,
    bring_up,
    plan,
    take_down,
)

pytestmark = pytest.mark.nginx
MakeWanted = Callable[..., Wanted]
ARCHIVE = Archive("https://files.example/chat-1.zip", "chat-1.zip")


def test_from_nothing_to_a_route_that_serves_and_back(
    platform: PlatformApi, settings: Settings, wanted: MakeWanted, node: NginxNode
) -> None:
    settings = replace(settings, archive=ARCHIVE)
    before, steps = node.digests(), list[str]()

    outlook = plan(settings, wanted())
    assert (outlook.creates, outlook.deploys, outlook.balancer) == (True, True, None)
    assert platform.changing() == []

    result = bring_up(settings, wanted(), on_step=lambda step, _words: steps.append(step))
    assert (result.created, result.deployed, result.reloaded, result.changed) == (True, True, "reload", True)
    assert [(route, proof.status) for route, proof in result.proofs] == [("/ws/", 101)]
    assert result.notes == ()
    assert echoes(node.port)
    assert platform.changing() == [CREATE, DEPLOY, EXEC, WRITE, EXEC], "its marker, and the reload"
    assert platform.deployed == [
        {
            "envName": "chat",
            "fileUrl": ARCHIVE.url,
            "fileName": "chat-1.zip",
            "context": "ROOT",
            "nodeGroup": "cp",
        }
    ]
    assert set(steps) == set(STEPS) - {"restart", "restore", "up"}
    assert set(node.digests()) == set(before), "no file more, none less"

    workers = set(node.workers())
    platform.calls.clear()
    assert not plan(settings, wanted()).changes
    again = bring_up(settings, wanted())
    assert (again.changed, again.reloaded, len(again.proofs)) == (False, "", 1)
    assert platform.changing() == []
    assert set(node.workers()) == workers

    down = take_down(settings, wanted())
    assert down.changed
    assert node.digests() == before
    assert not echoes_at_all(node)
    platform.calls.clear()
    assert not take_down(settings, wanted()).changed
    assert platform.changing() == []


def echoes_at_all(node: NginxNode) -> bool:
    try:
        return echoes(node.port)
    except Exception:
        return False


def test_an_open_websocket_lives_through_a_reload(
    platform: PlatformApi, settings: Settings, wanted: MakeWanted, node: NginxNode
) -> None:
    platform.made()
    bring_up(settings, wanted("/ws/"))
    with open_socket(node.port) as client:
        result = bring_up(settings, wanted("/ws/", "/more/"))
        assert {route for route, _proof in result.proofs} == {"/ws/", "/more/"}
        take_down(settings, wanted())
        client.send("still here")
        assert client.recv(10) == "still here"


def test_a_restart_is_the_platforms_own_where_that_is_wanted(
    platform: PlatformApi, settings: Settings, wanted: MakeWanted, node: NginxNode
) -> None:
    platform.made()
    result = bring_up(replace(settings, reload="restart"), wanted())
    assert (result.reloaded, platform.count(RESTART)) == ("restart", 1)
    assert echoes(node.port)


def test_a_route_that_goes_is_taken_out_and_the_others_stay(
    platform: PlatformApi, settings: Settings, wanted: MakeWanted, node: NginxNode
) -> None:
    platform.made()
    bring_up(settings, wanted("/ws/", "/old/"))
    result = bring_up(settings, wanted("/ws/"))
    assert result.balancer is not None
    assert {(one.action, one.route) for one in result.balancer.changes} == {
        ("unchanged", "/ws/"),
        ("remove", "/old/"),
    }
    assert b"/old/" not in platform.brand.read_bytes()
    assert echoes(node.port)


def test_without_routes_the_balancer_is_left_to_ssh(platform: PlatformApi, settings: Settings) -> None:
    result = bring_up(settings, Wanted("chat.example.com", None))
    assert result.created
    assert result.balancer is None
    assert platform.count(EXEC) == 0
    (balancer,) = [one for one in result.environment.nodes if one.group == "bl"]
    assert (
        balancer.ssh_target("platform.example", result.environment.uid)
        == "ssh://100-7@gate.platform.example:3022"
    )
    assert not plan(settings, Wanted("chat.example.com", None)).changes


def test_a_run_that_was_cut_off_before_its_reload_is_completed(
    platform: PlatformApi, settings: Settings, wanted: MakeWanted, node: NginxNode
) -> None:
    platform.made()
    before = platform.brand.read_bytes()
    bring_up(settings, wanted())
    after = platform.brand.read_bytes()
    platform.brand.write_bytes(before)
    node.stop()
    node.start()
    platform.brand.write_bytes(after)  # written, and never read by NGINX
    result = bring_up(settings, wanted())
    assert (result.reloaded, result.changed) == ("reload", True)
    assert echoes(node.port)
    assert platform.count(WRITE) == 1


def test_another_archive_is_deployed_again(
    platform: PlatformApi, settings: Settings, wanted: MakeWanted
) -> None:
    platform.made()
    bring_up(replace(settings, archive=ARCHIVE), wanted())
    newer = replace(settings, archive=Archive("https://files.example/chat-2.zip", "chat-2.zip"))
    assert plan(newer, wanted()).deploys
    result = bring_up(newer, wanted())
    assert (result.deployed, result.reloaded) == (True, "")
    assert [form["fileName"] for form in platform.deployed] == ["chat-1.zip", "chat-2.zip"]


def test_probes_may_warn_or_be_off(
    platform: PlatformApi, settings: Settings, wanted: MakeWanted, backend: Backend
) -> None:
    platform.made()
    warned = bring_up(settings, replace(wanted(port=9), policies=ProbePolicy("warn", timeout=0.2)))
    assert [proof.ok for _route, proof in warned.proofs] == [False]
    assert warned.notes[0].startswith("/ws/: ")
    off = bring_up(settings, replace(wanted(), policies=ProbePolicy("off")))
    assert (off.proofs, off.notes) == ((), ("not every route was proved: its probe is off",))


def test_data_for_scripts_is_plain(platform: PlatformApi, settings: Settings, wanted: MakeWanted) -> None:
    platform.made()
    told = json.dumps([plan(settings, wanted()).as_json(), bring_up(settings, wanted()).as_json()])
    outlook, result = json.loads(told)
    assert outlook["balancer"]["changes"][0]["action"] == "add"
    assert (result["changed"], result["proofs"][0]["status"]) == (True, 101)


@pytest.mark.parametrize(
    ("layer", "said"), [(Layer("cp"), "node type of the group cp"), (None, "no group of nodes")]
)
def test_what_cannot_be_made_is_said_first(
    platform: PlatformApi, settings: Settings, wanted: MakeWanted, layer: Layer | None, said: str
) -> None:
    if layer is None:
        platform.made()
    with pytest.raises(InvalidInput, match=said):
        bring_up(replace(settings, application=layer, archive=ARCHIVE), wanted())
    assert platform.changing() == []
