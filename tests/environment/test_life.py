"""``env up`` from nothing to a chat that works, again, and ``env down``."""

from __future__ import annotations

import pytest
from support.environment import Surroundings
from support.nginx import free_port
from support.sshd import SshServer

pytestmark = [pytest.mark.nginx, pytest.mark.sshd]


def test_the_life_of_an_environment(environment: Surroundings) -> None:
    first = environment.trees()
    planned = environment("plan", "--detailed-exitcode", "--format", "json", code=2).held("environment")
    assert planned["apps"]["chat"]["result"] == "planned"
    assert planned["nodes"]["lb1"]["result"] == "planned"
    assert environment.trees() == first, "a plan changes nothing"

    up = environment("up", "--format", "json").held("environment")
    assert up["changed"] is True
    assert (up["apps"]["chat"]["result"], up["nodes"]["lb1"]["result"]) == ("applied", "applied")
    assert [probe["ok"] for probe in up["environment"]["probes"]] == [True]
    assert environment.address == "ws://chat.example.com/ws/"
    assert environment.talks()

    pids, times = environment.pids(), environment.times()
    again = environment("up", "--format", "json").held("environment")
    assert again["changed"] is False
    assert (again["apps"]["chat"]["result"], again["nodes"]["lb1"]["result"]) == ("unchanged", "unchanged")
    assert again["environment"]["probes"][0]["ok"] is True, "nothing to do is not yet proof"
    assert (environment.pids(), environment.times()) == (pids, times)
    assert environment("plan", "--detailed-exitcode").code == 0
    status = environment("status", "--detailed-exitcode", "--format", "json").held("env-status")
    assert status["as_wanted"] is True
    assert status["apps"]["chat"]["listening"] is True
    page = environment.machine / "srv" / "current" / "chat.js"
    file = {"path": str(page), "address": "ws://chat.example.com/ws/", "edited": False}
    assert status["apps"]["chat"]["files"] == [file]
    text = page.read_text()
    page.write_text(f"{text}// by hand\n")
    status = environment("status", "--detailed-exitcode", "--format", "json", code=2).held("env-status")
    assert status["apps"]["chat"]["files"] == [file | {"edited": True}]
    for command in ("plan", "up"):
        told = environment(command)
        assert f"warning: chat: {page} was edited by hand, and stays as it is: " in told.err
    page.write_text(text)
    assert "edited by hand" not in environment("plan").err

    environment("down")
    assert environment.trees() == first
    assert environment("down", "--format", "json").held("environment")["changed"] is False
    assert environment("status", "--detailed-exitcode", code=2).out.startswith("chat: no release of ours")


def test_what_it_says(environment: Surroundings) -> None:
    planned = environment("plan").out
    assert planned.startswith("chat: 3 steps\n  - deploy chat to ")
    assert '+const wsUri = "ws://chat.example.com/ws/";\n' in planned
    assert "lb1: 1 to add, 0 to change, 0 to remove\n" in planned
    done = environment("up").out.splitlines()
    assert done[-4:] == [
        "NAME  ROLE         RESULT   CHANGES",
        "chat  application  applied  3 steps",
        "lb1   balancer     applied  1 added",
        "ws://chat.example.com/ws/: live: the WebSocket opens (101, Sec-WebSocket-Accept verified)",
    ]
    url = environment.nginxws.at("--manifest", str(environment.manifest))("env", "url")
    assert url.out == "chat  /ws/  ws://chat.example.com/ws/\n"
    assert "tls = true" in url.err
    status = environment("status").out.splitlines()
    assert status[1:4] == [
        f"chat: port {environment.port} answers",
        f"chat: {environment.machine}/srv/current/chat.js: ws://chat.example.com/ws/",
        "chat: as wanted",
    ]
    assert environment("up", "--dry-run", "--detailed-exitcode").out.startswith("chat: nothing to do\n")


def test_a_file_of_the_node_is_edited_in_place(environment: Surroundings) -> None:
    config = environment.machine / "chat.ini"
    config.write_bytes(b"# the address\r\nurl=@URL@ # here\r\n")
    config.chmod(0o640)
    environment.write(source="", target="", websocket=f"[{{ file = \"{config}\", placeholder = '@URL@' }}]")
    (environment.machine / "srv").mkdir()
    (environment.machine / "srv" / "current").symlink_to(environment.source)
    first = environment.trees()
    environment("up")
    assert config.read_bytes() == b"# the address\r\nurl=ws://chat.example.com/ws/ # here\r\n"
    assert environment.restarts == 1
    assert environment.talks()
    environment("up")
    environment.write(
        source="", target="", environment=f'connect = "127.0.0.1:{environment.node.port}"\ntls = true',
        websocket=f"[{{ file = \"{config}\", placeholder = '@URL@' }}]", more='probe = "off"',
    )  # fmt: skip
    environment("up")
    assert config.read_bytes() == b"# the address\r\nurl=wss://chat.example.com/ws/ # here\r\n"
    environment("down")
    assert environment.trees() == first


