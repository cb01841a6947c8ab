"""Shared blocks that somebody deleted by hand: the error names the commands that help, and they do."""

from __future__ import annotations

import re
import shlex

import pytest
from support.backend import Backend, echoes
from support.command import Nginxws
from support.nginx import NginxNode

pytestmark = [pytest.mark.nginx, pytest.mark.sshd]

#: Makes an upstream of one backend.
ALSO = "127.0.0.1:1 backup"


def delete_shared(node: NginxNode, kind: str) -> None:
    text = node.site.read_text()
    kept = re.sub(rf" *# nginxws: begin {kind} .*?# nginxws: end {kind} [^\n]*\n", "", text, flags=re.DOTALL)
    assert kept != text
    node.site.write_text(kept)


def test_one_command_for_one_upstream(nginxws: Nginxws, node: NginxNode, backend: Backend) -> None:
    add = ("add-route", "/one/", backend.address, ALSO)
    nginxws(*add)
    nginxws("add-route", "/other/", backend.address)
    before = node.site.read_text()
    delete_shared(node, "upstream")
    with node.untouched():
        done = nginxws("remove-route", "/other/", code=1)
    assert "`nginxws add-route /one/ …`" in done.hint
    assert nginxws(*add).code == 0
    assert sorted(node.site.read_text().splitlines()) == sorted(before.splitlines())
    assert echoes(node.port, "/one/")


def test_two_upstreams_at_once(nginxws: Nginxws, node: NginxNode, backend: Backend) -> None:
    adds = [
        ("add-route", "/one/", backend.address, ALSO),
        ("add-route", "/two/", backend.address, "127.0.0.1:2 backup"),
        ("add-route", "/three/", backend.address),
    ]
    for add in adds:
        nginxws(*add)
    delete_shared(node, "upstream")
    delete_shared(node, "map")
    with node.untouched():
        hints = {nginxws(*command, code=1).hint for command in (*adds, ("remove-route", "/two/"))}
    (hint,) = hints
    (command,) = re.findall(r"`nginxws (remove-route .*?)`", hint)
    nginxws(*shlex.split(command))
    assert "nginxws" not in node.site.read_text()
    for add in adds:
        assert nginxws(*add).code == 0
        assert echoes(node.port, add[1])
