"""An application's node, and the shells that it may have as its sh."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.appnode import AppNode, AppTalk
from support.sshd import need
from support.talking import SHELLS


@pytest.fixture
def node(tmp_path: Path) -> AppNode:
    return AppNode(tmp_path)


@pytest.fixture(params=SHELLS)
def talk(node: AppNode, request: pytest.FixtureRequest) -> AppTalk:
    words = SHELLS[request.param]
    need(words[0])
    return AppTalk(node, words)


@pytest.fixture
def dash(node: AppNode) -> AppTalk:
    """One shell will do where a test asks nothing of the shell."""
    need("dash")
    return AppTalk(node, ["dash"])
