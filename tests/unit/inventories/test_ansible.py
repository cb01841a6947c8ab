"""What ``ansible-inventory --list`` prints, read; whatever else is in the file is refused with a reason."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.inventories import NAME, inventory, listed

from nginxws.errors import ManifestError
from nginxws.inventories import ansible
from nginxws.inventories.ansible import parse

GROUPS = {"balancers": ("eu", "us"), "us": ["lb10", "lb2"], "eu": ["lb1"], "db": ["db1", "lb2"]}


def refused(text: str) -> ManifestError:
    with pytest.raises(ManifestError) as caught:
        parse(text, NAME)
    assert caught.value.file == NAME
    assert caught.value.hint
    return caught.value


def test_groups_of_groups() -> None:
    found = inventory(GROUPS, {"lb1": {"ansible_port": 22}})
    assert {name: sorted(host.groups) for name, host in found.hosts.items()} == {
        "lb1": ["all", "balancers", "eu"],
        "lb10": ["all", "balancers", "us"],
        "lb2": ["all", "balancers", "db", "us"],
        "db1": ["all", "db"],
    }
    assert found.groups["balancers"] == {"lb1", "lb10", "lb2"}
    assert found.hosts["lb1"].variables == {"ansible_port": 22}
    assert found.hosts["lb2"].variables == {}


def test_hosts_stand_in_the_order_of_the_groups() -> None:
    assert list(inventory(GROUPS).hosts) == ["lb1", "lb10", "lb2", "db1"]


def test_a_host_without_a_group_is_in_all() -> None:
    found = parse(json.dumps({"_meta": {"hostvars": {"alone": {}}}, "db": {"hosts": ["db1"]}}), NAME)
    assert {name: sorted(host.groups) for name, host in found.hosts.items()} == {
        "db1": ["all", "db"],
        "alone": ["all"],
    }


def test_groups_in_circles_end() -> None:
    found = inventory({"a": ("b",), "b": ("a", "c"), "c": ["h"]})
    assert found.hosts["h"].groups == {"all", "a", "b", "c"}


def test_a_host_s_line() -> None:
    text = listed({"lb": ["lb1", "lb2"]}, {"lb1": {"ansible_port": 22}, "lb2": {"x": {"y": 1}}})
    found = parse(text, NAME)
    assert text.split("\n")[found.hosts["lb2"].line - 1].strip() == '"lb2": {'
    assert parse(json.dumps(json.loads(text)), NAME).hosts["lb2"].line == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[lb]\nlb1 ansible_port=22\n", "isn't JSON"),
        ("\x00", "isn't JSON"),
        ("[" * 100_000, "nested too deeply"),
        ("[]", "the whole isn't an object"),
        ("{}", "_meta isn't an object"),
        ('{"_meta": {}}', "_meta.hostvars isn't an object"),
        ('{"_meta": {"hostvars": {"a": []}}}', "_meta.hostvars of a isn't an object"),
        ('{"_meta": {"hostvars": {}}, "db": ["db1"]}', "db isn't an object"),
        ('{"_meta": {"hostvars": {}}, "db": {"hosts": {"a": 1}}}', "hosts of db isn't a list of names"),
        ('{"_meta": {"hostvars": {}}, "db": {"hosts": [1]}}', "hosts of db isn't a list of names"),
        ('{"_meta": {"hostvars": {}}, "db": {"hosts": [""]}}', "hosts of db isn't a list of names"),
        ('{"_meta": {"hostvars": {}}, "db": {"children": "x"}}', "children of db isn't a list of names"),
        ('{"_meta": {"hostvars": {}}, "db": {"vars": []}}', "vars of db isn't an object"),
    ],
)
def test_what_is_no_inventory(text: str, words: str) -> None:
    assert refused(text).message == words


def test_the_line_of_what_isnt_json() -> None:
    assert refused('{\n"a": nope}').line == 2


def test_a_byte_order_mark_is_passed_over() -> None:
    assert list(parse("\ufeff" + listed({"lb": ["lb1"]}), NAME).hosts) == ["lb1"]


def test_what_was_made_with_export_lacks_variables() -> None:
    data = json.loads(listed({"lb": ["lb1"]}))
    data["lb"]["vars"] = {"http_port": 80}
    assert list(parse(json.dumps(data), NAME).hosts) == ["lb1"], "nothing that we read"
    data["lb"]["vars"] = {"ansible_user": "deploy"}
    error = refused(json.dumps(data))
    assert "the group lb has variables of its own" in error.message
    assert "without --export" in str(error.hint)


def test_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    text = listed({"lb": ["lb1", "lb2", "lb3"]})
    monkeypatch.setattr(ansible, "MAX_HOSTS", 3)
    assert len(parse(text, NAME).hosts) == 3
    monkeypatch.setattr(ansible, "MAX_HOSTS", 2)
    assert refused(text).message == "more than 2 hosts"
    monkeypatch.setattr(ansible, "MAX_SIZE", len(text) - 1)
    assert refused(text).message == f"longer than {len(text) - 1} bytes"


def test_groups_that_multiply_are_refused_soon() -> None:
    chain: dict[str, Any] = {f"g{number}": (f"g{number + 1}",) for number in range(20_000)}
    assert refused(listed(chain)).message == "its groups are too many in one another"


NAMES = st.text("abc", min_size=1, max_size=2)
MEMBERS = st.one_of(st.lists(NAMES, max_size=4), st.lists(NAMES, max_size=3).map(tuple))


@given(st.dictionaries(NAMES.map(str.upper), MEMBERS, max_size=5))
def test_membership_is_what_following_the_children_gives(groups: dict[str, Any]) -> None:
    lower = {
        name: tuple(one.upper() for one in of) if isinstance(of, tuple) else of for name, of in groups.items()
    }
    found = inventory(lower)

    def has(group: str, host: str, seen: frozenset[str] = frozenset()) -> bool:
        members = lower.get(group, ())
        if not isinstance(members, tuple):
            return host in members
        return any(has(one, host, seen | {group}) for one in members if one not in seen | {group})

    hosts = {host for members in lower.values() if not isinstance(members, tuple) for host in members}
    assert set(found.hosts) == hosts
    for name, host in found.hosts.items():
        assert host.groups == {group for group in lower if has(group, name)} | {"all"}
