"""What is kept on the node: who can read it, what it never holds, and whose it must be."""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.backend import Backend
from support.command import Nginxws
from support.nginx import NginxNode
from trust.conftest import Watch

from nginxws.errors import NodeError
from nginxws.nodes.link import NodeLink
from nginxws.nodes.local import LocalTransport
from nginxws.nodes.options import NodeOptions
from nginxws.nodes.reading import read_node
from nginxws.nodes.sudo import Sudo

pytestmark = [pytest.mark.nginx, pytest.mark.sshd]

KEY = "PLANTED-PRIVATE-KEY"
PEM = f"-----BEGIN PRIVATE KEY-----\n{KEY}\n-----END PRIVATE KEY-----\n"
BY_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


def store(state: Path) -> list[Path]:
    return [state, *state.rglob("*")]


def test_nobody_else_can_read_the_store(nginxws: Nginxws, node: NginxNode, backend: Backend) -> None:
    """Under the loosest umask, after a change that went well and one that was undone."""
    node.site.chmod(0o644)
    nginxws("add-route", "/ws/", backend.address)
    nginxws("add-route", "/dead/", "127.0.0.1:1", "--probe-timeout", "1", code=4)
    folders = [path for path in store(node.state) if path.is_dir()]
    assert {path.name for path in folders} >= {"revisions", "rejected"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o700}
    assert {path.stat().st_uid for path in store(node.state)} == {os.geteuid()}
    for path in store(node.state):
        copy = path.suffix in (".before", ".after")  # what a restore puts back has to have the mode it had
        assert path.is_dir() or stat.S_IMODE(path.stat().st_mode) in ((0o644, 0o600) if copy else (0o600,)), (
            path
        )


def test_a_store_that_was_opened_up_is_closed_again(
    nginxws: Nginxws, node: NginxNode, backend: Backend
) -> None:
    nginxws("add-route", "/ws/", backend.address)
    (inner,) = node.state.iterdir()
    inner.chmod(0o755)
    nginxws("remove-route", "/ws/")
    assert stat.S_IMODE(inner.stat().st_mode) == 0o700


# --- private keys --------------------------------------------------------------------------------

#: Files that hold a key, as people and programs write them.
KEYS = {
    "plain": PEM,
    "blank lines first": f"\n \t\n\n{PEM}",
    "byte order mark": f"\ufeff{PEM}",
    "Windows line ends": PEM.replace("\n", "\r\n"),
    "words first": f"Bag Attributes\n    friendlyName: lb1\nKey Attributes: <No Attributes>\n{PEM}",
    "certificate first": f"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n{PEM}",
    "encrypted": PEM.replace("BEGIN", "BEGIN ENCRYPTED"),
    "OpenSSH": PEM.replace("PRIVATE", "OPENSSH PRIVATE"),
    "RSA, indented": "    " + PEM.replace("PRIVATE", "RSA PRIVATE"),
}


def test_keys_that_an_include_names(node: NginxNode) -> None:
    """NGINX's own test fails then, so files are found by following includes: no key is among them."""
    for number, text in enumerate(KEYS.values()):
        (node.site.parent / f"key {number}.conf").write_bytes(text.encode())
    assert sent(node) == {str(node.conf), str(node.site)}


def test_keys_that_comments_pass_off_as_configuration(
    nginxws: Nginxws, node: NginxNode, backend: Backend
) -> None:
    """`nginx -T` prints comments as they are, and these look like its own headings of files."""
    headings = ""
    for number, text in enumerate(KEYS.values()):
        key = node.prefix / f"lb {number}.key"
        key.write_bytes(text.encode())
        headings += f"# configuration file {key}:\n"
    node.site.write_text(headings + node.site.read_text())
    assert sent(node) == {str(node.conf), str(node.site)}
    done = nginxws("add-route", "/ws/", backend.address, "-v")
    kept = b"".join(path.read_bytes() for path in store(node.state) if path.is_file())
    assert KEY not in done.out + done.err + kept.decode()


def test_key_of_a_tls_server(nginxws: Nginxws, node: NginxNode, backend: Backend) -> None:
    key, certificate = node.prefix / "server.key", node.prefix / "server.pem"
    subprocess.run(
        [
            *["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=lb1", "-keyout"],
            key,
            "-out",
            certificate,
        ],
        check=True,
        capture_output=True,
    )
    listen = f"listen 127.0.0.1:{node.port}"
    tls = f"{listen} ssl; ssl_certificate {certificate}; ssl_certificate_key {key}"
    node.site.write_text(node.site.read_text().replace(listen, tls))
    node.stop()
    node.start()
    done = nginxws("add-route", "/ws/", backend.address, "-v")
    line = key.read_text().splitlines()[3]
    assert line not in done.out + done.err
    assert sent(node) == {str(node.conf), str(node.site)}
    assert not [path for path in store(node.state) if path.is_file() and line in path.read_text()]


@contextlib.contextmanager
def link(node: NginxNode) -> Iterator[NodeLink]:
    """The node script, without the command line around it."""
    options = NodeOptions(nginx_bin=node.binary, nginx_conf=str(node.conf), state_dir=str(node.state))
    with NodeLink("local", LocalTransport, Sudo(), options) as opened:
        yield opened


def sent(node: NginxNode) -> set[str]:
    """The files whose bytes the node script hands out."""
    with link(node) as opened:
        files = read_node(opened, lambda _step, _words: None).files
    assert not [file for file in files if KEY.encode() in file.data]
    return {file.path for file in files}


# --- whose the store is --------------------------------------------------------------------------


def someone_elses(path: Path) -> None:
    os.chown(path, 4242, 4242)


