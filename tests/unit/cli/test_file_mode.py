"""Commands on a file here: results, JSON, exit codes; no node is asked."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
BACKEND = "10.0.0.5:8080"


def test_add_list_remove(nginxws: Run, site: Path) -> None:
    before = site.read_bytes()
    target = ("--file", str(site))
    empty = nginxws("list-routes", *target)
    assert (empty.code, empty.out, empty.err) == (0, "", f"{site}: no WebSocket routes\n")

    added = nginxws("add-route", "/ws/", BACKEND, *target)
    assert (added.code, added.err) == (0, "")
    assert added.out == f"{site}: /ws/: added in a.example:80 ({site}:16)\n"

    again = nginxws("add-route", "/ws/", BACKEND, *target, "--yes")
    assert again.out == f"{site}: /ws/: nothing to do ({site}:16)\n"

    listed = nginxws("list-routes", *target)
    assert listed.out == f"{site}: ^~ /ws/  http://{BACKEND}  managed  {site}:17  in a.example:80\n"

    near = nginxws("remove-route", "/ws", *target)
    assert (near.code, near.out) == (0, f"{site}: /ws: nothing to do; did you mean /ws/?\n")

    removed = nginxws("remove-route", "/ws/", *target)
    assert removed.out == f"{site}: /ws/: removed in a.example:80 ({site}:16)\n"
    assert site.read_bytes() == before


def test_dry_run(nginxws: Run, site: Path) -> None:
    before = site.read_bytes()
    add = ("add-route", "/ws/", BACKEND, "--file", str(site), "--dry-run")
    ran = nginxws(*add)
    assert ran.code == 0
    assert ran.out.startswith(f"--- a{site}\n+++ b{site}\n@@ ")
    assert nginxws(*add, "--detailed-exitcode").code == 2
    assert nginxws(*add, "--quiet").out == ""
    assert site.read_bytes() == before
    nginxws(*add[:-1])
    assert nginxws(*add, "--detailed-exitcode").code == 0
    assert nginxws(*add[:-1], "--detailed-exitcode").code == 0


def test_json_of_a_change(nginxws: Run, site: Path) -> None:
    ran = nginxws("add-route", "/ws/", BACKEND, "--file", str(site), "--format", "json")
    result = json.loads(ran.out)
    assert list(result) == ["format_version", "changed", "failed", "rc", "msg", "nodes"]
    assert (result["changed"], result["failed"], result["rc"], result["msg"]) == (True, False, 0, "")
    node = result["nodes"][str(site)]
    assert list(node) == [
        *(
            "changes",
            "files",
            "diff",
            "findings",
            "result",
            "applied",
            "revision",
            "tested",
            "probes",
            "error",
        )
    ]
    assert node["applied"]
    assert node["error"] is None


def test_json_of_a_failure(nginxws: Run, site: Path) -> None:
    site.write_text("http {\n")
    for command in (["add-route", "/ws/", BACKEND], ["list-routes"]):
        ran = nginxws(*command, "--file", str(site), "--format", "json")
        result = json.loads(ran.out)
        assert ran.code == result["rc"] == 1
        assert result["nodes"][str(site)]["error"]["kind"] == "ParseError"
        assert ran.err.startswith(f"error: {site}:1: ")
        assert "\nhint: " in ran.err


def test_json_of_a_list(nginxws: Run, site: Path) -> None:
    nginxws("add-route", "/ws/", BACKEND, "--file", str(site))
    ran = nginxws("list-routes", "--file", str(site), "--format", "json")
    assert json.loads(ran.out) == {
        "format_version": "1.0",
        "changed": False,
        "failed": False,
        "rc": 0,
        "msg": "",
        "nodes": {
            str(site): {
                "routes": [
                    {
                        "path": "/ws/",
                        "match": "^~",
                        "backends": [f"http://{BACKEND}"],
                        "state": "managed",
                        "server": f"a.example:80 ({site}:13)",
                        "file": str(site),
                        "line": 17,
                    }
                ],
                "error": None,
            }
        },
    }


def test_a_change_that_brings_in_an_error(nginxws: Run, site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = site.read_bytes()
    render = import_module("nginxws.render").render

    def wrong(*words: Any) -> Any:
        rendered = render(*words)
        return replace(
            rendered, location=rendered.location.replace("proxy_socket_keepalive on", "proxy_buffers 1")
        )

    monkeypatch.setattr("nginxws.planner.render", wrong)
    ran = nginxws("add-route", "/ws/", BACKEND, "--file", str(site))
    assert ran.code == 1
    assert ran.err.startswith(f"error: {site}:28: the change would bring in an error: ")
    assert site.read_bytes() == before


def test_the_route_options_reach_the_file(nginxws: Run, site: Path) -> None:
    ran = nginxws(
        "add-route", "/ws/", "https://a.internal:8443 weight=3", "https://b.internal:8443",
        "--file", str(site), "--server", "a.example:80", "--match", "prefix", "--slashless", "redirect",
        "--balance", "least-conn", "--read-timeout", "90s", "--send-timeout", "5m", "--connect-timeout", "3s",
        "--header", "X-A=1=2", "--header", "X-B=$host", "--host", "app.internal",
        "--backend-tls-name", "tls.internal", "--backend-tls-ca", "/etc/ca.pem",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    text = site.read_text()
    for line in (
        "location /ws/ {", "location = /ws {", "return 308 /ws/$is_args$args;", "least_conn;",
        "server a.internal:8443 weight=3;", "proxy_read_timeout 90s;", "proxy_send_timeout 5m;",
        "proxy_connect_timeout 3s;", "proxy_set_header X-A 1=2;", "proxy_set_header X-B $host;",
        "proxy_set_header Host app.internal;", "proxy_ssl_name tls.internal;",
        "proxy_ssl_trusted_certificate /etc/ca.pem;",
    ):  # fmt: skip
        assert line in text


def test_adopt_replace_and_overwrite_drift(nginxws: Run, site: Path) -> None:
    add = ("add-route", "/ws/", BACKEND, "--file", str(site))
    text = site.read_text().replace("location / {", "location /ws/ { proxy_pass http://h:1; } location / {")
    site.write_text(text)
    refused = nginxws(*add)
    assert refused.code == 1
    assert refused.err.startswith(f"error: {site}:6: /ws/ is already served by this hand-written location")
    unlike = nginxws(*add, "--adopt")
    assert "  " + f"{site}:6: proxy_pass http://h:1" in unlike.err
    assert nginxws(*add, "--replace").code == 0
    site.write_text(site.read_text().replace("1h", "2h"))
    assert "edited by hand" in nginxws(*add).err
    assert nginxws(*add, "--overwrite-drift").code == 0
    assert "2h" not in site.read_text()


def test_the_environment(nginxws: Run, site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NGINXWS_FILE", str(site))
    monkeypatch.setenv("NGINXWS_HEADER", "X-A=a b\n\n  X-B=2\r\n")
    monkeypatch.setenv("NGINXWS_READ_TIMEOUT", "7s")
    monkeypatch.setenv("NGINXWS_YES", "1")
    assert nginxws("add-route", "/ws/", BACKEND, "--read-timeout", "8s").code == 0
    text = site.read_text()
    assert 'X-A "a b";' in text
    assert "X-B 2;" in text
    assert "proxy_read_timeout 8s;" in text


def test_file_and_node(nginxws: Run, site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for command in (["add-route", "/ws/", BACKEND], ["remove-route", "/ws/"], ["list-routes"]):
        ran = nginxws(*command, "--file", str(site), "--node", "lb1")
        assert ran.code == 64
        assert ran.err.startswith("error: --file and --node exclude each other\nhint: ")
    monkeypatch.setenv("NGINXWS_NODE", "lb1 lb2")
    assert nginxws("list-routes", "--file", str(site)).code == 0
    monkeypatch.setenv("NGINXWS_FILE", str(site))
    assert nginxws("list-routes").code == 64


def test_the_node_of_the_command_line_wins_over_the_file_of_the_environment(
    nginxws: Run, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    monkeypatch.setenv("NGINXWS_FILE", str(site))

    def open_links(options: Any, *_: Any) -> list[Any]:
        asked.append(options.nodes)
        return []

    monkeypatch.setattr("nginxws.cli.targets.open_links", open_links)
    assert nginxws("list-routes", "--node", "lb1").code == 0
    assert asked == [("lb1",)]


def test_a_route_that_nothing_can_prove(nginxws: Run, site: Path) -> None:
    add = ("add-route", "^/ws", BACKEND, "--match", "regex")
    ran = nginxws(*add, "--node", "lb1")
    assert ran.code == 64
    assert "--probe-path" in ran.err
    assert nginxws(*add, "--file", str(site), "--dry-run").code == 0, "nothing is probed in a file"


@pytest.mark.parametrize(
    "option",
    [
        ("--sudo",),
        ("--ask-sudo-password",),
        ("--sudo-password-fd", "0"),
        ("--ssh-timeout", "5s"),
        ("--accept-new-host-keys",),
        ("--nginx-conf", "/etc/nginx/nginx.conf"),
        ("--home", "debian"),
        ("--state-dir", "/s"),
        ("--reload-command", "true"),
        ("--message", "why"),
        ("-m", "why"),
        ("--lock-timeout", "30"),
        ("--max-draining", "3"),
        ("--probe", "warn"),
        ("--probe-path", "/ws/"),
        ("--probe-url", "ws://a/"),
        ("--probe-timeout", "5"),
    ],
)
def test_what_only_a_node_understands_is_not_ignored(
    nginxws: Run, site: Path, option: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = nginxws("add-route", "/ws/", BACKEND, "--file", str(site), *option)
    assert ran.code == 64
    name = option[0].replace("-m", "--message") if option[0] == "-m" else option[0]
    assert ran.err.startswith(f"error: {name} is about a node, and --file names none\nhint: ")
    assert b"nginxws" not in site.read_bytes()


def test_what_only_a_node_understands_in_other_commands(
    nginxws: Run, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for command in (["remove-route", "/ws/"], ["list-routes"]):
        ran = nginxws(*command, "--file", str(site), "--sudo", "--home", "debian")
        assert ran.code == 64
        assert ran.err.startswith("error: --sudo, --home are about a node, and --file names none\nhint: ")
        assert nginxws(*command, "--file", str(site), "--no-sudo").code == 0, "it isn't done as root"
        monkeypatch.setenv("NGINXWS_SUDO", "1")  # settings for all commands don't speak of this one
        assert nginxws(*command, "--file", str(site)).code == 0
    assert nginxws("add-route", "/ws/", BACKEND, "--file", str(site), "--probe", "off").code == 0


@pytest.mark.parametrize(
    "option",
    [
        ("--probe-path", "ws"),
        ("--probe-host", "a b"),
        ("--probe-expect", "100"),
        ("--probe-header", "Host=x"),
        ("--probe-url", "ftp://x"),
    ],
)
def test_a_probe_that_cant_be_sent_is_refused_first(nginxws: Run, option: tuple[str, str]) -> None:
    ran = nginxws("add-route", "/ws/", BACKEND, "--node", "nowhere.invalid", *option)
    assert ran.code == 64
    assert ran.err.startswith("error: ")


def test_a_file_that_cant_be_written(nginxws: Run, site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.mkstemp", refuse)
    ran = nginxws("add-route", "/ws/", BACKEND, "--file", str(site), "--format", "json")
    assert ran.code == 1
    assert ran.err.startswith(f"error: {site}: cannot write it: Permission denied\n")
    assert json.loads(ran.out)["nodes"][str(site)]["applied"] is False


def test_render(nginxws: Run) -> None:
    plain = nginxws("render", "/ws/", BACKEND, "--preset", "plain")
    assert plain.out.splitlines() == [
        "location /ws/ {",
        f"   proxy_pass http://{BACKEND};",
        "   proxy_http_version 1.1;",
        "   proxy_set_header Upgrade $http_upgrade;",
        '   proxy_set_header Connection "upgrade";',
        "}",
    ]
    assert plain.err == ""
    default = nginxws("render", "/ws/", BACKEND)
    assert default.out.startswith("location ^~ /ws/ {\n")
    assert default.err.startswith("note: this block needs maps")
    shared = nginxws("render", "/ws/", BACKEND, "10.0.0.6:80", "--shared")
    assert [line.split()[0] for line in shared.out.splitlines() if line[0] not in " }"] == [
        "map",
        "map",
        "upstream",
        "location",
    ]
    assert shared.err == ""
    assert nginxws("render", "/ws/", BACKEND, "--preset", "plain", "--shared").out == plain.out


def test_the_default_is_where_nginx_is(nginxws: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    ran = nginxws("list-routes")
    assert ran.code == 64
    assert ran.err.startswith(
        "error: which balancer? there is no NGINX on this machine\nhint: name it with --node"
    )
    assert os.environ.get("NGINXWS_NODE") is None
