"""Manifests read: what they say, and all that is wrong in them."""

from __future__ import annotations

import inspect

import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from nginxws.cli.add_route import add_route
from nginxws.environment.wanted import urls, wanted_apps
from nginxws.errors import InvalidInput, ManifestError, Problem
from nginxws.manifest import reading
from nginxws.manifest.environment import AddressEntry, AppEntry, EnvironmentEntry
from nginxws.manifest.jelastic import JelasticEntry
from nginxws.manifest.model import Manifest, NodeEntry, RouteEntry, RouteOptions
from nginxws.manifest.reading import parse
from nginxws.manifest.wanted import chosen_nodes, routes_for, target
from nginxws.route import Match

WHOLE = """format = 1
[defaults]                      # any route option
read_timeout = "2h"
header = { X-From = "us" }
[nodes.lb1]
ssh = "deploy@10.0.0.2:22"      # or a name from ssh_config, or "local"
nginx_conf = "/etc/nginx/nginx.conf"
server = "chat.example.com:443"
labels = ["edge"]
[nodes.lb2]
sudo = true
[[routes]]
path = "/ws/"
backends = ["10.0.0.5:8080", "10.0.0.6:8080 weight=2"]
nodes = ["edge"]                # names or labels; left out = all
[[routes]]
path = "/board/"
backends = ["https://app.internal:8443"]
read_timeout = 90
header = ["X-From=them", "X-Empty="]
server = "b.example"
probe = "warn"
"""


def problems(text: str) -> list[tuple[int, str, str, str | None]]:
    with pytest.raises(ManifestError) as caught:
        parse(text, "nginxws.toml")
    return [(one.line, one.key, one.message, one.hint) for one in caught.value.problems]


def test_what_each_node_is_to_have() -> None:
    manifest = parse(WHOLE, "nginxws.toml")
    ws, board = routes_for(manifest, "lb1")
    assert (ws.route.path, ws.server, ws.route.read_timeout) == ("/ws/", "chat.example.com:443", 7200)
    assert [backend.weight for backend in ws.route.backends] == [None, 2]
    assert ws.route.headers == (("X-From", "us"),)
    assert (board.server, board.route.read_timeout, board.options.probe) == ("b.example", 90, "warn")
    assert board.route.headers == (("X-From", "them"), ("X-Empty", ""))
    assert [one.route.path for one in routes_for(manifest, "lb2")] == ["/board/"]
    assert (ws.number, board.number, board.route.match) == (0, 1, Match.PRIORITY)


@pytest.mark.parametrize(
    ("ssh", "meant"),
    [
        ('"deploy@10.0.0.2:22"', "ssh://deploy@10.0.0.2:22"),
        ('"10.0.0.2"', "10.0.0.2"),
        ('"alias"', "alias"),
        ('"local"', "local"),
        ('"ssh://h:1"', "ssh://h:1"),
        ('"u@[::1]:22"', "ssh://u@[::1]:22"),
        ('"::1"', "::1"),
        (None, "lb1"),
    ],
)
def test_how_a_node_is_reached(ssh: str | None, meant: str) -> None:
    text = "format = 1\n[nodes.lb1]\n" + (f"ssh = {ssh}\n" if ssh else "")
    assert target("lb1", parse(text, "m").nodes["lb1"]) == meant


def test_nodes_by_name_and_label() -> None:
    manifest = parse(WHOLE, "m")
    assert chosen_nodes(manifest, None) == ["lb1", "lb2"]
    assert chosen_nodes(manifest, ["lb2", "edge"]) == ["lb1", "lb2"]
    with pytest.raises(InvalidInput, match="lb3") as caught:
        chosen_nodes(manifest, ["lb3"])
    assert caught.value.hint == "did you mean lb2?"
    with pytest.raises(InvalidInput) as caught:
        chosen_nodes(parse("format = 1", "m"), ["zzzzzz"])
    assert caught.value.hint == "there are: none"


def test_every_route_option_of_the_command_line_is_a_key() -> None:
    """Dashes as underscores; flags that are about one run of a command are not."""
    once = {"adopt", "replace", "overwrite_drift"}
    from nginxws.cli.options import probe_options, route_options

    def none() -> None:
        """A command without options of its own."""

    options = probe_options(route_options(none)).__click_params__  # type: ignore[attr-defined]
    names = {option.opts[0].lstrip("-").replace("-", "_") for option in options}
    assert names - once == set(RouteOptions.model_fields)
    assert {"path", "backends"} <= set(RouteEntry.model_fields)
    assert add_route.name == "add-route"
    assert inspect.isfunction(route_options)


