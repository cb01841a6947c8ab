"""A configuration-management run writes the file while a change is made: nothing that it wrote is lost."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator

import pytest
from rivals.inside import carry_out, link_to
from support.backend import Backend, echoes
from support.command import Nginxws
from support.nginx import NginxNode, wait_for

from nginxws.errors import RestoreFailed, StaleError
from nginxws.nodes.link import NodeLink
from nginxws.nodes.reading import recover_node

pytestmark = [pytest.mark.nginx]

THEIRS = b"# from a template\n"

#: Ways to write a file: over the old one, or beside it and then in its place.
WRITERS = {
    "in place": lambda path: f"echo '# from a template' >>'{path}'",
    "by a rename": lambda path: (
        f"cp -p '{path}' '{path}.tmp'; echo '# from a template' >>'{path}.tmp'; mv '{path}.tmp' '{path}'"
    ),
}
#: Moments after the lock was taken and before the change is live: what of the node script follows on it.
MOMENTS = ("  step stage ", "  step checkpoint\n", "  each_file still_there ||", "  step activate ")


@pytest.fixture
def link(node: NginxNode) -> Iterator[NodeLink]:
    with link_to(node) as opened:
        yield opened


def at_rest(node: NginxNode) -> bool:
    return node.lock_is_free() and not list(node.prefix.rglob(".nginxws-*"))


def test_between_snapshot_and_lock(local: Nginxws, node: NginxNode, backend: Backend) -> None:
    """Nobody has seen the plan, so it is made anew from what is there now."""
    local("add-route", "/first/", backend.address)
    (folder,) = node.state.iterdir()
    with (folder / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        (folder / "owner").write_text("pid 1\nwho somebody\nsince 1\n")
        process = local.start("add-route", "/ws/", backend.address, "--verbose")
        assert process.stderr is not None
        while b"waiting for the lock" not in (line := process.stderr.readline()):
            assert line
        node.site.write_bytes(node.site.read_bytes() + THEIRS)
    assert local.finish(process).code == 0
    assert node.site.read_bytes().endswith(THEIRS)
    assert echoes(node.port, "/ws/")
    assert echoes(node.port, "/first/")


@pytest.mark.parametrize("how", WRITERS)
@pytest.mark.parametrize("moment", MOMENTS, ids=lambda text: text.strip())
def test_between_lock_and_activation(
    node: NginxNode, link: NodeLink, backend: Backend, moment: str, how: str
) -> None:
    before, workers = node.site.read_bytes(), node.workers()
    error = carry_out(link, backend, changed=[(moment, f"{WRITERS[how](node.site)}\n{moment}")])
    assert isinstance(error, StaleError)
    assert str(node.site) in error.message
    assert node.site.read_bytes() == before + THEIRS
    assert node.workers() == workers, "no reload for a change that was never live"
    wait_for(lambda: at_rest(node), "the lock", 20)
    assert carry_out(link, backend) is None
    assert echoes(node.port)


def write_over(node: NginxNode, before: bytes) -> bytes:
    return before + THEIRS


def write_ours_on(node: NginxNode, before: bytes) -> bytes:
    return node.site.read_bytes() + THEIRS


def write_the_old_text(node: NginxNode, before: bytes) -> bytes:
    return before


@pytest.mark.parametrize("write", [write_over, write_ours_on, write_the_old_text])
def test_while_we_probe(
    node: NginxNode, link: NodeLink, backend: Backend, write: Callable[[NginxNode, bytes], bytes]
) -> None:
    """What they wrote stays, NGINX serves just that, and the next try goes on from there."""
    before = node.site.read_bytes()
    theirs = b""

    def decide() -> None:
        nonlocal theirs
        theirs = write(node, before)
        node.site.write_bytes(theirs)

    error = carry_out(link, backend, decide)
    assert isinstance(error, StaleError)
    assert str(node.site) in error.message
    assert node.site.read_bytes() == theirs
    wait_for(lambda: at_rest(node), "the lock", 20)
    assert not node.revisions()
    served = b"begin route /ws/" in theirs
    if served:
        assert echoes(node.port)
    else:
        with pytest.raises(Exception, match="HTTP 200"):
            echoes(node.port)
        assert carry_out(link, backend) is None
        assert echoes(node.port)


def test_text_that_nginx_refuses_is_theirs_and_is_said(
    node: NginxNode, link: NodeLink, backend: Backend
) -> None:
    def decide() -> None:
        node.site.write_bytes(b"nonsense;\n")

    error = carry_out(link, backend, decide)
    assert isinstance(error, RestoreFailed)
    assert "nonsense" in (error.detail or "")
    assert node.site.read_bytes() == b"nonsense;\n"
    assert echoes(node.port), "NGINX serves what it had"
    node.site.write_bytes(node.site.read_bytes().replace(b"nonsense;\n", b"# mended\n"))
    recover_node(link, accept=True)
    link.end_session()
    wait_for(lambda: at_rest(node), "the lock", 20)


def test_the_command_goes_on_by_itself(local: Nginxws, node: NginxNode, backend: Backend) -> None:
    """Its handshake is what the run comes in between; the change is made anew, and both are there."""
    process = local.start("add-route", "/ws/", backend.address)
    wait_for(lambda: backend.requests, "the probe", 30)
    ours = node.site.read_bytes()
    node.site.write_bytes(ours.replace(b"# The site.\n", b"# The site.\n" + THEIRS))
    assert local.finish(process).code == 0
    assert THEIRS in node.site.read_bytes()
    assert echoes(node.port)
    wait_for(lambda: at_rest(node), "the lock", 20)