def into_a_link(path: Path) -> None:
    """Somebody else's link to a folder of ours."""
    target = path.with_name("target")
    path.rename(target)
    path.symlink_to(target)
    os.chown(path, 4242, 4242, follow_symlinks=False)


def world_writable(path: Path) -> None:
    path.chmod(0o777)


def group_writable(path: Path) -> None:
    os.chown(path, 0, 4242)
    path.chmod(0o770)


@pytest.fixture
def used(node: NginxNode) -> NginxNode:
    """A node whose store, below a folder "above", an earlier change has filled."""
    node.state = node.prefix / "above" / "state"
    node.state.mkdir(parents=True)
    node.state.chmod(0o755)
    with link(node) as opened:
        inner = Path(read_node(opened, lambda _step, _words: None).state_dir)
    (inner / "revisions").mkdir(parents=True)
    (inner / "conf").write_text(f"{node.conf}\n")
    inner.chmod(0o700)
    return node


@BY_ROOT
@pytest.mark.parametrize("spoil", [someone_elses, into_a_link, world_writable, group_writable])
@pytest.mark.parametrize("level", ["inner", "state", "above"])
def test_a_store_that_others_could_change_is_not_used(
    used: NginxNode, spoil: Callable[[Path], None], level: str
) -> None:
    (inner,) = used.state.iterdir()
    spoil({"inner": inner, "state": used.state, "above": used.state.parent}[level])
    before = sorted(map(str, used.state.parent.rglob("*")))
    with link(used) as opened:
        for request in ("snapshot", "recover", "unlock", "transaction"):
            session = opened.session()
            session.request(request, [*opened.options.parameters(), ("accept", "yes"), ("force", "yes")])
            done = session.frames(lambda _frame: None)
            assert (done.outcome, done.code) == ("refused", "unsafe-state"), request
            assert done.text.startswith(str(used.state))
    assert sorted(map(str, used.state.parent.rglob("*"))) == before


@BY_ROOT
@pytest.mark.parametrize("spoil", [someone_elses, world_writable])
def test_nor_is_a_new_one_begun_there(
    nginxws: Nginxws, node: NginxNode, backend: Backend, spoil: Callable[[Path], None]
) -> None:
    node.state.mkdir()
    spoil(node.state)
    files = node.digests()
    done = nginxws("add-route", "/ws/", backend.address, code=1)
    assert "could change the state directory" in done.error
    assert f": {node.state} (d" in done.error, "which folder it is"
    assert "--state-dir" in done.hint
    assert node.digests() == files
    assert not [path for path in node.state.rglob("*") if path.is_file()]


@BY_ROOT
def test_a_link_of_roots_own_and_a_sticky_folder_are_fine(
    nginxws: Nginxws, node: NginxNode, backend: Backend
) -> None:
    elsewhere = node.prefix / "disk2"
    elsewhere.mkdir()
    elsewhere.chmod(0o1777)
    (elsewhere / "store").mkdir(mode=0o755)
    node.state.symlink_to(elsewhere / "store")
    nginxws("add-route", "/ws/", backend.address)
    assert len(list((elsewhere / "store").glob("*/revisions/*"))) == 1


def test_a_relative_name_is_followed_to_its_real_folders(node: NginxNode) -> None:
    """A profile's odd HOME makes one."""
    node.state.mkdir(mode=0o700)
    options = NodeOptions(node.binary, str(node.conf), os.path.relpath(node.state))
    with NodeLink("local", LocalTransport, Sudo(), options) as opened:
        inner = Path(read_node(opened, lambda _step, _words: None).state_dir)
        inner.mkdir()
        opened.end_session()
        assert read_node(opened, lambda _step, _words: None).pending is None
        node.state.chmod(0o777)
        opened.end_session()
        with pytest.raises(NodeError, match="could change the state directory"):
            read_node(opened, lambda _step, _words: None)


@BY_ROOT
def test_what_an_intruder_has_prepared_is_never_put_over_a_file(
    nginxws: Nginxws, node: NginxNode, backend: Backend
) -> None:
    """A pending change of his making would have "restored" his text as root."""
    nginxws("add-route", "/ws/", backend.address)
    (inner,) = node.state.iterdir()
    (inner / "revisions" / "1").rename(inner / "pending")
    for path in store(node.state):
        os.chown(path, 4242, 4242)
    files = node.digests()
    assert "could change the state directory" in nginxws("recover", code=1).error
    assert node.digests() == files


# --- staged files --------------------------------------------------------------------------------


@BY_ROOT
@pytest.mark.parametrize(("mode", "owner"), [(0o600, 0), (0o640, 4242)])
def test_staged_files_are_never_open_to_more_than_the_original_is(
    nginxws: Nginxws, node: NginxNode, backend: Backend, mode: int, owner: int
) -> None:
    node.site.chmod(mode)
    os.chown(node.site, owner, owner)

    def look() -> Iterator[str]:
        with os.scandir(node.site.parent) as entries:
            for entry in entries:
                if entry.name.startswith(".nginxws-"):
                    with contextlib.suppress(OSError):
                        found = entry.stat(follow_symlinks=False)
                        yield f"{entry.name.rpartition('.')[2]} {stat.S_IMODE(found.st_mode):o}"

    with Watch(look) as watch:
        nginxws("add-route", "/ws/", backend.address)
        nginxws("add-route", "/dead/", "127.0.0.1:1", "--probe-timeout", "1", code=4)
    assert any(words.startswith("new ") for words in watch.seen), "the watch saw nothing"
    for words in watch.seen:
        assert int(words.split()[1], 8) & 0o077 & ~mode == 0, words
    assert stat.S_IMODE(node.site.stat().st_mode) == mode
    assert node.site.stat().st_uid == owner
