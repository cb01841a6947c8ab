"""Balancers from an Ansible inventory: Ansible's own program, real OpenSSH, real NGINX."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from integration.conftest import NodeFactory
from support.backend import Backend, echoes
from support.command import Done, Nginxws
from support.fleet import route
from support.nginx import NginxNode
from support.sshd import SshServer
from support.terraform import ProgramFailed, external, run

from nginxws.inventories.ansible import parse

pytestmark = [pytest.mark.nginx, pytest.mark.sshd]

INI = """[balancers:children]
eu
us

[eu]
lb[1:1] nginxws_nginx_conf={conf1} nginxws_state_dir={state1}

[us]
edge.us nginxws_nginx_conf={conf2} nginxws_state_dir={state2}

[balancers:vars]
ansible_host=127.0.0.1
ansible_port={port}
ansible_user={user}
ansible_ssh_private_key_file={key}
nginxws_nginx_bin={binary}

[db]
db1 ansible_connection=winrm ansible_password=hunter2
"""
YAML = """
all:
  children:
    balancers:
      vars:
        ansible_host: 127.0.0.1
        ansible_port: {port}
        ansible_user: {user}
        ansible_ssh_private_key_file: {key}
        nginxws_nginx_bin: {binary}
      children:
        eu:
          hosts:
            lb1: {{nginxws_nginx_conf: "{conf1}", nginxws_state_dir: "{state1}"}}
        us:
          hosts:
            edge.us: {{nginxws_nginx_conf: "{conf2}", nginxws_state_dir: "{state2}"}}
    db:
      hosts:
        db1: {{ansible_connection: winrm, ansible_password: hunter2}}
