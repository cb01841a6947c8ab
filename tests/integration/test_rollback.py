"""A node as an earlier revision left it: to the byte, around a hand edit, or refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.backend import Backend, echo_backend, echoes, open_socket
from support.command import Nginxws
from support.nginx import NginxNode

pytestmark = [pytest.mark.nginx, pytest.mark.sshd]


@pytest.fixture
def local(command: Nginxws, node: NginxNode) -> Nginxws:
    return command.at("--node", "local", *node.options())


def test_over_ssh_every_state_comes_back_to_the_byte(
    nginxws: Nginxws, node: NginxNode, backend: Backend
) -> None:
    states = [node.digests()]
    with echo_backend() as second:
        nginxws("add-route", "/one/", backend.address, "--message", "the first one")
        states.append(node.digests())
        nginxws("add-route", "/two/", f"{backend.address} weight=2", second.address, "--slashless", "alias")
        states.append(node.digests())
        nginxws("remove-route", "/one/")
        states.append(node.digests())
    dry = nginxws("rollback", "0", "--dry-run", "--detailed-exitcode", code=2)
    assert "-    location ^~ /two/ {" in dry.out
    with node.untouched():
        assert nginxws("rollback", "0", "--dry-run").out == dry.out

    with open_socket(node.port, "/two/") as client:
        done = nginxws("rollback", "0")
        assert "/two/: removed in chat.example.com" in done.out
        assert "revision 4" in done.out
        assert node.digests() == states[0]
        client.send("still here")
        assert client.recv(10) == "still here"

    done = nginxws("rollback", "2")  # the second backend is gone meanwhile: one of two is
    assert "/one/: added in" in done.out
    assert "/one/: live" in done.out
    assert node.digests() == states[2]
    assert echoes(node.port, "/one/")
    nginxws("rollback")
    assert node.digests() == states[0]
    nginxws("rollback")  # undoes that one
    assert node.digests() == states[2]
    assert "nothing to do" in nginxws("rollback", "2").out
    assert node.lock_is_free()

    entry = nginxws("history", "--format", "json").json["nodes"]["node"]
    assert [(one["number"], one["kind"], one["message"]) for one in entry["revisions"]] == [
        (1, "apply", "the first one"),
        (2, "apply", ""),
        (3, "apply", ""),
        (4, "rollback", "back to before the first revision"),
        (5, "rollback", "back to revision 2"),
        (6, "rollback", "back to revision 4"),
        (7, "rollback", "back to revision 5"),
    ]


def test_the_text_of_a_rollback_and_of_the_history(local: Nginxws, node: NginxNode, backend: Backend) -> None:
    assert "no revisions" in local("history").err
    assert local("history").out == ""
    local("add-route", "/ws/", backend.address, "-m", "why\nnot")
    local("rollback", "-m", "oh no", "--format", "json")
    first, second = local("history").out.splitlines()
    assert first.startswith("local: 1  20")
    assert first.endswith("  apply     why not")
    assert second.endswith("  rollback  oh no")
    shown = local("history", "show", "1").out
    assert shown.startswith("local: revision 1, applied 20")
    assert "local: message: why not\n" in shown
    assert f"+++ b{node.site}\n" in shown
    assert "+    location ^~ /ws/ {\n" in shown
    document = local("history", "show", "2", "--format", "json").json
    (revision,) = document["nodes"]["local"]["revisions"]
    assert "-    location ^~ /ws/ {\n" in revision["diff"]
    assert revision["files"][0]["path"] == str(node.site)
    assert "there is no revision 3" in local("history", "show", "3", code=1).error
    assert "keeps 1 to 2" in local("history", "show", "3", code=1).hint
    for words in (("show",), ("show", "x"), ("show", "0"), ("1",), ("show", "1", "2")):
        assert "show REVISION" in local("history", *words, code=64).err


def test_a_hand_edit_is_kept_or_nothing_is_changed(local: Nginxws, node: NginxNode, backend: Backend) -> None:
    at_first = node.site.read_bytes()
    local("add-route", "/ws/", backend.address)
    text = node.site.read_bytes()
    node.site.write_bytes(text.replace(b"# The site.", b"# The site of caf\xe9.\n# Mine."))
    with node.untouched():
        refused = local("rollback", code=1)
        assert f"{node.site}: somebody else edited this file since" in refused.error
        assert "--surgical" in refused.hint
        status = local("status").out
        assert f"edited by hand since then: {node.site}" in status
    local("rollback", "--surgical")
    assert node.site.read_bytes() == at_first.replace(b"# The site.", b"# The site of caf\xe9.\n# Mine.")
    # Back again: the block comes back where a new one would stand.
    local("rollback")
    assert node.site.read_bytes() == text.replace(b"# The site.", b"# The site of caf\xe9.\n# Mine.")
    assert echoes(node.port)


def test_an_edit_inside_our_block_is_given_up_only_where_that_was_asked_for(
    local: Nginxws, node: NginxNode, backend: Backend
) -> None:
    at_first = node.site.read_bytes()
    local("add-route", "/ws/", backend.address)
    node.site.write_bytes(node.site.read_bytes().replace(b"1h;", b"2h;", 1))
    with node.untouched():
        local("rollback", code=1)
        assert "--overwrite-drift" in local("rollback", "--surgical", code=1).hint
    local("rollback", "--surgical", "--overwrite-drift")
    assert node.site.read_bytes() == at_first


def test_a_store_that_was_damaged_is_not_believed(local: Nginxws, node: NginxNode, backend: Backend) -> None:
    local("add-route", "/ws/", backend.address)
    (stored,) = node.state.glob("*/revisions/1/1.before")
    stored.write_bytes(stored.read_bytes() + b"# evil\n")
    with node.untouched():
        assert "is damaged; nothing was changed" in local("rollback", code=1).error
        assert "is damaged" in local("history", "show", "1", code=1).error


def test_only_so_many_revisions_are_kept(local: Nginxws, node: NginxNode, backend: Backend) -> None:
    states = [node.digests()]
    for n in range(4):
        local("add-route", f"/{n}/", backend.address, "--keep", "2")
        states.append(node.digests())
    assert [Path(path).name for path in node.revisions()] == ["3", "4"]
    with node.untouched():
        refused = local("rollback", "1", code=1)
        assert "revision 1 can't be reached any more" in refused.error
        assert "keeps 3 to 4" in refused.hint
        assert "there is no revision 5" in local("rollback", "5", code=1).error
    local("rollback", "2")
    assert node.digests() == states[2]


def test_a_route_that_comes_back_and_does_not_answer(local: Nginxws, node: NginxNode) -> None:
    """By default that is a warning: what leads away from trouble must not hang on a backend."""
    with echo_backend() as backend:
        local("add-route", "/ws/", backend.address)
        local("add-route", "^/re$", backend.address, "--match", "regex", "--probe-path", "/re")
        local("remove-route", "/ws/", "^/re$")
    with node.untouched(reloads=True):
        assert "--probe-path" in local("rollback", "--probe", "required", code=1).hint
        local("rollback", "--probe", "required", "--probe-path", "/re", code=4)
    done = local("rollback")
    assert "warning: local: /ws/ is in place, but not proved" in done.err
    assert "no path to probe follows" in done.err
    assert b"location ^~ /ws/" in node.site.read_bytes()


def test_there_is_nothing_to_go_back_from(local: Nginxws, node: NginxNode) -> None:
    with node.untouched():
        refused = local("rollback", code=1)
        assert "no revisions" in refused.error
        assert "nothing was applied" in refused.hint
        assert json.loads(local("rollback", "--format", "json", code=1).out)["rc"] == 1


def test_two_nodes_each_go_back_by_themselves(
    command: Nginxws, node: NginxNode, local: Nginxws, backend: Backend, nginxws: Nginxws
) -> None:
    """The same NGINX by two ways: what one did the other sees, and both are told."""
    local("add-route", "/ws/", backend.address)
    both = command.at("--node", "local", *nginxws.target)
    document = both("history", "--format", "json").json
    assert document["nodes"]["local"] == document["nodes"]["node"]
    document = both("rollback", "0", "--format", "json").json
    # What the second one had read is stale by then, and planned anew there is nothing left to do.
    assert [entry["revision"] for entry in document["nodes"].values()] == [2, None]
    assert [entry["error"] for entry in document["nodes"].values()] == [None, None]
