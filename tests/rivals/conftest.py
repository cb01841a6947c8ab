"""The balancer of tests/integration, for those who want it at the same time."""

from __future__ import annotations

import pytest
from integration.conftest import backend, binary, command, make_node, nginxws, node, over_ssh, ssh_server
from support.command import Nginxws
from support.nginx import NginxNode

__all__ = ["backend", "binary", "command", "make_node", "nginxws", "node", "over_ssh", "ssh_server"]


@pytest.fixture
def local(command: Nginxws, node: NginxNode) -> Nginxws:
    """The command line on the node itself, which is quicker than by SSH."""
    return command.at("--node", "local", *node.options())
