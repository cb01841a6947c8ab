"""From the TARGET options to nodes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from nginxws.cli.targets import ChangeTimes, TargetOptions, named_nodes, open_links, sudo_for, who_am_i
from nginxws.errors import AuthenticationFailed, InvalidInput
from nginxws.nodes.connect import SshOptions
from nginxws.nodes.sudo import SudoMode
from nginxws.nodes.transport import Target


def test_nodes_as_written_each_once() -> None:
    assert named_nodes(("b", "a", "b"), False) == ["b", "a"]


def test_without_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    searched: list[Any] = []

    def which(name: str, path: str) -> str | None:
        searched.append((name, path))
        return found

    monkeypatch.setattr("shutil.which", which)
    monkeypatch.setenv("PATH", "/bin")
    found: str | None = "/usr/sbin/nginx"
    assert named_nodes((), False) == ["local"]
    assert searched == [("nginx", "/bin:/usr/sbin:/usr/local/sbin")]
    found = None
    assert named_nodes((), True) == ["local"]
    with pytest.raises(InvalidInput) as caught:
        named_nodes((), False)
    assert "--node" in str(caught.value.hint)


def test_who_am_i(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "op")
    monkeypatch.setattr("socket.gethostname", lambda: "desk")
    assert who_am_i() == "op@desk"

    def nobody() -> str:
        raise KeyError("uid not found")

    monkeypatch.setattr("getpass.getuser", nobody)
    assert who_am_i() == "unknown@desk"


def test_what_the_user_says_reaches_the_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Target, SshOptions]] = []
    monkeypatch.setattr("nginxws.nodes.connect.connect", lambda *words: asked.append(words))
    options = TargetOptions(
        nodes=("ssh://op@lb1:2222", "local"),
        ssh_config=str(tmp_path),
        accept_new_host_keys=True,
        ssh_timeout=7,
        sudo=True,
        nginx_conf="/n.conf",
        nginx_bin="/bin/nginx",
        state_dir="/state",
    )
    times = ChangeTimes("reload it", "why", 1, 2, 3, 4, ignore_editors=True)
    first, second = open_links(options, times)
    assert (first.name, second.name) == ("ssh://op@lb1:2222", "local")
    assert (first.is_remote, second.is_remote) == (True, False)
    said = dict(first.options.parameters())
    assert said.pop("who") == who_am_i()
    assert said == {
        "bin": "/bin/nginx",
        "conf": "/n.conf",
        "state": "/state",
        "reload": "reload it",
        "message": "why",
        "lock-timeout": "1",
        "reload-timeout": "2",
        "confirm-timeout": "3",
        "keep": "20",
        "max-draining": "4",
        "ignore-editors": "yes",
        "digest": "",
        "kind": "apply",
    }
    first._connect()
    target, ssh = asked[0]
    assert (target.host, target.port, target.user) == ("lb1", 2222, "op")
    assert (ssh.config, ssh.accept_new, ssh.connect_timeout) == (tmp_path, True, 7)


def test_a_home_fills_in_what_isnt_said() -> None:
    (link,) = open_links(TargetOptions(nodes=("lb1",), home="openresty"))
    assert link.options.nginx_bin == "/usr/local/openresty/bin/openresty"
    (link,) = open_links(TargetOptions(nodes=("lb1",), home="openresty", nginx_bin="/x"))
    assert link.options.nginx_bin == "/x"
    with pytest.raises(InvalidInput, match="unknown home"):
        open_links(TargetOptions(nodes=("lb1",), home="x"))


@pytest.mark.parametrize(
    "options",
    [
        TargetOptions(nodes=("lb1",), nginx_conf="/x\n"),
        TargetOptions(nodes=("lb1",), nginx_conf="nginx.conf"),
        TargetOptions(nodes=("lb1",), state_dir="state"),
        TargetOptions(nodes=("lb1",), nginx_bin="/x\x7f"),
        TargetOptions(nodes=("ssh://",)),
    ],
)
def test_refused(options: TargetOptions) -> None:
    with pytest.raises(InvalidInput) as caught:
        open_links(options)
    assert caught.value.hint


def test_sudo() -> None:
    assert sudo_for(TargetOptions()).mode is SudoMode.NONE
    assert sudo_for(TargetOptions(sudo=True)).mode is SudoMode.PASSWORDLESS
    asked = sudo_for(TargetOptions(ask_sudo_password=True), lambda _: "s3cret")
    assert asked.mode is SudoMode.PASSWORD
    assert "s3cret" not in repr(asked)
    with pytest.raises(AuthenticationFailed, match="no terminal"):
        sudo_for(TargetOptions(ask_sudo_password=True), lambda _: None)
    reader, writer = os.pipe()
    os.write(writer, b"from fd\n")
    os.close(writer)
    assert sudo_for(TargetOptions(sudo_password_fd=reader)).first_line() == b"from fd\n"
    os.close(reader)