def test_down_leaves_what_the_node_has_no_record_of_and_says_so(environment: Surroundings) -> None:
    environment("up")
    environment.write(state_dir=f'"{environment.machine}/elsewhere"')
    restarts = environment.restarts
    planned = environment("down", "--dry-run")
    assert planned.out.startswith("chat: nothing to do\n")
    done = environment("down")
    for told in (planned, done):
        assert f"warning: chat: 1 release in {environment.machine}/srv stays: " in told.err
    assert "chat  application  unchanged  -\n" in done.out
    assert environment.address == "ws://chat.example.com/ws/"
    assert environment.restarts == restarts
    environment.write()
    assert "warning" not in environment("down").err
    assert not (environment.machine / "srv").exists()


def test_edits_by_hand_in_files_of_the_node(environment: Surroundings) -> None:
    """One beside the address stays; one of the address stops it, all of it, before anything is begun."""
    config = environment.machine / "chat.ini"
    config.write_bytes(b"url=old\n")
    environment.write(source="", target="", websocket=f"[{{ file = \"{config}\", pattern = 'url=(.*)' }}]")
    (environment.machine / "srv").mkdir()
    (environment.machine / "srv" / "current").symlink_to(environment.source)
    first = environment.trees()
    environment("up")
    assert f"chat: {config}: ws://chat.example.com/ws/\n" in environment("status").out

    config.write_bytes(b"url=ws://his/\n# by hand\n")
    status = environment("status", "--detailed-exitcode", "--format", "json", code=2).held("env-status")
    assert status["apps"]["chat"]["files"] == [{"path": str(config), "address": "ws://his/", "edited": True}]
    with environment.untouched():
        done = environment("down", "--format", "json", code=1)
    document = done.held("environment")
    assert document["apps"]["chat"]["error"]["kind"] == "DriftError"
    assert document["nodes"]["lb1"]["result"] == "not tried"
    shown = environment("down", "--dry-run", "--overwrite-drift").out
    assert "-# by hand\n" in shown

    config.write_bytes(b"url=ws://chat.example.com/ws/\n# by hand\n")
    assert "edited by hand\n" in environment("status", "--detailed-exitcode", code=2).out
    done = environment("down")
    assert f"take our address out of {config}; what was edited by hand there stays" in done.out
    assert config.read_bytes() == b"url=old\n# by hand\n"
    config.write_bytes(b"url=old\n")
    assert environment.trees() == first

    environment("up")
    config.write_bytes(b"url=ws://his/\n# by hand\n")
    environment("down", "--overwrite-drift")
    assert environment.trees() == first


def test_it_waits_for_ssh(environment: Surroundings, ssh_servers: tuple[SshServer, SshServer]) -> None:
    server = ssh_servers[0]
    proxy = environment.by_proxy(server)
    proxy.lead_to(free_port())
    try:
        process = environment.start("up", "--wait", "60s")
        assert process.stderr is not None
        assert process.stderr.readline().startswith(b"lb1: waiting for SSH (")
        proxy.lead_to(server.port)
        done = environment.nginxws.finish(process)
        assert done.code == 0
        assert environment.talks()
    finally:
        proxy.close()


def test_apps_come_up_in_their_order(environment: Surroundings) -> None:
    order = environment.machine / "order"
    environment.write(
        after='["store"]',
        restart=f'"echo chat >>{order} && {environment.machine}/restart"',
        app=f"""
        [apps.store]
        ssh = "chat-node"
        address = "127.0.0.1"
        port = {environment.node.port}
        source = "chat"
        target = "{environment.machine}/store"
        state_dir = "{environment.machine}/state"
        restart = "echo store >>{order}"
        """,
    )
    environment("up")
    assert order.read_text() == "store\nchat\n"
    environment("down")
    assert order.read_text() == "store\nchat\nchat\nstore\n"
    assert not (environment.machine / "store").exists()
