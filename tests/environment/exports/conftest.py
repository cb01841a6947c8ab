"""A world for each test: NGINX below a folder of its own, and a WebSocket backend."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.backend import echo_backend
from support.exporting import World
from support.nginx import NginxNode
from support.sshd import need


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    node = NginxNode(tmp_path / "node", need("nginx"))
    with echo_backend() as backend:
        node.start()
        try:
            yield World(tmp_path, node, backend)
        finally:
            node.stop()
