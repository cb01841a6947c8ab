"""A node, and the shells that it may have as its sh."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.nginx import NginxNode
from support.sshd import need
from support.talking import SHELLS, Talk, started


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> list[str]:
    words = SHELLS[request.param]
    need(words[0])
    return words


@pytest.fixture
def stopped(tmp_path: Path) -> NginxNode:
    return NginxNode(tmp_path / "node", need("nginx"))


@pytest.fixture
def node(stopped: NginxNode) -> Iterator[NginxNode]:
    with started(stopped):
        yield stopped


@pytest.fixture
def talk(node: NginxNode, shell: list[str]) -> Talk:
    return Talk(node, shell)


@pytest.fixture
def dash(node: NginxNode) -> Talk:
    """One shell will do where a test takes seconds, or asks nothing of the shell."""
    return Talk(node, [need("dash")])
