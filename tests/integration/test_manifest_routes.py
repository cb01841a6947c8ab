"""add-route and remove-route with a manifest: the file and the nodes change together, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.backend import Backend, echoes
from support.command import Nginxws
from support.nginx import NginxNode, free_port
from support.sshd import SshServer

pytestmark = [pytest.mark.nginx, pytest.mark.sshd]

MANIFEST = """# Our balancers; ask before you touch lb2.
format = 1

[defaults]
read_timeout = "2h"  # long calls

[nodes.lb1]
ssh = "node"
nginx_conf = "{first.conf}"
nginx_bin = "{first.binary}"
state_dir = "{first.state}"
labels = ["edge"]

[nodes.lb2]
ssh = "local"
nginx_conf = "{second.conf}"
nginx_bin = "{second.binary}"
state_dir = "{second.state}"
"""
Make = Callable[..., NginxNode]


class Team:
    """Two balancers, the manifest that names them, and the command line beside it."""

    def __init__(self, folder: Path, make_node: Make, command: Nginxws, config: Path) -> None:
        self.first = make_node(prefix=folder / "first")
        self.second = make_node(prefix=folder / "second")
        self.path = folder / "nginxws.toml"
        self.path.write_text(MANIFEST.format(first=self.first, second=self.second))
        self.path.chmod(0o640)
        self.run = command.at("--manifest", str(self.path), "--ssh-config", str(config))

    @property
    def text(self) -> str:
        return self.path.read_text()


@pytest.fixture
def team(tmp_path: Path, make_node: Make, command: Nginxws, ssh_server: SshServer) -> Team:
    return Team(tmp_path, make_node, command, ssh_server.config)


def entry(backend: str, more: str = "") -> str:
    return f'\n[[routes]]\npath = "/ws/"\nbackends = ["{backend}"]\n{more}'


def test_a_route_goes_into_the_file_and_live_and_out_again(team: Team, backend: Backend) -> None:
    before, nodes = team.text, (team.first.digests(), team.second.digests())
    done = team.run("add-route", "/ws/", backend.address, "--send-timeout", "120m")
    assert team.text == before + entry(backend.address, 'send_timeout = "2h"\n')
    assert team.path.stat().st_mode & 0o777 == 0o640
    assert "lb1: /ws/: added in chat.example.com" in done.out
    assert f"{team.path}: written" in done.out
    for node in (team.first, team.second):
        assert echoes(node.port, "/ws/x")
        assert "proxy_read_timeout 2h;" in node.site.read_text()  # the manifest's default

    with team.first.untouched(), team.second.untouched():
        again = team.run("add-route", "/ws/", backend.address, "--format", "json").json
    assert again["manifest"] == {"path": str(team.path), "changed": False, "diff": "", "error": None}
    assert again["changed"] is False

    gone = team.run("remove-route", "/ws/", "--format", "json").json
    assert gone["manifest"]["changed"] is True
    assert team.text == before
    assert (team.first.digests(), team.second.digests()) == nodes


def test_only_the_nodes_that_are_named(team: Team, backend: Backend) -> None:
    before, second = team.text, team.second.digests()
    team.run("add-route", "/ws/", backend.address, "--node", "edge")
    assert team.text == before + entry(backend.address, 'nodes = ["edge"]\n')
    assert echoes(team.first.port)
    assert team.second.digests() == second
    # Without --node the entry's own nodes are meant.
    team.run("add-route", "/ws/", backend.address, "--host", "x.example")
    assert team.text == before + entry(backend.address, 'nodes = ["edge"]\nhost = "x.example"\n')
    assert team.second.digests() == second
    refused = team.run("add-route", "/ws/", backend.address, "--node", "lb3", code=64)
    assert refused.error == f"error: {team.path}: no node or label of the manifest is called lb3"


def test_a_node_that_fails_leaves_the_file_as_it_is(team: Team, backend: Backend) -> None:
    before, second = team.text, team.second.digests()
    team.second.stop()
    done = team.run("add-route", "/ws/", backend.address, "--format", "json", code=1)
    assert team.text == before
    assert done.json["manifest"]["changed"] is False
    assert "is not written: not every node has the change" in done.err
    assert echoes(team.first.port), "the first node keeps what is live and proved"
    assert team.second.digests() == second
    team.second.start()
    team.run("add-route", "/ws/", backend.address)
    assert team.text == before + entry(backend.address)


def test_a_proof_that_fails_leaves_file_and_node_as_they_are(team: Team) -> None:
    before, first = team.text, team.first.digests()
    dead = f"127.0.0.1:{free_port()}"
    team.run("add-route", "/ws/", dead, "--probe-timeout", "1", "--node", "lb1", code=4)
    assert team.text == before
    assert team.first.digests() == first
    # The entry's own options steer the proof.
    team.run("add-route", "/ws/", dead, "--probe", "off", "--node", "lb1")
    assert team.text == before + entry(dead, 'probe = "off"\nnodes = ["lb1"]\n')
    team.run("add-route", "/ws/", dead, "--host", "y.example", "--node", "lb1")


def test_only_the_file(team: Team, backend: Backend) -> None:
    before = team.text
    with team.first.untouched(), team.second.untouched():
        done = team.run("add-route", "/ws/", backend.address, "--no-apply")
        assert done.out == f"{team.path}: written\n"
        assert team.text == before + entry(backend.address)
        team.run("remove-route", "/ws/", "--no-apply")
    assert team.text == before


def test_a_dry_run_shows_both_diffs(team: Team, backend: Backend) -> None:
    before = team.text
    with team.first.untouched(), team.second.untouched():
        done = team.run("add-route", "/ws/", backend.address, "--dry-run", "--detailed-exitcode", code=2)
    assert team.text == before
    assert done.out.startswith(f"--- a{team.path}\n+++ b{team.path}\n")
    assert '\n+path = "/ws/"\n' in done.out
    assert done.out.count("+    location ^~ /ws/ {\n") == 2


def test_a_manifest_is_left_alone_where_it_is_not_meant(team: Team, backend: Backend, tmp_path: Path) -> None:
    before = team.text
    conf = tmp_path / "nginx.conf"
    conf.write_text("events { }\nhttp {\n    server {\n        listen 80;\n    }\n}\n")
    direct = team.run.at("--node", "local", *team.second.options())
    direct("add-route", "/ws/", backend.address, "--no-manifest")
    team.run.at("--file", str(conf))("add-route", "/ws/", backend.address)
    assert team.text == before


def test_commands_that_only_look_take_the_nodes_of_the_manifest(team: Team) -> None:
    assert list(team.run("list-routes", "--format", "json").json["nodes"]) == ["lb1", "lb2"]
    assert list(team.run("recover", "--node", "edge", "--format", "json").json["nodes"]) == ["lb1"]


def test_a_manifest_made_from_what_a_node_has(team: Team, backend: Backend, tmp_path: Path) -> None:
    """Nothing is left to do after it: what was read back is what stands there."""
    other = f"{backend.address.replace('127.0.0.1', 'localhost')} backup"
    team.run("add-route", "/ws/", backend.address, other, "--header", "X-Team=chat", "--node", "lb1")
    hand = "    location /hand/ { proxy_pass http://h:1; proxy_set_header Upgrade $http_upgrade;\n"
    site = team.first.site.read_text()
    team.first.site.write_text(site.replace("    location / {", f"{hand}    }}\n    location / {{"))
    path = tmp_path / "made.toml"
    words = ("--manifest", str(path), "--ssh-config", team.run.target[3], *team.first.options())
    with team.first.untouched():
        done = team.run.at()("init", "--from", "node", *words)
        assert done.out.startswith(f"{path}: written: 1 node, 1 managed route, 1 hand-written location\n")
        text = path.read_text()
        assert "\n[nodes.node]\nnginx_conf = " in text
        assert '\n# [[routes]]\n# path = "/hand/"\n# backends = ["h:1"]\n' in text
        target = team.run.at("--manifest", str(path), "--ssh-config", team.run.target[3])
        planned = target("plan", "--detailed-exitcode", "--format", "json").json
        assert [one["action"] for one in planned["nodes"]["node"]["changes"]] == ["unchanged"]
        refused = team.run.at()("init", *words, code=1)
        assert refused.hint.startswith("overwrite it with --force")
        assert path.read_text() == text
        team.run.at()("init", *words, "--force", "--quiet")
    assert "[[routes]]" in path.read_text()
