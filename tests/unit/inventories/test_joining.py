"""A manifest with nodes from elsewhere."""

from __future__ import annotations

import pytest
from support.inventories import NAME, inventory

from nginxws.errors import InvalidInput, ManifestError
from nginxws.inventories.joining import Joined, Sources
from nginxws.manifest.editing import drop_route, put_route
from nginxws.manifest.reading import parse
from nginxws.manifest.wanted import chosen_nodes, routes_for

GROUPS = {"balancers": ("eu", "us"), "us": ["lb10", "lb2"], "eu": ["lb1"], "db": ["db1"], "-odd": ["lb1"]}
INVENTORY = inventory(GROUPS, {"lb1": {"ansible_host": "10.0.0.1", "ansible_private_key_file": "~/key"}})
ROUTE = '[[routes]]\npath = "/{0}/"\nbackends = ["10.0.0.5:80"]\n'


def text(*nodes: str | None, more: str = "") -> str:
    """A manifest with a route for each of these names; None: without the key."""
    routes = [
        ROUTE.format(number) + (f'nodes = ["{name}"]\n' if name else "") for number, name in enumerate(nodes)
    ]
    return "format = 1\n" + more + "".join(routes)


def joined(manifest: str, sources: Sources) -> Joined:
    found: list[Joined] = []

    def join(one):  # type: ignore[no-untyped-def]
        found.append(sources.join(one))
        return found[-1].manifest

    assert parse(manifest, "m", join) == found[-1].manifest
    return found[-1]


def test_only_hosts_that_are_named_become_nodes() -> None:
    for names, nodes in (
        (["balancers"], ["lb1", "lb10", "lb2"]),
        (["us"], ["lb10", "lb2"]),
        (["db1", None], ["db1"]),
        (["all"], ["lb1", "lb10", "lb2", "db1"]),
        ([None], []),
        ([], []),
    ):
        assert list(joined(text(*names), Sources(INVENTORY)).manifest.nodes) == nodes
    assert list(joined(text(), Sources(INVENTORY, named=("eu", "db1", "ssh://x"))).manifest.nodes) == [
        "lb1",
        "db1",
    ]


def test_groups_are_labels() -> None:
    manifest = joined(text("balancers", "eu", None), Sources(INVENTORY)).manifest
    assert manifest.nodes["lb1"].labels == ("all", "balancers", "eu"), "what can't be a label isn't one"
    assert [route.route.path for route in routes_for(manifest, "lb1")] == ["/0/", "/1/", "/2/"]
    assert [route.route.path for route in routes_for(manifest, "lb2")] == ["/0/", "/2/"]


def test_where_it_comes_from() -> None:
    found = joined(text("eu"), Sources(INVENTORY))
    assert found.manifest.nodes["lb1"].ssh == "ssh://10.0.0.1"
    assert found.identities == {"lb1": "~/key"}
    assert found.places == {"lb1": (NAME, INVENTORY.hosts["lb1"].line)}


def test_the_manifest_wins_then_variables() -> None:
    more = '[nodes.lb1]\nssh = "mine"\nlabels = ["own"]\n[nodes.other]\n'
    environ = {
        "NGINXWS_NODES": "new=new.example lb2",
        "NGINXWS_NODE_LB2_SSH": "told",
        "NGINXWS_NODE_LB1_SUDO": "1",
        "NGINXWS_NODE_LB1_LABELS": "said own",
        "NGINXWS_NODE_LB1_SSH": "mine",
    }
    found = joined(text("us", more=more), Sources(INVENTORY, environ))
    nodes = found.manifest.nodes
    assert list(nodes) == ["lb1", "other", "new", "lb2", "lb10"]
    assert (nodes["lb1"].ssh, nodes["lb1"].sudo) == ("mine", True)
    assert nodes["lb1"].labels == ("own", "said", "all", "balancers", "eu")
    assert (nodes["lb2"].ssh, nodes["lb2"].labels) == ("told", ("all", "balancers", "us"))
    assert nodes["new"].ssh == "new.example"
    assert found.identities == {}, "the key belongs to what the manifest doesn't say"
    assert list(found.places) == ["lb10"]


def test_variables_alone() -> None:
    found = joined(text(None), Sources(None, {"NGINXWS_NODES": "a b=local"}))
    assert {name: node.ssh for name, node in found.manifest.nodes.items()} == {"a": None, "b": "local"}