"""


def ansible_inventory(source: Path) -> str:
    """What ``ansible-inventory --list`` prints."""
    program = Path(sys.executable).with_name("ansible-inventory")
    done = subprocess.run(
        [program, "-i", source, "--list"],
        cwd=source.parent,
        env={"HOME": str(source.parent), "LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


class Site:
    """Two balancers behind one SSH server, an inventory that has them, and a manifest that names groups."""

    def __init__(self, folder: Path, nodes: list[NginxNode], server: SshServer, command: Nginxws) -> None:
        self.folder, self.nodes, self.command = folder, nodes, command
        #: Without a key: the inventory names it.
        self.ssh_config = folder / "ssh_config"
        self.known_hosts = folder / "known_hosts"
        self.known_hosts.write_bytes(server.known_hosts.read_bytes())
        self.ssh_config.write_text(
            f"IdentityAgent none\nIdentityFile none\nUserKnownHostsFile {self.known_hosts}\n"
            "GlobalKnownHostsFile none\n"
        )
        one, two = nodes
        self.values: dict[str, object] = {
            "conf1": one.conf,
            "state1": one.state,
            "conf2": two.conf,
            "state2": two.state,
        }
        self.values |= {"port": server.port, "user": server.user, "key": server.key, "binary": one.binary}
        self.inventory = folder / "inventory.json"
        self.inventory.write_text(self.listed("hosts.ini", INI))
        self.manifest = folder / "nginxws.toml"

    def listed(self, name: str, text: str) -> str:
        source = self.folder / name
        source.write_text(text.format(**self.values))
        return ansible_inventory(source)

    def write(self, *routes: str) -> None:
        domain = '[environment]\ndomain = "chat.example.com"\n'
        self.manifest.write_text(f"format = 1\n{domain}" + "".join(f"[[routes]]\n{one}\n" for one in routes))

    def __call__(self, *words: str, code: int = 0, env: dict[str, str] | None = None) -> Done:
        more = ["--manifest", str(self.manifest), "--ssh-config", str(self.ssh_config)]
        return self.command(*words, *more, code=code, env=env or {"NGINXWS_INVENTORY": str(self.inventory)})

    def external(self, **query: str) -> dict[str, str]:
        """What Terraform gets."""
        query = {"inventory": "inventory.json", **query}
        return external(self.folder, query, "--ssh-config", "ssh_config")

    def everything(self) -> dict[str, str]:
        """Every byte of the nodes, and what they keep."""
        found: dict[str, str] = {}
        for node in self.nodes:
            found |= node.digests()
            found |= {str(path): path.read_bytes().hex() for path in node.state.rglob("*") if path.is_file()}
        return found


@pytest.fixture
def site(
    make_node: NodeFactory, tmp_path: Path, command: Nginxws, ssh_server: SshServer, backend: Backend
) -> Site:
    folder = tmp_path / "site"
    folder.mkdir()
    nodes = [make_node(prefix=tmp_path / name) for name in ("one", "two")]
    made = Site(folder, nodes, ssh_server, command)
    made.write(
        route("/ws/", backend.address, nodes='["balancers"]'), route("/eu/", backend.address, nodes='["eu"]')
    )
    return made


def test_balancers_of_an_inventory(site: Site) -> None:
    again = parse(site.listed("hosts.yml", YAML), "y")
    first = parse(site.inventory.read_text(), "y")
    assert list(again.hosts) == list(first.hosts) == ["lb1", "edge.us", "db1"]
    assert {name: host.groups for name, host in again.hosts.items()} == {
        name: host.groups for name, host in first.hosts.items()
    }

    plan = site.folder / "plan.json"
    planned = site("plan", "--detailed-exitcode", "--out", str(plan), "--format", "json", code=2).held("plan")
    assert list(planned["nodes"]) == ["lb1", "edge.us"], "db1 is no balancer"
    assert [len(planned["nodes"][name]["changes"]) for name in planned["nodes"]] == [2, 1]
    assert "hunter2" not in plan.read_text()

    text = site.inventory.read_text()
    site.inventory.write_text(text.replace('"127.0.0.1"', '"localhost"', 1))
    stale = site("apply", str(plan), code=7)
    assert "what the inventory or variables say of its nodes" in stale.error
    site.inventory.write_text(text.replace("hunter2", "hunter3"))
    site("apply", str(plan))
    assert echoes(site.nodes[0].port, "/eu/")
    assert echoes(site.nodes[1].port, "/ws/")
    listed = site("list-routes", "--node", "eu", "--format", "json").json["nodes"]
    assert {name: [one["path"] for one in node["routes"]] for name, node in listed.items()} == {
        "lb1": ["/ws/", "/eu/"]
    }

    site("add-route", "/us/", "127.0.0.1:9", "--node", "us", "--probe", "off")
    assert 'nodes = ["us"]' in site.manifest.read_text()
    site("plan", "--detailed-exitcode", code=0)
    site("remove-route", "/us/")

    # The same balancers in variables alone.
    environ = {"NGINXWS_NODES": "lb1 edge.us"}
    for name, number in (("LB1", 1), ("EDGE_US", 2)):
        prefix = f"NGINXWS_NODE_{name}"
        environ |= {
            f"{prefix}_SSH": "{user}@127.0.0.1:{port}".format(**site.values),
            f"{prefix}_NGINX_CONF": str(site.values[f"conf{number}"]),
            f"{prefix}_NGINX_BIN": str(site.values["binary"]),
            f"{prefix}_STATE_DIR": str(site.values[f"state{number}"]),
            f"{prefix}_LABELS": "balancers eu" if number == 1 else "balancers",
        }
    site.ssh_config.write_text(
        site.ssh_config.read_text().replace("File none", f"File {site.values['key']}", 1)
    )
    site("plan", "--detailed-exitcode", code=0, env=environ)


def test_terraform_only_looks(site: Site, backend: Backend) -> None:
    before = site.everything()
    offline = site.external(path="/ws/")
    assert (offline["url"], offline["nodes"]) == ("ws://chat.example.com/ws/", '["lb1", "edge.us"]')
    found = site.external(live="true")
    assert (found["in_sync"], found["changes"], found["changes:lb1"], found["revision:lb1"]) == (
        "false",
        "3",
        "2",
        "0",
    )
    assert found["digest"] == offline["digest"]
    assert site.everything() == before

    site("apply", "--yes")
    before = site.everything()
    found = site.external(live="true", node="eu")
    assert (found["in_sync"], found["revision:lb1"], found["interrupted:lb1"]) == ("true", "1", "false")
    assert found["nginx:lb1"].startswith("nginx/")
    assert "revision:edge.us" not in found
    assert site.everything() == before
    site.write(route("/ws/", backend.address, nodes='["balancers"]'))
    assert site.external(live="true")["remove"] == "1"

    (state,) = site.nodes[0].state.iterdir()
    (state / "pending").mkdir()
    (state / "pending" / "meta").write_text("tx 0123\nwho a@b\nsince 1700000000\nmessage \n")
    before = site.everything()
    assert site.external(live="true", node="lb1")["interrupted:lb1"] == "true"
    assert site.everything() == before, "nothing is undone here"

    # Never a key that nobody has seen, whatever ssh_config and the environment say.
    site.known_hosts.write_text("")
    site.ssh_config.write_text("StrictHostKeyChecking accept-new\n" + site.ssh_config.read_text())
    with pytest.raises(ProgramFailed, match="host key") as caught:
        site.external(live="true")
    assert caught.value.code == 6
    assert site.known_hosts.read_text() == ""


def test_what_terraform_is_told_when_it_fails(site: Site) -> None:
    for query, words, code in (
        (b'{"pth": "/ws/"}', "unknown key 'pth' in the query (did you mean path?)", 64),
        (b"", "the query on stdin isn't JSON", 64),
        (b'{"inventory": "-"}', "stdin has the query", 64),
        (b'{"manifest": "nope.toml"}', "nope.toml:1: cannot read it", 1),
        (b'{"inventory": "hosts.ini"}', "hosts.ini:1: isn't JSON", 1),
        (b'{"inventory": "inventory.json", "live": "true", "node": "db1"}', "ansible_connection", 1),
        (b'{"inventory": "inventory.json", "path": "/x/"}', "there is no route /x/", 64),
    ):
        found, out, err = run(site.folder, query)
        assert (found, out) == (code, b""), err
        assert err.startswith("error: ")
        assert words in err
        assert err.count("\n") == 1
    assert json.loads(run(site.folder, b"{}", "--inventory", "inventory.json")[1])["live"] == "false"
