"""Nodes in environment variables."""

from __future__ import annotations

import pytest

from nginxws.errors import InvalidInput
from nginxws.inventories.variables import listed, told


def test_a_list_of_nodes() -> None:
    found = listed({"NGINXWS_NODES": " lb1 lb-2=deploy@10.0.0.2:2222\nlb.3=local "})
    ssh = {name: of.get("ssh", ("",))[0] for name, of in found.items()}
    assert ssh == {"lb1": "", "lb-2": "deploy@10.0.0.2:2222", "lb.3": "local"}
    assert listed({}) == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("lb1,lb2", "'lb1,lb2' isn't a name"),
        ("-x", "'-x' isn't a name"),
        ("=x", "'' isn't a name"),
        ("lb1 lb1=x", "lb1 stands there twice"),
        ("lb1=", "is empty"),
        ("a" * 100_001, "longer than"),
    ],
)
def test_what_is_no_list(text: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=words) as caught:
        listed({"NGINXWS_NODES": text})
    assert caught.value.message.startswith("NGINXWS_NODES")
    assert caught.value.hint


def test_what_variables_say_of_a_node() -> None:
    environ = {
        "NGINXWS_NODE_LB_1_SSH": "deploy@10.0.0.2",
        "NGINXWS_NODE_LB_1_NGINX_CONF": "/n.conf",
        "NGINXWS_NODE_LB_1_SUDO": "yes",
        "NGINXWS_NODE_LB_1_LABELS": "edge eu",
        "NGINXWS_NODE_LB_1_RELOAD_COMMAND": "service nginx reload",
        "NGINXWS_NODES": "ignored here",
        "NGINXWS_NODE": "lb1",
    }
    found = told(environ, ["lb-1", "lb"])
    assert {key: value for key, (value, _variable) in found["lb-1"].items()} == {
        "ssh": "deploy@10.0.0.2",
        "nginx_conf": "/n.conf",
        "sudo": True,
        "labels": ("edge", "eu"),
        "reload_command": "service nginx reload",
    }
    assert list(found) == ["lb-1"]


def test_a_name_that_ends_as_a_key_begins() -> None:
    found = told({"NGINXWS_NODE_LB_NGINX_CONF": "/n.conf"}, ["lb", "lb-nginx"])
    assert found == {"lb": {"nginx_conf": ("/n.conf", "NGINXWS_NODE_LB_NGINX_CONF")}}


@pytest.mark.parametrize(
    ("variable", "value", "words", "hint"),
    [
        ("NGINXWS_NODE_LB9_SSH", "a", "is about no node that there is", "NGINXWS_NODES"),
        ("NGINXWS_NODE_LB1_SHS", "a", "a node has no such key", "NGINXWS_NODE_LB1_SSH"),
        ("NGINXWS_NODE_LB1_ZZZZ", "a", "a node has no such key", "there are: SSH,"),
        ("NGINXWS_NODE_A_B_SSH", "a", "could be about a-b and a.b", "manifest"),
        ("NGINXWS_NODE_LB1_SUDO", "si", "'si' isn't a truth value", "1 or 0"),
        ("NGINXWS_NODE_LB1_STATE_DIR", "state", "isn't an absolute path", "start it with /"),
        ("NGINXWS_NODE_LB1_LABELS", "-a", "isn't a name", "letters"),
        ("NGINXWS_NODE_LB1_INSTALL", "yum", "must be 'auto'", None),
    ],
)
def test_what_cant_be(variable: str, value: str, words: str, hint: str | None) -> None:
    with pytest.raises(InvalidInput) as caught:
        told({variable: value}, ["lb1", "a-b", "a.b"])
    assert caught.value.message.startswith(variable)
    assert words in caught.value.message
    assert hint is None or hint in str(caught.value.hint)
