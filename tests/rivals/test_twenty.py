"""Twenty operators at once on one node: everybody's change is there in the end."""

from __future__ import annotations

import re

import pytest
from support.backend import Backend, echoes
from support.command import Done, Nginxws
from support.nginx import NginxNode

pytestmark = [pytest.mark.nginx]

TWENTY = 20
#: Of each kind, where routes come and go.
FEW = 4
#: Longest wait for one's turn: a machine under load may need it.
PATIENCE = "110s"


def at_once(local: Nginxws, changes: list[tuple[str, ...]]) -> list[Done]:
    """All these commands in processes of their own, started together."""
    rivals = [local.start(*words, "--lock-timeout", PATIENCE) for words in changes]
    ends = [local.finish(process) for process in rivals]
    for words, done in zip(changes, ends, strict=True):
        assert done.code == 0, f"{words}: {done.code}\n{done.err}"
    return ends


def managed(node: NginxNode) -> set[str]:
    return set(re.findall(r"# nginxws: begin route (\S+) ", node.site.read_text()))


@pytest.mark.timeout(240)
def test_twenty_routes_added_at_once(local: Nginxws, node: NginxNode, backend: Backend) -> None:
    files = node.digests().keys()
    paths = {f"/route{number}/" for number in range(TWENTY)}
    ends = at_once(
        local, [("add-route", path, backend.address, "--format", "json") for path in sorted(paths)]
    )
    assert managed(node) == paths
    assert all(echoes(node.port, path) for path in paths)
    numbers = sorted(done.json["nodes"]["local"]["revision"] for done in ends)
    assert numbers == list(range(1, TWENTY + 1)), "each change is a revision of its own"
    assert len(node.revisions()) == TWENTY
    assert node.lock_is_free()
    assert node.digests().keys() == files, "no file is left, and none is missing"


@pytest.mark.timeout(240)
def test_routes_come_and_go_at_once(local: Nginxws, node: NginxNode, backend: Backend) -> None:
    old = [f"/old{number}/" for number in range(FEW)]
    new = [f"/new{number}/" for number in range(FEW)]
    before = node.digests()
    for path in old:
        local("add-route", path, backend.address)
    changes: list[tuple[str, ...]] = []
    for coming, going in zip(new, old, strict=True):
        changes += [("add-route", coming, backend.address), ("remove-route", going)]
    at_once(local, changes)
    assert managed(node) == set(new)
    assert all(echoes(node.port, path) for path in new)
    at_once(local, [("remove-route", path) for path in new])
    assert node.digests() == before, "without our blocks every file is as it was, byte for byte"
    assert node.lock_is_free()
