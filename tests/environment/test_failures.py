"""Whatever keeps an environment from coming up: both machines are as before, and the exit code says which."""

from __future__ import annotations

import signal

import pytest
from support.environment import Surroundings
from support.nginx import free_port, wait_for
from support.sshd import SshServer

pytestmark = [pytest.mark.nginx, pytest.mark.sshd]


@pytest.mark.parametrize(
    ("pattern", "said"),
    [('const noSuch = "([^"]*)"', "doesn't match anything"), ("const ([a-z]+)", "matches")],
    ids=["no match", "many matches"],
)
def test_a_wrong_pattern_touches_nothing(environment: Surroundings, pattern: str, said: str) -> None:
    environment.write(websocket=f"[{{ file = \"chat.js\", pattern = '{pattern}' }}]")
    with environment.untouched():
        done = environment("up", "--format", "json", code=1)
    document = done.held("environment")
    assert said in document["apps"]["chat"]["error"]["message"]
    assert document["apps"]["chat"]["error"]["file"] == "chat.js"
    assert document["nodes"]["lb1"]["result"] == "not tried"
    assert not environment.node.revisions()


def test_an_application_that_doesnt_come_up(environment: Surroundings) -> None:
    environment.restarts_by(port=free_port())
    environment.write(ready_timeout='"2s"')
    with environment.untouched(restarts=2):
        done = environment("up", "--format", "json", code=4)
    document = done.held("environment")
    error = document["apps"]["chat"]["error"]
    assert error["message"].startswith("chat isn't up after 2 seconds: nothing answers at 127.0.0.1:")
    assert "everything was restored" in error["message"]
    assert document["nodes"]["lb1"]["result"] == "not tried"
    assert not environment.node.revisions()


def test_a_new_release_that_cant_be_restarted(environment: Surroundings) -> None:
    environment.restarts_by(before="! grep -q green srv/current/chat.css || exit 3")
    environment("up")
    pid = environment.app_pid
    (environment.source / "chat.css").write_text("body { color: green; }\n")
    with environment.untouched(restarts=2):
        done = environment("up", code=4)
    assert "exit status 3" in done.err
    wait_for(environment.talks, "the chat as before")
    assert environment.app_pid != pid, "it was restarted on the way back"


def test_a_balancer_that_isnt_there(environment: Surroundings) -> None:
    environment.write(node=f'ssh = "127.0.0.1:{free_port()}"')
    with environment.untouched():
        done = environment("up", "--wait", "1s", "--format", "json", code=6)
    document = done.held("environment")
    assert document["nodes"]["lb1"]["error"]["message"].startswith("no SSH within 1 second")
    assert document["apps"]["chat"]["result"] == "not tried"
    assert "lb1: waiting for SSH" in done.err, "it says what it waits for"


def test_a_balancer_without_nginx_is_told_of_install(environment: Surroundings) -> None:
    environment.write()
    environment.manifest.write_text(
        environment.manifest.read_text().replace(environment.node.binary, "/no/nginx")
    )
    with environment.untouched():
        done = environment("up", "--format", "json", code=1)
        planned = environment("plan", "--install", "apt", "--format", "json")
    error = done.held("environment")["nodes"]["lb1"]["error"]
    assert error["kind"] == "NginxMissing"
    assert "--install" in error["hint"]
    assert planned.held("environment")["nodes"]["lb1"]["install"] == "apt"


def test_a_hand_written_location_is_in_the_way(environment: Surroundings) -> None:
    site = environment.node.site
    site.write_text(
        site.read_text().replace("location / {", "location /ws/ { return 200; }\n    location / {")
    )
    with environment.untouched():
        done = environment("up", "--format", "json", code=1)
    document = done.held("environment")
    assert document["nodes"]["lb1"]["error"]["kind"] == "RouteConflict"
    assert document["apps"]["chat"]["result"] == "not tried"


def test_an_address_that_doesnt_work_from_outside(environment: Surroundings) -> None:
    environment.write(environment=f'connect = "127.0.0.1:{free_port()}"', more='probe_timeout = "1s"')
    with environment.untouched(restarts=2):
        done = environment("up", "--format", "json", code=4)
    document = done.held("environment")
    assert document["nodes"]["lb1"]["result"] == "rolled back"
    assert document["apps"]["chat"]["result"] == "rolled back"
    error = document["environment"]["error"]
    assert error["message"].startswith("ws://chat.example.com/ws/ doesn't work from here: nothing listens on")
    assert "connect" in error["hint"]


def test_a_domain_that_dns_doesnt_know(environment: Surroundings) -> None:
    text = environment.manifest.read_text().replace("chat.example.com", "chat.invalid")
    environment.write(environment="tls = false")
    environment.manifest.write_text(text.replace(f'connect = "127.0.0.1:{environment.node.port}"', ""))
    with environment.untouched(restarts=2):
        done = environment("up", "--format", "json", code=4)
    assert 'connect = "HOST:PORT"' in done.held("environment")["environment"]["error"]["hint"]


def test_an_application_that_is_down_and_has_nothing_to_change(environment: Surroundings) -> None:
    environment("up")
    environment.stop()
    with environment.untouched():
        done = environment("up", code=1)
    assert "error: chat: there is nothing to change, and it isn't up: nothing answers at" in done.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "SIGKILL"])
def test_the_client_ends_in_the_middle(environment: Surroundings, number: signal.Signals) -> None:
    environment.restarts_by(port=free_port())
    environment.write(ready_timeout='"60s"')
    before = environment.trees()
    process = environment.start("up", "--format", "json")
    wait_for(lambda: environment.restarts, "the restart", 30)
    process.send_signal(number)
    done = environment.nginxws.finish(process)
    if number == signal.SIGINT:
        assert done.code == 130
        document = done.held("environment")
        assert document["apps"]["chat"]["result"] == "interrupted"
    wait_for(lambda: environment.restarts == 2 and environment.at_rest(), "the way back", 30)
    assert environment.trees() == before
    assert not environment.node.revisions()


def test_the_line_to_the_application_is_cut(
    environment: Surroundings, ssh_servers: tuple[SshServer, SshServer]
) -> None:
    environment.restarts_by(port=free_port())
    environment.write(ready_timeout='"3s"')
    proxy = environment.by_proxy(ssh_servers[1])
    try:
        with environment.untouched(restarts=2):
            process = environment.start("up", "--format", "json")
            wait_for(lambda: environment.restarts, "the restart", 30)
            proxy.cut()
            done = environment.nginxws.finish(process)
    finally:
        proxy.close()
    assert done.code == 4, done.err
    error = done.held("environment")["apps"]["chat"]["error"]
    assert error["kind"] == "Restored"
