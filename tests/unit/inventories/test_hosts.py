"""What the variables of an Ansible host mean for a node."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nginxws.inventories.ansible import Host
from nginxws.inventories.hosts import Meaning, boolean, meaning_of
from nginxws.manifest.model import NodeEntry
from nginxws.manifest.wanted import target
from nginxws.nodes.transport import Target


def meaning(name: Any = "lb1", said: Any = (), **variables: Any) -> Meaning:
    return meaning_of(Host(name, frozenset(), variables, 7), said)


@pytest.mark.parametrize(
    ("variables", "ssh"),
    [
        ({}, "ssh://lb1"),
        ({"ansible_host": "10.0.0.5"}, "ssh://10.0.0.5"),
        ({"ansible_host": "LB.example"}, "ssh://LB.example"),
        ({"ansible_host": "a", "ansible_ssh_host": "b"}, "ssh://b"),
        ({"ansible_host": "fd00::5"}, "ssh://[fd00::5]"),
        ({"ansible_host": "fe80::1%eth0"}, "ssh://[fe80::1%eth0]"),
        ({"ansible_host": "local"}, "ssh://local"),
        ({"ansible_port": 2222}, "ssh://lb1:2222"),
        ({"ansible_port": "2222", "ansible_ssh_port": 23}, "ssh://lb1:23"),
        ({"ansible_user": "deploy"}, "ssh://deploy@lb1"),
        ({"ansible_user": "a", "ansible_ssh_user": "b", "ansible_host": None}, "ssh://b@lb1"),
        ({"ansible_connection": "smart"}, "ssh://lb1"),
        ({"ansible_connection": "ansible.builtin.ssh"}, "ssh://lb1"),
        ({"ansible_connection": "local", "ansible_host": "10.0.0.5"}, "local"),
        ({"ansible_ssh_common_args": ""}, "ssh://lb1"),
        ({"nginxws_ssh": "edge", "ansible_ssh_common_args": "-o X=y"}, "edge"),
    ],
)
def test_how_it_is_reached(variables: dict[str, Any], ssh: str) -> None:
    found = meaning(**variables)
    assert (found.keys, found.problems) == ({"ssh": ssh}, [])


def test_a_key_file() -> None:
    assert meaning(ansible_private_key_file="~/a").identity == "~/a"
    both = {"ansible_private_key_file": "a", "ansible_ssh_private_key_file": "b"}
    assert meaning(**both).identity == "b"
    assert meaning(said=("ssh",), **both).identity == ""
    assert meaning(ansible_connection="local", **both).identity == ""


@pytest.mark.parametrize(
    ("variables", "sudo"),
    [
        ({"ansible_become": True}, True),
        ({"ansible_become": "yes"}, True),
        ({"ansible_become": 1, "ansible_become_method": "ansible.builtin.sudo"}, True),
        ({"ansible_become": "true", "ansible_become_user": "root"}, True),
        ({"ansible_become": False, "ansible_become_method": "su"}, None),
        ({"ansible_become": "no"}, None),
        ({"ansible_become": True, "nginxws_sudo": False}, False),
        ({"ansible_become": "{{ x }}", "nginxws_sudo": "true"}, True),
    ],
)
def test_root(variables: dict[str, Any], sudo: bool | None) -> None:
    found = meaning(**variables)
    assert (found.keys.get("sudo"), found.problems) == (sudo, [])


def test_our_own_variables() -> None:
    own = {"nginxws_server": "a.example:80", "nginxws_nginx_conf": "/n.conf", "nginxws_home": ""}
    found = meaning(**own, nginxws_domain="x", nginxws_labels=["a"], http_port=80)
    assert found.keys == {"server": "a.example:80", "nginx_conf": "/n.conf", "ssh": "ssh://lb1"}
    assert not found.problems, "other people's variables aren't ours to check"


def test_what_was_said_already_isnt_read() -> None:
    odd = {"ansible_host": [1], "ansible_become": "perhaps", "nginxws_server": 5.5}
    found = meaning(said=("ssh", "sudo", "server"), **odd)
    assert (found.keys, found.problems) == ({}, [])


@pytest.mark.parametrize(
    ("variables", "words", "hint"),
    [
        ({"ansible_host": "10.0.0.999"}, "isn't an IP address", "ansible_host"),
        ({"ansible_host": "a b"}, "'a b'", "ansible_host"),
        ({"ansible_host": "-oProxyCommand=x"}, "-oProxyCommand=x", "ansible_host"),
        ({"ansible_host": "fe80::1%e/0"}, "isn't an IP address", "eth0"),
        ({"ansible_host": ["a"]}, "must be text", "vault"),
        ({"ansible_host": {"__ansible_vault": "x"}}, "must be text", "vault"),
        ({"ansible_host": True}, "must be text", "vault"),
        ({"ansible_host": "{{ ip }}"}, "holds a template", "fill templates in"),
        ({"ansible_user": "{% if x %}a{% endif %}"}, "holds a template", "fill templates in"),
        ({"ansible_user": "a\nb"}, "control character", "one line"),
        ({"ansible_user": "-l"}, "'-l' isn't a user's name", "User"),
        ({"ansible_port": "ssh"}, "'ssh' isn't a number from 1 to 65535", "like 22"),
        ({"ansible_port": 0}, "isn't a number from 1 to 65535", "like 22"),
        ({"ansible_connection": "docker"}, "'docker' isn't a way to reach a node", "ssh or local"),
        ({"ansible_ssh_common_args": "-J b"}, "options of ssh(1) aren't followed", "nginxws_ssh"),
        ({"ansible_ssh_args": "-C"}, "options of ssh(1) aren't followed", "nginxws_ssh"),
        ({"ansible_ssh_extra_args": "-v"}, "options of ssh(1) aren't followed", "nginxws_ssh"),
        ({"ansible_become": "perhaps"}, "'perhaps' isn't a truth value", "true or false"),
        ({"ansible_become": True, "ansible_become_method": "su"}, "'su' isn't a way to become root", "sudo"),
        ({"ansible_become": True, "ansible_become_user": "www"}, "'www' isn't root", "become root"),
        ({"nginxws_nginx_conf": "nginx.conf"}, "isn't an absolute path", "start it with /"),
        ({"nginxws_install": "yum"}, "must be 'auto', 'apt', 'dnf' or 'apk'", "nginxws schema"),
        ({"nginxws_sever": "a"}, "isn't a variable of ours", "nginxws_server"),
    ],
)
def test_what_cant_be(variables: dict[str, Any], words: str, hint: str) -> None:
    (problem,) = meaning(**variables).problems
    name = list(variables)[-1]
    assert problem.message.startswith(f"lb1: {name}: ")
    assert words in problem.message
    assert hint in str(problem.hint)
    assert (problem.line, problem.key) == (7, name)


def test_a_name_that_is_no_host() -> None:
    (problem,) = meaning("a b").problems
    assert problem.message.startswith("a b: its name: ")
    assert "ansible_host" in str(problem.hint)


def test_secrets_are_never_read() -> None:
    class Secret(str):
        def __eq__(self, _other: object) -> bool:
            raise AssertionError

        __hash__ = str.__hash__
        __str__ = __contains__ = __iter__ = __eq__  # type: ignore[assignment]

    names = ("ansible_password", "ansible_become_password", "ansible_ssh_pass", "ansible_private_key")
    found = meaning(ansible_become=True, **{name: Secret("x") for name in names})
    assert found.keys == {"ssh": "ssh://lb1", "sudo": True}


TEXTS = st.one_of(
    st.none(), st.booleans(), st.integers(-1, 70_000), st.text(max_size=12),
    st.sampled_from(["10.0.0.5", "fd00::5", "fe80::1%eth0", "a.example", "a_b", "[::1]", "::", "local"]),
)  # fmt: skip


@given(TEXTS, TEXTS, TEXTS, st.text(max_size=8))
def test_whatever_it_takes_is_a_target(host: Any, user: Any, port: Any, name: str) -> None:
    found = meaning(name, ansible_host=host, ansible_user=user, ansible_port=port)
    if found.problems:
        assert found.keys == {}
    else:
        reached = Target.parse(target("x", NodeEntry(ssh=found.keys["ssh"])))
        assert not reached.is_local
        assert reached.port == (None if port in (None, "") else int(port))


def test_truth_as_ansible_reads_it() -> None:
    assert [boolean(one) for one in (True, "Yes", 1, "t")] == [True] * 4
    assert [boolean(one) for one in (False, "Off", 0, "n")] == [False] * 4
    assert [boolean(one) for one in ("", "maybe", 2, None)] == [None] * 4
