"""What an include may lead to on a real node: the node script neither hangs on it nor sends it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.nginx import NginxNode, debian_nginx
from support.sshd import need

from nginxws.errors import NginxwsError
from nginxws.nodes import limits, script
from nginxws.nodes.local import LocalTransport
from nginxws.nodes.options import NodeOptions
from nginxws.nodes.reading import _missing
from nginxws.nodes.session import Session
from nginxws.nodes.snapshot import take
from nginxws.nodes.sudo import Sudo
from nginxws.snapshot import Snapshot

pytestmark = pytest.mark.nginx
SOON = 30.0  # seconds
GIB = 1 << 30

#: The node script, waiting two seconds for nginx instead of 50.
QUICK = script.script().replace(b"PATIENCE=50", b"PATIENCE=2")
assert b"PATIENCE=2 " in QUICK

Look = Callable[[], Snapshot]


@pytest.fixture
def node(tmp_path: Path) -> NginxNode:
    need("nginx")
    return NginxNode(tmp_path / "node", debian_nginx() or "")


@pytest.fixture
def look(node: NginxNode) -> Iterator[Look]:
    """The node's snapshot."""
    options = NodeOptions(nginx_bin=node.binary, nginx_conf=str(node.conf), state_dir=str(node.state))
    with LocalTransport() as transport:

        def start() -> Snapshot:
            begin = time.monotonic()
            session = Session(transport, Sudo(), text=QUICK)
            try:
                return take(session, options, _missing)
            finally:
                session.close()
                assert time.monotonic() - begin < SOON

        yield start


def include(node: NginxNode, path: Path) -> None:
    node.site.write_text(f"{node.site.read_text()}include {path};\n")


def tried(look: Look) -> tuple[Snapshot | None, NginxwsError | None]:
    """What came of it: either is fine, as long as it comes."""
    try:
        return look(), None
    except NginxwsError as error:
        return None, error


def refused(look: Look) -> NginxwsError:
    with pytest.raises(NginxwsError) as caught:
        look()
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize("beside", [False, True], ids=["named", "by glob"])
def test_a_fifo_does_not_hang_it(node: NginxNode, look: Look, tmp_path: Path, beside: bool) -> None:
    fifo = (node.site.parent if beside else tmp_path) / "fifo.conf"
    os.mkfifo(fifo)
    if not beside:
        include(node, fifo)
    error = refused(look)
    assert "does not come to an end" in error.message
    assert "FIFO" in (error.hint or "")


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/full", "/dev/random"])
def test_a_device_is_not_read(node: NginxNode, look: Look, device: str) -> None:
    include(node, Path(device))
    now, error = tried(look)
    assert error is None or error.hint
    assert now is None or (device not in now.texts() and str(node.site) in now.texts())


def test_a_folder_is_not_read(node: NginxNode, look: Look, tmp_path: Path) -> None:
    include(node, tmp_path)
    assert str(tmp_path) not in look().texts()


def test_ten_gigabytes_are_not_read(node: NginxNode, look: Look, tmp_path: Path) -> None:
    large = tmp_path / "large.conf"
    with large.open("wb") as file:
        file.truncate(10 * GIB)  # sparse: it takes no space
    include(node, large)
    error = refused(look)
    assert f"{10 * GIB} bytes, more than 64 MiB" in error.message


def test_a_key_on_one_endless_line_is_not_waited_for(node: NginxNode, look: Look) -> None:
    """Just within the limits, and without a line end: the search for private keys must stay quick."""
    with (node.site.parent / "large.conf").open("wb") as file:
        file.write(b"#")
        file.truncate(limits.CONFIGURATION - 100_000)
    now = look()
    assert sum(len(file.data) for file in now.files) < limits.CONFIGURATION


def test_too_many_files_are_counted_only(node: NginxNode, look: Look) -> None:
    folder = node.site.parent
    first = folder / "a.conf"
    first.write_text("# x\n")
    for number in range(limits.FILES):
        (folder / f"{number}.conf").hardlink_to(first)
    error = refused(look)
    assert "more than 20000" in error.message


def test_a_file_that_grows_meanwhile(node: NginxNode, look: Look) -> None:
    growing = node.site.parent / "growing.conf"
    growing.write_text("# x\n")
    stop = threading.Event()

    def grow() -> None:
        with growing.open("a") as file:
            while not stop.is_set() and file.tell() < 50_000_000:
                file.write("# more and more\n" * 100)
                file.flush()

    thread = threading.Thread(target=grow)
    thread.start()
    try:
        now, error = tried(look)
    finally:
        stop.set()
        thread.join()
    assert error is None or "changed while it was being read" in error.message
    assert now is None or str(growing) in now.texts()


def test_files_that_include_each_other(node: NginxNode, look: Look) -> None:
    for number in range(12):
        (node.site.parent / f"{number}.conf").write_text(f"include {node.site.parent}/*.conf;\n")
    now = look()
    assert now.test_failure is not None
    assert len(now.files) == 14


@pytest.mark.parametrize("says", ["cat /dev/zero", "yes", "sleep 300"])
def test_a_program_that_talks_without_end(node: NginxNode, tmp_path: Path, says: str) -> None:
    """An evil nginx: the script on the node neither takes all that it says nor waits for its end."""
    evil = tmp_path / "nginx"
    evil.write_text(f'#!/bin/sh\necho "nginx version: evil"\nexec {says}\n')
    evil.chmod(0o755)
    options = NodeOptions(nginx_bin=str(evil), nginx_conf=str(node.conf), state_dir=str(node.state))
    begin = time.monotonic()
    with LocalTransport() as transport:
        session = Session(transport, Sudo(), text=QUICK)
        now, error = tried(lambda: take(session, options, _missing))
    if error is not None:
        assert error.hint
        assert "evil" in error.message or "does not come to an end" in error.message
        assert len(error.message) < 2 * limits.WORDS
    if now is not None:
        assert len(now.nginx.dash_v) <= limits.WORDS
        assert now.test_failure is not None
    assert time.monotonic() - begin < SOON