def test_all_that_is_wrong_at_once_with_lines_and_hints() -> None:
    text = """format = 1
[defaults]
read_timeout = "soon"
[nodes.lb1]
label = ["edge"]
[nodes.lb2]
[[routes]]
path = "/ws/"
backend = ["10.0.0.5:8080"]
[[routes]]
path = "/a/"
backends = ["10.0.0.5"]
[[routes]]
path = "/b/"
backends = ["10.0.0.5:1"]
preset = "plian"
[[routes]]
path = "/c/"
backends = "10.0.0.5:1"
hosts = "x"
"""
    assert problems(text) == [
        (3, "defaults.read_timeout", "defaults.read_timeout: duration 'soon' isn't a time from 1s to 365d",
         "write it like 90s, 5m, 1h or 1d"),
        (5, "nodes.lb1.label", "unknown key nodes.lb1.label", "did you mean labels?"),
        (9, "routes[0].backend", "routes[0].backend: must be text", "write it in quotes"),
        (12, "routes[1].backends[0]", "routes[1].backends[0]: backend '10.0.0.5': the port is missing",
         "write it like 10.0.0.5:8080, [fd00::5]:8080, app.internal:8080 or unix:/run/app.sock"),
        (16, "routes[2].preset", "routes[2].preset: must be 'default' or 'plain'", None),
        (19, "routes[3].backends", "routes[3].backends: must be a list", "write it in brackets: [ … ]"),
        (20, "routes[3].hosts", "unknown key routes[3].hosts", "did you mean host?"),
    ]  # fmt: skip


NODES = "format = 1\n[nodes.lb1]\nlabels = ['edge']\n[nodes.lb2]\n"
ROUTE = "[[routes]]\npath = '{}'\nbackends = ['a:1']\n"
ONE = "[[routes]]\npath = '/a/'\nbackend = '{}'\n"


@pytest.mark.parametrize(
    ("text", "line", "message", "hint"),
    [
        (
            NODES + ROUTE.format("/a/") + "nodes = ['lb3']",
            8,
            "no node or label is called lb3",
            "did you mean",
        ),
        (
            NODES + ROUTE.format("/a/") + "nodes = ['zzz']",
            8,
            "no node or label is called zzz",
            "there are: l",
        ),
        (NODES + ROUTE.format("/a/") * 2, 8, "/a/ is wanted twice on lb1: line 5 wants it already", "leave"),
        (
            NODES + ROUTE.format("/a/") + "nodes=['edge']\n" + ROUTE.format("/a/") + "match='prefix'",
            9,
            "/a/ is wanted twice on lb1",
            None,
        ),
        (NODES.replace("edge", "lb2"), 3, "the label lb2 is the name of a node as well", "rename"),
        (NODES + ROUTE.format("/a/") + ROUTE.format("/a/") + "match='exact'", 8, "/a/ is wanted twice", None),
        (
            NODES + ROUTE.format("/a/") + "slashless='alias'\n" + ROUTE.format("/a") + "match='exact'",
            9,
            "/a is wanted twice",
            None,
        ),
        (NODES + ROUTE.format("a b"), 6, "path 'a b'", "write it like"),
        (NODES + ROUTE.format("/a/") + "backend_tls_name='x.y'", 5, "a TLS name or CA file was given", "wss"),
        (NODES + ROUTE.format("a b") + "backend_tls_name='x.y'", 6, "path 'a b'", None),
        ("format = 1\n[defaults]\nhost = 'a b'", 3, "defaults.host: ", None),
        ("format = 1\n[defaults]\nheader = ['X Y=1']", 3, "defaults.header[0]: ", None),
        ('format = 1\n[defaults]\nheader = ["X=\\u0007"]', 3, "defaults.header[0]: ", None),
        ("format = 1\n[defaults]\nprobe_header = ['X Y=1']", 3, "defaults.probe_header[0]: ", None),
        ("format = 1\n[defaults]\nbackend_tls_name = 'a b'", 3, "defaults.backend_tls_name: ", None),
        ("format = 1\n[defaults]\nbackend_tls_ca = 'a'", 3, "defaults.backend_tls_ca: ", None),
        ("format = 1\n[defaults]\nread_timeout = 0", 3, "defaults.read_timeout: Input should be", None),
        ("format = 1\n[nodes.a]\nnginx_conf = 'n.conf'", 3, "nodes.a.nginx_conf: 'n.conf' isn't an abs", "/"),
        ("format = 1\n[nodes.a]\nssh = ''", 3, "nodes.a.ssh: is empty", "leave it out"),
        ("\ufeffformat = 1\n", 1, "begins with a byte order mark", "UTF-8"),
        ("format = 2\nnodes = 3", 1, "format 2 isn't known to this nginxws, which reads format 1", "release"),
        ("format = '1'", 1, "format: must be 1", None),
        ("[nodes]", 1, "format is missing", "format = 1"),
        ("format = 1\nnodes = [1]\n", 2, "nodes: must be a table", None),
        ("format = 1\nroutes = 7\n", 2, "routes: must be a list", None),
        ("format = 1\nroutes = [7]\n", 2, "routes[0]: must be a table", None),
        ("format = 1\n[nodes.'l b']", 2, "nodes.l b: isn't a name", "letters"),
        ("format = 1\n[nodes.a]\nsudo = 'yes'", 3, "nodes.a.sudo: must be true or false", "quotes"),
        ("format = 1\n[defaults]\nhost = 1", 3, "defaults.host: must be text", "quotes"),
        ("format = 1\n[defaults]\nprobe_expect = 99", 3, "defaults.probe_expect: Input should be", None),
        ("format = 1\n[defaults]\nheader = ['X']", 3, "defaults.header[0]: isn't NAME=VALUE", None),
        ("format = 1\n[defaults]\nheader = {a = 1}", 3, "defaults.header: must be a list", None),
        (
            "format = 1\n" + ROUTE.format("/a/").replace("['a:1']", "[]"),
            4,
            "routes[0].backends: must not",
            None,
        ),
        ("format = 1\nfoo = 1", 2, "unknown key foo", "there are: format, defaults, nodes, apps, env"),
        (
            "format = 1\n" + ROUTE.format("/a/").replace("backends", "x"),
            2,
            "routes[0].backends is missing",
            "[",
        ),
        (
            "format = 1\n" + ROUTE.format("/a/") + "backend='a:1'",
            5,
            "routes[0].backend: stands beside backends",
            "say one of them",
        ),
        ("format = 1\n" + ONE.format("a"), 4, "routes[0].backend: backend 'a': the port", "write it like"),
        (
            "format = 1\n[apps.chat]\nport=1\n" + ONE.format("app:caht"),
            6,
            "no application of the manifest is called caht",
            "did you mean chat?",
        ),
        (
            "format = 1\n" + ROUTE.format("/a/").replace("['a", "['b:1', 'app:x', 'a"),
            4,
            "no application of the manifest is called x",
            "there are: none; add [apps.x]",
        ),
        ("format = 1\n[nodes.a.b]", 2, "unknown key nodes.a.b", "there are"),
        ("format = 1\n[x", 2, "not TOML: Expected ']'", "toml.io"),
        ("format = 1\nx = \x07", 2, "not TOML", "toml.io"),
        ("format = 1\nx = " + "[" * 5000, 1, "nested too deeply", None),
    ],
)
def test_one_thing_wrong(text: str, line: int, message: str, hint: str | None) -> None:
    found = problems(text)
    assert found[0][0] == line
    assert found[0][2].startswith(message)
    assert hint is None or hint in (found[0][3] or "")