@pytest.mark.parametrize(
    ("more", "environ", "variable"),
    [
        ('[nodes.lb1]\nssh = "x"\n', {"NGINXWS_NODE_LB1_SSH": "y"}, "NGINXWS_NODE_LB1_SSH"),
        ("[nodes.lb1]\nsudo = false\n", {"NGINXWS_NODE_LB1_SUDO": "1"}, "NGINXWS_NODE_LB1_SUDO"),
        ("", {"NGINXWS_NODES": "lb1=x", "NGINXWS_NODE_LB1_SSH": "y"}, "NGINXWS_NODE_LB1_SSH"),
        ("", {"NGINXWS_NODES": "lb1 lb2", "NGINXWS_NODE_LB1_LABELS": "lb2"}, "NGINXWS_NODE_LB1_LABELS"),
    ],
)
def test_a_contradiction_is_told(more: str, environ: dict[str, str], variable: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        joined(text(more=more), Sources(None, environ))
    assert caught.value.message.startswith(variable)
    assert caught.value.hint


def test_all_that_is_wrong_in_the_inventory_is_told_with_host_and_line() -> None:
    hosts = {"lb1": {"ansible_port": "x"}, "lb2": {"ansible_host": "{{ x }}"}, "db1": {"ansible_port": "y"}}
    wrong = inventory(GROUPS, hosts)
    with pytest.raises(ManifestError) as caught:
        joined(text("balancers"), Sources(wrong))
    lines = [(one.line, one.message.partition(": ")[0]) for one in caught.value.problems]
    assert lines == [(wrong.hosts["lb1"].line, "lb1"), (wrong.hosts["lb2"].line, "lb2")]
    assert caught.value.file == NAME
    assert list(joined(text("lb10"), Sources(wrong)).manifest.nodes) == ["lb10"], "others aren't looked at"


def test_not_all_of_thousands_of_problems_are_told() -> None:
    names = [f"h{number}" for number in range(30)]
    with pytest.raises(ManifestError) as caught:
        joined(text("lb"), Sources(inventory({"lb": names}, {name: {"ansible_port": "x"} for name in names})))
    told = [one.message for one in caught.value.problems]
    assert (len(told), told[19].partition(":")[0], told[20]) == (21, "h19", "and 10 more")


def test_a_host_without_a_usable_name() -> None:
    with pytest.raises(ManifestError, match="fd00::1 isn't a name for a node") as caught:
        joined(text("v6"), Sources(inventory({"v6": ["fd00::1"]})))
    assert "ansible_host" in str(caught.value.hint)


def test_a_group_that_is_called_as_a_node() -> None:
    one = inventory({"lb1": ["lb1"], "lb": ["lb1", "lb2"]})
    assert joined(text("lb"), Sources(one)).manifest.nodes["lb1"].labels == ("all", "lb")
    several = inventory({"lb1": ["lb1", "lb2"], "lb": ["lb1", "lb2"]})
    with pytest.raises(ManifestError, match="the group lb1 is called as a node is"):
        joined(text("lb"), Sources(several))
    more = "[nodes.us]\n"
    found = joined(text("us", more=more), Sources(INVENTORY))
    assert list(found.manifest.nodes) == ["us"], "a name of the manifest is no group's"


def test_what_is_wrong_in_the_manifest_is_told_first() -> None:
    wrong = Sources(inventory(GROUPS, {"lb1": {"ansible_port": "x"}}))
    with pytest.raises(ManifestError, match=r"unknown key defaults\.nonsense"):
        parse(text("eu", more="[defaults]\nnonsense = 1\n"), "m", lambda one: wrong.join(one).manifest)
    with pytest.raises(ManifestError, match="no node or label is called uss") as caught:
        joined(text("us", "uss"), Sources(INVENTORY))
    assert caught.value.hint == "did you mean us?"


def test_the_digest_is_of_what_matters() -> None:
    def digest(sources: Sources, manifest: str = text("balancers")) -> str:
        return joined(manifest, sources).digest("m")

    same = digest(Sources(INVENTORY))
    others = inventory(GROUPS, {"lb1": dict(INVENTORY.hosts["lb1"].variables), "db1": {"ansible_port": 1}})
    assert digest(Sources(others)) == same, "a host that is no node"
    assert joined(text("balancers"), Sources(INVENTORY)).digest("n") != same
    for changed in (
        inventory({**GROUPS, "eu": []}),
        inventory({**GROUPS, "us": ["lb2", "lb10"]}, {"lb1": dict(INVENTORY.hosts["lb1"].variables)}),
        inventory(GROUPS, {"lb1": {"ansible_host": "10.0.0.1"}}),
        inventory(GROUPS, {"lb1": {"ansible_host": "10.0.0.2", "ansible_private_key_file": "~/key"}}),
    ):
        assert digest(Sources(changed)) != same
    assert digest(Sources(INVENTORY, {"NGINXWS_NODE_LB1_SUDO": "1"})) != same


def test_a_manifest_is_edited_with_the_same_nodes() -> None:
    sources = Sources(INVENTORY, named=("us",))
    join = lambda one: sources.join(one).manifest  # noqa: E731
    after = put_route(text("eu"), "m", "/new/", ["a:1"], {}, nodes=["us"], join=join)
    manifest = parse(after, "m", join)
    assert chosen_nodes(manifest, manifest.routes[1].nodes) == ["lb10", "lb2"]
    assert drop_route(after, "m", "/new/", nodes=["us"], join=join) == text("eu")
