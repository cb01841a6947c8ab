"""Every format from hostile and unusual manifests: nothing of them becomes shell, YAML or configuration."""

from __future__ import annotations

import base64
import gzip
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from nginxws.environment.archive import Entry
from nginxws.environment.export import emitting
from nginxws.environment.export.formats import FORMATS, export
from nginxws.environment.export.jobs import Ask
from nginxws.errors import InvalidInput
from nginxws.manifest.model import Manifest

EVIL = st.text(
    st.characters(min_codepoint=32, max_codepoint=0x2FFF, exclude_categories=["Cs", "Cc"]), min_size=1
)
PAGE = "public/chat.js"


class Loader(yaml.SafeLoader):
    """PyYAML's safe loader, which also knows Ansible's tag."""


def _unsafe(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> str:
    return str(loader.construct_scalar(node))


Loader.add_constructor("!unsafe", _unsafe)


def manifest(
    *, app: dict[str, Any] | None = None, node: dict[str, Any] | None = None, routes: Any = None, **more: Any
) -> Manifest:
    chat = {"address": "10.0.0.5", "port": 8080, "source": "chat", "target": "/srv/chat"}
    return Manifest.model_validate(
        {
            "format": 1,
            "environment": {
                "domain": "chat.example.com",
                "jelastic": {"hoster": "example.com", "env_name": "chat", "application": {"type": "nodejs"}},
            },
            "nodes": {"lb1": {"ssh": "deploy@10.0.0.2:2222", **(node or {})}},
            "apps": {"chat": {**chat, **(app or {})}},
            "routes": routes if routes is not None else [{"path": "/ws/", "backends": ["app:chat"]}],
            **more,
        }
    )


def ask(wanted: Manifest, data: bytes = b"url = @@WS@@\n", **more: Any) -> Ask:
    given: dict[str, Any] = {"images": {"chat": "busybox"}, "only": "lb1", **more}
    return Ask(wanted, {"chat": (Entry(PAGE, 0o644, data),)}, **given)


def placed(**more: Any) -> dict[str, Any]:
    return {"websocket": [{"file": PAGE, "placeholder": "@@WS@@"}], **more}


@pytest.mark.parametrize("name", ["shell", "cloud-init", "compose"])
@pytest.mark.parametrize("server", ["x; include /etc/passwd", "x{", "a b", "$(id)", "~^x$", "x:80;", "é"])
def test_the_name_of_a_server_adds_no_directive(name: str, server: str) -> None:
    wanted = manifest(app=placed(), node={"server": server, "install": "apt"})
    with pytest.raises(InvalidInput, match="can't be the name of a server block"):
        export(name, ask(wanted, only=None if name == "shell" else "lb1"))


@pytest.mark.parametrize("server", ["chat.example.com", "*.example.com:8080", "_", "[::1]"])
def test_names_that_a_server_may_have(server: str) -> None:
    wanted = manifest(app=placed(), node={"server": server, "install": "apt"})
    assert f"server_name {server.removesuffix(':8080')};" in export("shell", ask(wanted, only=None))


@settings(max_examples=6, deadline=None)
@given(EVIL, EVIL, EVIL)
def test_no_text_of_the_manifest_gets_out_of_its_place(restart: str, reload: str, command: str) -> None:
    wanted = manifest(app=placed(restart=restart), node={"reload_command": reload, "nginx_bin": reload})
    for name in FORMATS:
        only = None if name in ("shell", "ansible") else "lb1"
        if name == "jps" and any("${" in text for text in (restart, reload)):
            continue  # refused, see below
        text = export(name, ask(wanted, only=only, commands={"chat": command}))
        scripts = [text] if name == "shell" else list(scripts_of(name, yaml.load(text, Loader)))
        for script in scripts:
            assert (
                subprocess.run(
                    ["sh", "-n"], input=script.encode(), capture_output=True, check=False
                ).returncode
                == 0
            )
            assert len(re.findall(r"(?m)^begin_(?:balancer|application)$", script)) == len(
                re.findall(r"(?m)^finish_(?:balancer|application)\b", script)
            ) - script.count("\nfinish_balancer() {") - script.count("\nfinish_application() {")
        if name == "compose":
            chat = yaml.safe_load(text)["services"]["chat"]
            assert chat["command"] == ["sh", "-c", command.replace("$", "$$")]


def scripts_of(name: str, document: Any) -> list[str]:
    if name == "ansible":
        return [play["vars"]["nginxws_script"] for play in document if "vars" in play]
    if name == "jps":
        return [
            text for action in document["actions"].values() for key, text in action.items() if "cmd" in key
        ]
    if name == "cloud-init":
        (file,) = document["write_files"]
        return [gzip.decompress(base64.b64decode(file["content"])).decode()]
    return []


def test_small_user_data_is_readable(monkeypatch: pytest.MonkeyPatch) -> None:
    from nginxws.environment.export import cloud_init

    monkeypatch.setattr(cloud_init, "SMALL", 1 << 20)
    document = yaml.safe_load(export("cloud-init", ask(manifest(), only="chat")))
    assert document["write_files"][0]["content"].startswith("#!/bin/sh\n")


def test_one_machine_needs_no_name() -> None:
    wanted = Manifest.model_validate(
        {
            "format": 1,
            "environment": {"domain": "chat.example.com:8080"},
            "nodes": {"lb1": {"ssh": "local", "sudo": True, "install": "auto"}},
            "routes": [{"path": "/ws/", "backends": ["10.0.0.9:80"]}],
        }
    )
    assert yaml.safe_load(export("cloud-init", Ask(wanted)))["runcmd"][0][-1] == "lb1"
    assert "listen 8080;" in export("shell", Ask(wanted))
    plays = yaml.load(export("ansible", Ask(wanted)), Loader)
    assert plays[0]["tasks"][0]["ansible.builtin.add_host"]["ansible_connection"] == "local"
    assert plays[1]["become"] is True
    assert plays[1]["tasks"][0]["ansible.builtin.package"]["name"] == ["nginx", "curl"]
    assert set(yaml.safe_load(export("compose", Ask(wanted)))["services"]) == {"lb1"}


@pytest.mark.parametrize(
    ("ssh", "said"),
    [
        (
            "deploy@10.0.0.2:2222",
            {"ansible_host": "10.0.0.2", "ansible_user": "deploy", "ansible_port": 2222},
        ),
        ("balancer", {"ansible_host": "balancer"}),
        ("[fd00::1]", {"ansible_host": "fd00::1"}),
    ],
)
def test_how_ansible_reaches_a_node(ssh: str, said: dict[str, Any]) -> None:
    plays = yaml.load(export("ansible", ask(manifest(node={"ssh": ssh}), only=None)), Loader)
    host = plays[0]["tasks"][0]["ansible.builtin.add_host"]
    assert host == {"name": "lb1", **said}


def test_proofs() -> None:
    routes = [
        {"path": "^/a/[0-9]+$", "match": "regex", "backends": ["app:chat"]},
        {"path": "/b/", "backends": ["10.0.0.1:1", "10.0.0.2:1"], "probe": "off"},
        {
            "path": "/c/",
            "backends": ["app:chat"],
            "probe": "warn",
            "probe_host": "c.example.com",
            "host": "h",
        },
        {"path": "/d/", "backends": ["app:chat"], "probe_header": ["Cookie=@env:SECRET", "X-A=it's"]},
        {"path": "/e/", "backends": ["app:chat"], "preset": "plain", "probe_expect": 403},
        {"path": "/f/", "backends": ["app:chat"], "probe_header": ["X-A=b"], "header": ["X-B=c"]},
    ]
    script = export("shell", ask(manifest(routes=routes), only=None))
    assert "prove - c.example.com /c/ 101 no\n" in script
    assert "prove - - /d/ 101 no -H 'X-A: it'\\''s'\n" in script
    assert "prove - - /e/ 403 yes\n" in script
    assert "prove - - /f/ 101 yes -H 'X-A: b'\n" in script
    assert script.count("the manifest says no address to try") == 2
    assert "route 'route /e/' - '*' <<" in script
    assert "route 'route /c/' - Host <<" in script
    assert "route 'route /f/' - X-B <<" in script
    test = yaml.safe_load(export("compose", ask(manifest(routes=routes))))["services"]["lb1"]["healthcheck"][
        "test"
    ][-1]
    assert test.count("curl ") == 2


def test_no_route_to_prove_no_health_check() -> None:
    routes = [{"path": "/ws/", "backends": ["app:chat"], "probe": "off"}]
    services = yaml.safe_load(export("compose", ask(manifest(routes=routes))))["services"]
    assert "healthcheck" not in services["lb1"]


def test_templates_of_the_manifest(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "maps.conf.j2").write_text("map $http_upgrade $nginxws_upgrade { default own; }\n")
    wanted = manifest(routes=[{"path": "/ws/", "backends": ["app:chat"], "templates": "own"}])
    for name in ("shell", "compose"):
        assert "default own;" in export(name, ask(wanted, folder=tmp_path))


def test_a_domain_with_tls_is_served_behind_something() -> None:
    wanted = manifest(environment={"domain": "chat.example.com:8443", "tls": True})
    service = yaml.safe_load(export("compose", ask(wanted)))["services"]["lb1"]
    assert service["ports"] == ["80:80"]


def test_an_image_may_hold_all() -> None:
    wanted = manifest(app={"source": None, "target": None})
    chat = yaml.safe_load(export("compose", Ask(wanted, images={"chat": "chat:1"})))["services"]["chat"]
    assert chat == {"image": "chat:1", "restart": "unless-stopped", "expose": ["8080"]}


def test_an_absolute_source() -> None:
    wanted = manifest(app={"source": "/src/$x"})
    chat = yaml.safe_load(export("compose", ask(wanted)))["services"]["chat"]
    assert chat["volumes"][0]["source"] == "/src/$$x"


def test_the_platforms_own_nginx_conf() -> None:
    platform = {"hoster": "example.com", "env_name": "chat", "nginx_conf": "/etc/nginx/other.conf"}
    layer = {"application": {"type": "nodejs"}}
    environment = {"domain": "chat.example.com", "tls": True, "jelastic": {**platform, **layer}}
    text = export("jps", ask(manifest(environment=environment)))
    assert "conf=/etc/nginx/other.conf" in text
    assert 'startPage: "https://${env.domain}/"' in text


PATTERN = {"file": "/etc/x", "pattern": "(x)"}


@pytest.mark.parametrize(
    ("name", "wanted", "more", "message"),
    [
        ("shell", manifest(environment=None), {"only": None}, "no .environment."),
        ("shell", manifest(), {"only": "lb9"}, "called lb9"),
        ("shell", manifest(), {"images": {"tchat": "x"}}, "called tchat"),
        ("shell", manifest(nodes={"chat": {}}), {"only": None}, "both called chat"),
        ("shell", manifest(app={"websocket": [PATTERN]}), {"only": None}, "expression"),
        ("ansible", manifest(nodes={"all": {"ssh": "x"}}), {"only": None}, "something else to Ansible"),
        ("cloud-init", manifest(), {"only": None}, "one machine"),
        ("compose", manifest(nodes={"a": {}, "b": {}}), {"only": None}, "one balancer"),
        ("compose", manifest(nodes={}), {"only": None}, "one balancer"),
        ("compose", manifest(), {"images": {}}, "container image"),
        ("compose", manifest(app={"source": "chat.tar.gz"}), {}, "can't mount"),
        ("compose", manifest(app=placed(source=None)), {}, "inside the image"),
        ("compose", manifest(app=placed()), {"data": b"\xff @@WS@@"}, "UTF-8"),
        ("jps", manifest(nodes={}), {"only": None}, "one layer"),
        ("jps", manifest(environment={"domain": "x.example.com"}), {}, "kind of node"),
    ],
)  # fmt: skip
def test_what_can_not_be_said(name: str, wanted: Manifest, more: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message) as caught:
        export(name, ask(wanted, **more))
    assert caught.value.hint


def test_the_emitter_escapes_what_yaml_forbids() -> None:
    assert emitting.emit({"a": "\x85\U0001f600\uffff"}) == 'a: "\\u0085\U0001f600\\uffff"\n'