def test_the_same_path_in_two_servers_or_on_two_nodes_is_no_duplicate() -> None:
    for more in ("server = 'b'\n", "nodes = ['lb2']\n"):
        first = ROUTE.format("/a/") + "nodes = ['lb1']\n"
        assert parse(NODES + first + ROUTE.format("/a/") + more, "m").routes


@pytest.mark.parametrize(
    ("broken", "key"),
    [
        (NODES.replace("labels =", "label ="), "nodes.lb1.label"),
        (NODES.replace("'edge'", "1"), "nodes.lb1.labels[0]"),
        (NODES.replace("lb1", "'l b'"), "nodes.l b"),
    ],
)
def test_labels_that_got_lost_are_not_missed(broken: str, key: str) -> None:
    text = broken + ROUTE.format("/a/") + "nodes = ['edge']\n" + ROUTE.format("/b c/")
    assert [found[1] for found in problems(text)] == [key, "routes[1].path"]


def test_beside_a_node_that_is_wrong_the_routes_are_still_checked() -> None:
    text = NODES.replace("[nodes.lb2]", "oops = 1\n[nodes.lb2]") + ROUTE.format("/a/") + "nodes = ['lb2']\n"
    text += ROUTE.format("/a/") + "nodes = ['edge']\n" + ROUTE.format("/a/") + "nodes = ['lb9']\n"
    assert [found[1] for found in problems(text)] == ["nodes.lb1.oops", "routes[2].nodes[0]"]


def test_an_error_tells_file_line_and_the_rest() -> None:
    with pytest.raises(ManifestError) as caught:
        parse("format = 1\nfoo = 1\nbar = 2\n", "team/nginxws.toml")
    assert str(caught.value) == "team/nginxws.toml:2: unknown key foo"
    assert (caught.value.detail or "").startswith("line 3: unknown key bar (there are: ")
    assert caught.value.code == 1


