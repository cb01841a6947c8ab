"""The manifest found and written, and the nodes that it names."""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from nginxws.cli import manifest_file, manifest_path
from nginxws.cli.manifest_file import (
    ManifestFile,
    find,
    links,
    need,
    nodes_meant,
    open_meant,
    policy_for,
    put_for,
)
from nginxws.cli.options import connection_options, file_option
from nginxws.cli.targets import ChangeTimes
from nginxws.errors import InvalidInput, ManifestError, NginxwsError, StaleError
from nginxws.manifest.wanted import routes_for
from nginxws.nodes.link import NodeLink
from nginxws.nodes.sudo import SudoMode

TEXT = """format = 1
[nodes.lb1]
ssh = "deploy@10.0.0.2:2222"
nginx_conf = "/a/nginx.conf"
nginx_bin = "/a/nginx"
reload_command = "reload a"
state_dir = "/a/state"
sudo = true
labels = ["edge"]
[nodes.lb2]
ssh = "local"
home = "openresty"
[nodes.lb3]
"""
Options = dict[str, Any]
T = Callable[[Options], Any]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Runs a function with the options of a command line, inside its context."""
    for name in [name for name in os.environ if name.startswith("NGINXWS_")]:
        monkeypatch.delenv(name)

    def run(function: T, *words: str) -> Any:
        @click.command()
        @connection_options
        @file_option
        def command(**options: Any) -> Any:
            return function(options)

        return command.main(list(words), standalone_mode=False)

    return run


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def path(folder: Path) -> Path:
    found = folder / "nginxws.toml"
    found.write_text(TEXT)
    return found


# --- which file ----------------------------------------------------------------------------------


def test_it_is_found_here_and_above(
    told: Callable[..., Any], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = told(find)
    assert (here.name, here.text) == ("nginxws.toml", TEXT)
    assert here.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    below = path.parent / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert told(find).name == str(path)
    (path.parent / "a" / "nginxws.toml").mkdir()  # not a file
    assert told(find).name == str(path)


def test_it_is_named_or_not_meant(
    told: Callable[..., Any], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = path.with_name("other.toml")
    other.write_text("format = 1\n")
    conf = path.with_name("nginx.conf")
    conf.touch()
    assert told(find, "--manifest", str(other)).name == str(other)
    assert told(find, "--no-manifest") is None
    assert told(find, "--file", str(conf)) is None
    for words in (["--no-manifest"], ["--file", str(conf)]):
        with pytest.raises(InvalidInput, match=f"--manifest and {words[0]} exclude each other"):
            told(find, "--manifest", str(other), *words)
    monkeypatch.setenv("NGINXWS_MANIFEST", str(other))
    assert told(find).name == str(other)
    assert told(find, "--no-manifest") is None
    assert told(find, "--file", str(conf)) is None
    monkeypatch.setenv("NGINXWS_NO_MANIFEST", "1")
    assert told(find) is None
    assert told(find, "--manifest", str(path)).name == str(path)


def test_none(told: Callable[..., Any], folder: Path) -> None:
    assert told(find) is None
    with pytest.raises(NginxwsError, match=r"there is no nginxws\.toml") as caught:
        told(need)
    assert "nginxws init" in str(caught.value.hint)
    with pytest.raises(ManifestError, match=r"gone\.toml:1: cannot read it: No such file"):
        told(find, "--manifest", "gone.toml")


def test_one_that_anybody_may_have_put_there(
    told: Callable[..., Any], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.parent.chmod(0o1777)
    assert told(find).name == "nginxws.toml"  # our own
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    os.chown(path, 54321, -1)
    with pytest.raises(NginxwsError, match="this file isn't yours") as caught:
        told(find)
    assert "--manifest" in str(caught.value.hint)
    assert told(find, "--manifest", str(path)).text == TEXT
    path.parent.chmod(0o755)
    assert told(find).text == TEXT
    path.parent.chmod(0o1777)
    ours = path.rename(path.parent / "ours.toml")
    os.chown(ours, 12345, -1)
    path.symlink_to(ours)
    os.lchown(path, 54321, -1)
    with pytest.raises(NginxwsError, match="this file isn't yours"):
        told(find)
    monkeypatch.setattr(os, "name", "nt")
    assert not manifest_path._anybodys(path)


def test_what_is_no_text(told: Callable[..., Any], path: Path) -> None:
    path.write_bytes(b"format = 1\n# \xff\n")
    with pytest.raises(ManifestError, match=r"nginxws\.toml:2: isn't UTF-8 text"):
        told(find)


def test_nothing_is_imported_for_a_manifest_that_is_not_there() -> None:
    code = (
        "import sys, nginxws.cli.add_route, nginxws.cli.running, nginxws.cli.manifest_file; "
        "sys.exit(any(name in sys.modules for name in ('pydantic', 'tomlkit')))"
    )
    import subprocess

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- written -------------------------------------------------------------------------------------


def test_it_is_written_at_once_through_links_with_its_mode(told: Callable[..., Any], path: Path) -> None:
    path.chmod(0o640)
    link = path.with_name("link.toml")
    link.symlink_to(path.name)
    file = told(find, "--manifest", str(link))
    manifest_file.write(file, "format = 1\r\n# é\r\n")
    assert path.read_bytes() == "format = 1\r\n# é\r\n".encode()
    assert link.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert sorted(one.name for one in path.parent.iterdir()) == ["link.toml", "nginxws.toml"]


def test_what_somebody_wrote_meanwhile_is_not_overwritten(told: Callable[..., Any], path: Path) -> None:
    file = told(find)
    path.write_text("format = 1\n")
    with pytest.raises(StaleError, match="somebody else wrote the manifest"):
        manifest_file.write(file, TEXT)
    assert path.read_text() == "format = 1\n"
    path.unlink()
    with pytest.raises(NginxwsError, match="cannot write it: No such file"):
        manifest_file.write(file, TEXT)


def test_needed_and_not_wanted(told: Callable[..., Any]) -> None:
    """It is there: to say that there is none would send people looking for it."""
    with pytest.raises(InvalidInput, match="works with a manifest") as caught:
        told(need, "--no-manifest")
    assert caught.value.hint is not None


# --- its nodes -----------------------------------------------------------------------------------


def test_nodes_by_name_and_label(told: Callable[..., Any], path: Path) -> None:
    def meant(options: Options) -> list[str]:
        return nodes_meant(need(options), options)

    assert told(meant) == ["lb1", "lb2", "lb3"]
    assert told(meant, "--node", "lb3", "--node", "edge") == ["lb1", "lb3"]
    with pytest.raises(
        InvalidInput, match=r"nginxws\.toml: no node or label of the manifest is called lb9"
    ) as caught:
        told(meant, "--node", "lb9")
    assert caught.value.hint == "did you mean lb3? (--no-manifest: any node)"
    path.write_text("format = 1\n")
    with pytest.raises(ManifestError, match="no nodes"):
        told(meant)


def opened(options: Options) -> list[NodeLink]:
    return open_meant(options)


def test_links_as_the_manifest_says(
    told: Callable[..., Any], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr("nginxws.nodes.connect.connect", lambda target, _ssh: asked.append(target))
    first, second, third = told(opened)
    assert [one.name for one in (first, second, third)] == ["lb1", "lb2", "lb3"]
    assert [one.is_remote for one in (first, second, third)] == [True, False, True]
    options = first.options
    assert (options.nginx_conf, options.nginx_bin) == ("/a/nginx.conf", "/a/nginx")
    assert (options.reload_command, options.state_dir) == ("reload a", "/a/state")
    assert [one._sudo.mode for one in (first, second)] == [SudoMode.PASSWORDLESS, SudoMode.NONE]
    assert second.options.nginx_bin == "/usr/local/openresty/bin/openresty"
    for link in (first, second, third):
        link._connect()
    assert [(one.text, one.user, one.host, one.port) for one in asked] == [
        ("lb1", "deploy", "10.0.0.2", 2222),
        ("lb2", None, "", None),
        ("lb3", None, "lb3", None),
    ]


def test_the_command_line_wins(told: Callable[..., Any], path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def timed(options: Options) -> list[NodeLink]:
        return links(
            need(options), ["lb1", "lb2"], options, ChangeTimes(reload_command="mine", message="why")
        )

    words = (
        "--nginx-conf",
        "/b.conf",
        "--nginx-bin",
        "/b",
        "--state-dir",
        "/s",
        "--no-sudo",
        "--home",
        "debian",
    )
    for link in told(timed, *words):
        options = link.options
        assert (options.nginx_conf, options.nginx_bin, options.state_dir) == ("/b.conf", "/b", "/s")
        assert (options.reload_command, options.message) == ("mine", "why")
        assert link._sudo.mode is SudoMode.NONE
    monkeypatch.setenv("NGINXWS_SUDO", "0")
    assert told(opened)[0]._sudo.mode is SudoMode.NONE
    monkeypatch.setenv("NGINXWS_SUDO", "1")
    assert told(opened)[2]._sudo.mode is SudoMode.PASSWORDLESS
    reader, writer = os.pipe()
    os.write(writer, b"secret\n")
    os.close(writer)
    assert [one._sudo.mode for one in told(opened, "--sudo-password-fd", str(reader))] == [
        SudoMode.PASSWORD
    ] * 3
    os.close(reader)


def test_direct_nodes_beside_those_of_the_manifest(told: Callable[..., Any], path: Path) -> None:
    direct = told(opened, "--node", "ssh://op@h:1", "--node", "local", "--node", "local")
    assert [(one.name, one.options.nginx_conf) for one in direct] == [("ssh://op@h:1", ""), ("local", "")]
    assert [one.name for one in told(opened, "--node", "local", "--node", "lb1")] == ["lb1", "local"]
    path.write_text(TEXT + "[nodes.local]\nssh = 'lb9'\n")
    (one,) = told(opened, "--node", "local")
    assert one.is_remote
    assert [one.name for one in told(opened, "--no-manifest", "--node", "lb9")] == ["lb9"]
    path.write_text("format = 1\n")
    assert [one.name for one in told(opened, "--nginx-conf", "/n.conf")] == ["local"]


def test_what_a_node_says_wrongly_has_a_line(told: Callable[..., Any], path: Path) -> None:
    path.write_text(TEXT + "home = 'windows'\n")
    with pytest.raises(ManifestError, match=r"nginxws\.toml:13: unknown home 'windows'") as caught:
        told(opened)
    assert caught.value.problems[0].key == "nodes.lb3"
    with pytest.raises(InvalidInput, match="unknown home 'mac'"):
        told(opened, "--home", "mac")
    path.write_text(TEXT + "ssh = 'http://x'\n")
    with pytest.raises(ManifestError, match="nodes are reached by ssh, not http"):
        told(opened)


# --- its routes ----------------------------------------------------------------------------------

ROUTES = """
[[routes]]
path = "/a/"
backends = ["a:1"]
[[routes]]
path = "/b/"
backends = ["a:1"]
templates = "own"
server = "b.example"
probe = "warn"
probe_path = "/b/x"
probe_host = "h.example"
probe_header = ["Cookie=@file:secret", "X-A=@env:TOKEN"]
probe_expect = 200
probe_url = "wss://public.example/b/"
probe_timeout = "1m"
[[routes]]
path = "/c/[0-9]"
match = "regex"
backends = ["a:1"]
"""


def test_how_routes_are_proved_and_planned(
    told: Callable[..., Any], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_text(TEXT + ROUTES)
    (path.parent / "secret").write_text("s=1\n")
    monkeypatch.setenv("TOKEN", "t")
    file: ManifestFile = told(need)
    a, b, c = routes_for(file.manifest, "lb1")
    assert [file.line(one) for one in (a, b, c)] == [15, 18, 30]
    assert policy_for(a) == manifest_file.policy_for(a, path.parent)
    assert policy_for(a).mode == "required"
    policy = policy_for(b, path.parent)
    assert (policy.mode, policy.path, policy.host, policy.expect) == ("warn", "/b/x", "h.example", 200)
    assert policy.headers == (("Cookie", "s=1"), ("X-A", "t"))
    assert (policy.url, policy.timeout) == ("wss://public.example/b/", 60)
    with pytest.raises(InvalidInput, match="regular expression"):
        policy_for(c)
    put = put_for(file, b, adopt=True)
    assert (put.route.path, put.server, put.templates, put.adopt) == ("/b/", "b.example", Path("own"), True)
    assert put_for(file, a).templates is None


def test_a_manifest_without_end_isnt_read_to_its_end() -> None:
    with pytest.raises(ManifestError, match="longer than 16777216 bytes") as caught:
        manifest_file.read(Path("/dev/zero"))
    assert caught.value.file == "/dev/zero"
