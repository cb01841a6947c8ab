"""Snapshots by the node script, under every shell that a node may have as its sh."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from support.nginx import NginxNode, main_conf
from support.programs import standing_first
from support.talking import Talk, missing

from nginxws.errors import NodeError, StaleError
from nginxws.nodes import snapshot
from nginxws.nodes.script import script

pytestmark = [pytest.mark.nginx]
#: Latin-1, a blank and a dash in front: names and bytes that a shell may stumble over.
ODD_NAME = "-odd näme.conf"
ODD_BYTES = b"# caf\xe9 \xff \\ $HOME `id` %s\t\r\n"


def test_snapshot_is_byte_exact(node: NginxNode, shell: list[str]) -> None:
    odd = node.site.with_name(ODD_NAME)
    odd.write_bytes(ODD_BYTES)
    linked = node.prefix / "real.conf"
    linked.write_bytes(b"# no line end")
    node.site.with_name("link.conf").symlink_to(linked)
    now = Talk(node, shell).snapshot()
    found = {file.path: file for file in now.files}
    for file in (node.conf, node.site, odd):
        assert found[str(file)].data == file.read_bytes()
        assert found[str(file)].real == str(file)
    link = found[str(node.site.with_name("link.conf"))]
    assert (link.real, link.data) == (str(linked), b"# no line end")
    assert now.master == node.master
    assert dict(now.workers) == node.workers()
    assert now.test_failure is None
    assert now.pending is None
    assert f"127.0.0.1:{node.port}" in now.sockets or not shutil.which("ss")
    assert now.nginx.pid_file == str(node.pid_file)
    assert "--with-http_ssl_module" in now.nginx.dash_v


def test_a_file_that_goes_while_it_is_read_makes_the_snapshot_stale(
    node: NginxNode, shell: list[str]
) -> None:
    """GNU stat takes BSD's format for a name, and what it says then isn't a number."""
    gone = node.site.with_name("gone.conf")
    gone.write_text("# soon gone\n")
    before = "  stats=$(stat -L"
    text = script().decode()
    assert text.count(before) == 1
    text = text.replace(before, f"  rm -f '{gone}'\n{before}")
    talk = Talk(node, shell)
    with talk.session(text.encode()) as session, pytest.raises(StaleError, match="while it was being read"):
        snapshot.take(session, talk.options, missing)


def test_snapshot_of_a_stopped_nginx_leaves_no_pid_file(stopped: NginxNode, shell: list[str]) -> None:
    """nginx -t makes an empty one, which can keep NGINX from starting."""
    now = Talk(stopped, shell).snapshot()
    assert now.master == 0
    assert not now.workers
    assert not stopped.pid_file.exists()


def test_snapshot_of_a_broken_configuration_follows_includes(node: NginxNode, shell: list[str]) -> None:
    node.site.with_name("broken.conf").write_text("nonsense on;\n")
    (node.prefix / "key.pem").write_text("Bag Attributes\n-----BEGIN PRIVATE KEY-----\nsecret\n")
    os.mkfifo(node.site.with_name("fifo.conf"))
    node.conf.write_text(main_conf(node.prefix, extra=f"    include {node.prefix}/*.pem;\n"))
    now = Talk(node, shell).snapshot()
    assert "[emerg]" in (now.test_failure or "")
    names = {Path(file.path).name for file in now.files}
    assert names == {"nginx.conf", "site.conf", "broken.conf"}
    assert not any(b"secret" in file.data for file in now.files)


def test_a_file_that_grows_while_it_is_read_is_stale(talk: Talk) -> None:
    """The frames stay in step, whatever cat delivers."""
    text = (
        script()
        .decode()
        .replace("  # A file that shrinks", '  echo more >>"$1"; : >"$2"\n  # A file that shrinks')
    )
    with talk.session(text.encode()) as session, pytest.raises(StaleError, match="while it was being read"):
        snapshot.take(session, talk.options, missing)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nginx_bin": "/nonexistent/nginx"}, "no nginx program"),
        ({"nginx_conf": "/nonexistent.conf"}, "no such file"),
    ],
)
def test_refusals_of_a_snapshot(talk: Talk, change: dict[str, str], message: str) -> None:
    talk.options = replace(talk.options, **change)  # type: ignore[arg-type]  # only text fields are changed
    with pytest.raises(NodeError, match=message) as caught:
        talk.snapshot()
    assert caught.value.hint


@pytest.mark.parametrize("asked", ["", "nginx"])
def test_the_program_is_found_on_the_path_first(talk: Talk, asked: str, tmp_path: Path) -> None:
    """Although the script has a function of that name."""
    folder = tmp_path / "programs"
    folder.mkdir()
    (folder / "nginx").symlink_to(talk.node.binary)
    talk.options = replace(talk.options, nginx_bin=asked)
    with talk.session(standing_first(script(), folder)) as session:
        assert snapshot.take(session, talk.options, missing).nginx.binary == str(folder / "nginx")