def test_size_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_SIZE", 10)
    assert problems("format = 1\n")[0][2] == "longer than 10 bytes"


def read_or_refused(text: str) -> Manifest | tuple[Problem, ...]:
    try:
        return parse(text, "m")
    except ManifestError as error:
        lines = text.count("\n") + 1
        return tuple(problem for problem in error.problems if 1 <= problem.line <= lines)


@given(st.text(st.sampled_from("format=1\n[]{}nodes.routes\"'#a,é\x00"), max_size=60))
def test_any_text_is_read_or_refused_with_problems(text: str) -> None:
    found = read_or_refused(text)
    assert isinstance(found, Manifest) or found


VALUES = st.recursive(
    st.sampled_from(["", "/a/", "a:1", "lb1", "edge", "X=1", "1h", 0, 1, 101, True, 2.5]),
    lambda inner: st.lists(inner, max_size=2),
    max_leaves=3,
)


def tables(
    *models: type[BaseModel], **inner: st.SearchStrategy[object]
) -> st.SearchStrategy[dict[str, object]]:
    """Tables with some of the models' keys, whatever stands in them, and with ``inner``'s where they are."""
    keys = [*(key for model in models for key in model.model_fields), "oops", "label", "backend"]
    plain = st.dictionaries(st.sampled_from(keys), VALUES, max_size=4)
    return st.builds(lambda one, more: {**one, **more}, plain, st.fixed_dictionaries({}, optional=inner))


ADDRESSES = st.lists(
    st.fixed_dictionaries(
        {"file": st.sampled_from(["/x", "x", ".."])},
        optional={"pattern": st.sampled_from(["(a)", "("]), "placeholder": VALUES, "path": st.just("/ws/")},
    )
    | tables(AddressEntry),
    max_size=2,
)
APPS = st.fixed_dictionaries(
    {"port": st.sampled_from([1, 1, "1"])},
    optional={
        "ssh": st.sampled_from(["local", "10.0.0", "u@h:22"]),
        "target": st.sampled_from(["/srv", "/srv/", "srv"]),
        "source": st.just("src"),
        "after": st.lists(st.sampled_from(["a", "b", "c"]), max_size=2),
        "websocket": ADDRESSES,
    },
)


@given(
    st.fixed_dictionaries(
        {"format": st.just(1)},
        optional={
            "defaults": tables(RouteOptions) | VALUES,
            "nodes": st.dictionaries(st.sampled_from(["lb1", "l b", "edge"]), tables(NodeEntry) | VALUES)
            | VALUES,
            "routes": st.lists(tables(RouteEntry) | VALUES, max_size=3)
            | VALUES
            | st.lists(
                st.fixed_dictionaries(
                    {"path": st.sampled_from(["/a/", "/b/"]), "backend": st.sampled_from(["app:a", "app:b"])}
                ),
                max_size=2,
            ),
            "apps": st.dictionaries(st.sampled_from(["a", "b", "a b"]), APPS | tables(AppEntry) | VALUES)
            | VALUES,
            "environment": tables(EnvironmentEntry, jelastic=tables(JelasticEntry))
            | st.just({"domain": "a.b"})
            | VALUES,
            "oops": VALUES,
        },
    )
)
def test_whatever_stands_in_which_key(document: dict[str, object]) -> None:
    """Read, or refused with problems that have a line; never another error."""
    found = read_or_refused(tomlkit.dumps(document))
    if isinstance(found, Manifest):
        for node in found.nodes:
            routes_for(found, node)
        assert {app.name for app in wanted_apps(found)} == set(found.apps)
        assert found.environment is None or urls(found) is not None
    else:
        assert found


@pytest.mark.no_cover
def test_what_is_nested_as_deep_as_can_be_is_read_or_refused() -> None:
    """Two readers go over the text: neither may give up in words of its own."""
    for depth in range(300, 500):
        for text in (f"format = 1\nx = {'[' * depth}{']' * depth}\n", f"x = {'{a=' * depth}1{'}' * depth}\n"):
            assert problems(text)


def test_a_route_with_an_unknown_key_is_checked_for_all_else() -> None:
    text = (
        NODES
        + ROUTE.format("ws/") + "nodes = ['lb9']\nread_timout = 1\n"
        + ROUTE.format("/x/")
        + ROUTE.format("/x/") + "foo = 1\n"
    )  # fmt: skip
    assert [(line, key) for line, key, _message, _hint in problems(text)] == [
        (6, "routes[0].path"),
        (8, "routes[0].nodes[0]"),
        (9, "routes[0].read_timout"),
        (13, "routes[2]"),
        (16, "routes[2].foo"),
    ]
