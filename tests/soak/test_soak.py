"""Long work: hundreds of changes on one node under sockets that talk; a short form of it runs every time."""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from integration.conftest import binary, command, make_node
from soak import page
from soak.soaking import Figures, TalkingProcess, keep, soak
from support.command import Nginxws
from support.nginx import NginxNode, main_conf, site_conf

__all__ = ["binary", "command", "make_node"]

pytestmark = [pytest.mark.nginx]

LIVE = (
    "    location /live/ {{\n        proxy_pass http://127.0.0.1:{port};\n        proxy_http_version 1.1;\n"
    "        proxy_set_header Upgrade $http_upgrade;\n"
    '        proxy_set_header Connection "upgrade";\n    }}\n\n'
)
#: Descriptors for 1,100 sockets here, twice that in a worker and in the talkers' process, and room.
FILES = 8192


@pytest.fixture
def talkers() -> Iterator[TalkingProcess]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < FILES:
        pytest.fail(f"this machine allows a process {hard} files only, {FILES} are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, FILES), hard))
    with contextlib.closing(TalkingProcess()) as process:
        yield process
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def node(make_node: Callable[..., NginxNode], talkers: TalkingProcess, tmp_path: Path) -> NginxNode:
    """A node with room for the sockets, and a hand-written location that they use."""
    prefix = tmp_path / "node"
    main = main_conf(prefix).replace("worker_connections 4096;", f"worker_connections {FILES};")
    live = LIVE.format(port=talkers.backend)
    site = (
        site_conf(0)
        .replace("127.0.0.1:0;", "127.0.0.1:@PORT@;")
        .replace("    location = /50x", live + "    location = /50x")
    )
    return make_node(main=f"worker_rlimit_nofile {FILES};\n{main}", site=site, prefix=prefix)


def run(command: Nginxws, node: NginxNode, talkers: TalkingProcess, applies: int, sockets: int) -> Figures:
    """A soak whose promises hold."""
    local = command.at("--node", "local", *node.options(), "--lock-timeout", "110s")
    figures = soak(local, node, talkers, applies, sockets)
    keep(figures)
    told = figures.sockets
    assert (told["dropped"], told["lost"], told["first_error"]) == (0, 0, "")
    assert told["sockets"] == sockets + applies // 3
    assert told["sent"] >= told["sockets"]
    assert figures.revisions == min(20, figures.revisions)
    assert figures.processes_left == []
    assert figures.files_left == []
    assert node.lock_is_free()
    return figures


def test_a_short_soak(command: Nginxws, node: NginxNode, talkers: TalkingProcess) -> None:
    figures = run(command, node, talkers, 10, 50)
    assert figures.workers["generations"] == 4, "that of the beginning, and three with one socket each"
    assert "| dropped | 0 |" in page.table(figures)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_three_hundred_changes_under_a_thousand_sockets(
    command: Nginxws, node: NginxNode, talkers: TalkingProcess
) -> None:
    figures = run(command, node, talkers, 300, 1000)
    assert figures.revisions == 20
    page.write(figures)
