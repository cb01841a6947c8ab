"""Routes put into manifests and taken out: just that changes, whatever the file looks like."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tomlkit.items import Array, Integer, Trivia

from nginxws.errors import InvalidInput, ManifestError, NginxwsError
from nginxws.manifest import splicing
from nginxws.manifest.editing import drop_route, put_route
from nginxws.manifest.model import RouteEntry
from nginxws.manifest.positions import Positions
from nginxws.manifest.reading import parse

NAME = "nginxws.toml"
HEAD = """# our balancers
format = 1   # here

[nodes.lb1]   # one
labels = [ "edge" ]
[nodes.lb2]
server = "b.example"
"""
CHAT = """
# the chat
[[routes]]
  path = '/ws/'   # p
  # before
  backends = [  # all
    'a:1',  # primary
    "b:1",
  ] # after
  header.X = "1"
  header.Y = "2"
  # tail
"""
BOARD = """
[[routes]]
path = "/board/"
backends = ["a:1"]
nodes = ["lb1", "lb2"]
[routes.header]
X = "1" # c
"""
WHOLE = HEAD + CHAT + BOARD


def put(text: str, path: str, *backends: str, **more: Any) -> str:
    nodes, server = more.pop("nodes", None), more.pop("server", None)
    return put_route(text, NAME, path, backends, more, nodes=nodes, server=server)


def drop(text: str, path: str, **where: Any) -> str:
    return drop_route(text, NAME, path, **where)


# --- one edit after the other, to the byte -------------------------------------------------------


def test_a_new_route_comes_after_the_others() -> None:
    entry = """
[[routes]]
path = "/n/"
backends = ["x:1", "y:1 backup"]
read_timeout = "2h"
header = ["A=\\"1\\""]
nodes = ["edge"]
server = "a.example:443"
"""
    said: dict[str, Any] = {"read_timeout": "2h", "header": ['A="1"'], "nodes": ["edge"]}
    said["server"] = "a.example:443"
    assert put(WHOLE, "/n/", "x:1", "y:1 backup", **said) == WHOLE + entry
    assert put(HEAD, "/n/", "x:1", "y:1 backup", **said) == HEAD + entry
    later = "\n[defaults]\nhost = 'x'\n"
    chat, tail = CHAT.removesuffix("  # tail\n"), "  # tail\n"
    assert put(HEAD + CHAT + later, "/n/", "x:1", "y:1 backup", **said) == HEAD + chat + entry + tail + later


def test_a_route_in_a_bare_file() -> None:
    assert put("format = 1\n", "/n/", "x:1") == 'format = 1\n\n[[routes]]\npath = "/n/"\nbackends = ["x:1"]\n'


def test_keys_are_changed_in_place_and_new_ones_follow() -> None:
    edited = put(WHOLE, "/ws/", "a:1", "c:1", "d:1", read_timeout="2h", host="a.b")
    assert edited == WHOLE.replace('"b:1",', '"c:1",\n    "d:1",').replace(
        '  header.Y = "2"\n', '  header.Y = "2"\n  read_timeout = "2h"\n  host = "a.b"\n'
    )
    assert put(edited, "/ws/", "a:1", "c:1", "d:1", host="c.d") == edited.replace('"a.b"', '"c.d"')


def test_a_single_backend_stays_one() -> None:
    text = WHOLE.replace('backends = ["a:1"]', "backend  = 'a:1' # one")
    assert put(text, "/board/", "a:1") == text
    edited = text.replace("'a:1' # one", '"b:1 weight=2" # one')
    assert put(text, "/board/", "b:1 weight=2") == edited
    assert put(text, "/board/", "b:1 weight=2", host="h.x") == edited.replace(
        '"lb2"]\n', '"lb2"]\nhost = "h.x"\n'
    )
    with pytest.raises(ManifestError) as caught:
        put(text, "/board/", "a:1", "b:1")
    line = text[: text.index("backend  =")].count("\n") + 1
    assert (caught.value.line, caught.value.problems[0].key) == (line, "routes[1].backend")
    assert caught.value.message == "routes[1].backend holds one backend, not 2"
    assert caught.value.hint == "write it as backends = [...] first"
    assert drop(text, "/board/") == drop(WHOLE, "/board/")


def test_a_backend_that_is_an_application() -> None:
    text = WHOLE.replace('["a:1"]', '["app:chat"]') + "[apps.chat]\nport = 8080\n"
    assert put(text, "/board/", "app:chat", "a:1") == text.replace('["app:chat"]', '["app:chat", "a:1"]')
    assert put(text, "/board/", "chat:8080") == text.replace('["app:chat"]', '["chat:8080"]')


def test_a_table_in_the_entry_gives_way_to_a_value() -> None:
    edited = put(WHOLE, "/board/", "a:1", header=["X=2"])
    assert edited == WHOLE.replace('[routes.header]\nX = "1" # c\n', 'header = ["X=2"]\n')
    edited = put(WHOLE, "/ws/", "a:1", "b:1", header=["Z=2"])
    assert edited == WHOLE.replace('  header.X = "1"\n  header.Y = "2"\n', '  header = ["Z=2"]\n')


def test_keys_go_before_the_tables_of_the_entry() -> None:
    edited = put(WHOLE, "/board/", "a:1", host="a.b")
    assert edited == WHOLE.replace('"lb2"]\n', '"lb2"]\nhost = "a.b"\n')


def test_what_means_the_same_keeps_its_spelling() -> None:
    text = WHOLE.replace('["a:1"]', '["a:1"]\nread_timeout = "120m"')
    assert put(text, "/board/", "a:1", read_timeout=7200, header=["X=1"]) == text
    assert put(text, "/board/", "a:1", read_timeout="1h") == text.replace("120m", "1h")


def test_comments_in_an_array_stay_with_what_they_are_about() -> None:
    assert put(WHOLE, "/ws/", "b:1") == WHOLE.replace("    'a:1',  # primary\n", "")
    edited = put(WHOLE, "/ws/", "z:1", "a:1", "b:1")
    assert tomllib.loads(edited)["routes"][0]["backends"] == ["z:1", "a:1", "b:1"]
    assert "'a:1',  # primary\n" in edited


def test_a_route_is_taken_out_and_what_is_around_it_stays() -> None:
    assert drop(WHOLE, "/board/") == WHOLE.removesuffix(BOARD)
    assert drop(WHOLE, "/ws/") == HEAD + "\n# the chat\n  # tail\n" + BOARD
    assert drop(WHOLE, "/nowhere/") == WHOLE
    assert drop(drop(WHOLE, "/ws/"), "/board/") == HEAD + "\n# the chat\n  # tail\n"


def test_a_route_at_the_start_goes_with_the_line_after_it() -> None:
    text = '[[routes]]\npath = "/a/"\nbackends = ["a:1"]\n\n[nodes.lb1]\n'
    with pytest.raises(ManifestError, match="format is missing"):
        drop(text, "/a/")
    assert splicing.without(text, 0) == "[nodes.lb1]\n"
    assert splicing.without(text.replace("\n", "\r\n"), 0) == "[nodes.lb1]\r\n"
    assert splicing.without(text.replace("\n\n", "\n"), 0) == "[nodes.lb1]\n"


def test_a_route_for_fewer_nodes() -> None:
    assert drop(WHOLE, "/board/", nodes=["lb1"]) == WHOLE.replace('["lb1", "lb2"]', '["lb2"]')
    assert drop(WHOLE, "/board/", nodes=["lb1", "lb2"]) == WHOLE.removesuffix(BOARD)
    with pytest.raises(ManifestError, match=r"other nodes as well: lb2") as caught:
        drop(WHOLE, "/ws/", nodes=["edge"])
    assert (caught.value.line, caught.value.file) == (10, NAME)
    assert "leave --node out" in str(caught.value.hint)
    labelled = WHOLE.replace('["lb1", "lb2"]', '["edge", "lb2"]')
    with pytest.raises(ManifestError, match=r"other nodes as well: lb2"):
        drop(labelled, "/board/", nodes=["lb1"])


def test_a_route_for_more_nodes() -> None:
    text = WHOLE.replace('["lb1", "lb2"]', '["lb1"]')
    assert put(text, "/board/", "a:1", nodes=["lb1", "lb2"]) == WHOLE
    assert put(text, "/board/", "a:1", nodes=["edge"]) == text  # lb1 by its label
    assert put(text, "/board/", "b:1") == text.replace('"a:1"]', '"b:1"]')  # its nodes stay
    other = put(text, "/board/", "b:1", nodes=["lb2"])
    assert other == text + '\n[[routes]]\npath = "/board/"\nbackends = ["b:1"]\nnodes = ["lb2"]\n'
    with pytest.raises(ManifestError, match=r"stands in several entries \(lines 21, 28\)") as caught:
        put(other, "/board/", "c:1")
    assert "--node" in str(caught.value.hint)
    assert put(other, "/board/", "c:1", nodes=["lb2"]) == other.replace('"b:1"]', '"c:1"]')
    assert drop(other, "/board/") == HEAD + CHAT


def test_a_route_that_is_for_others_as_well_is_refused() -> None:
    with pytest.raises(ManifestError, match="other nodes as well: lb2"):
        put(WHOLE, "/ws/", "a:1", nodes=["lb1"])
    with pytest.raises(InvalidInput, match="lb9"):
        put(WHOLE, "/ws/", "a:1", nodes=["lb9"])
    with pytest.raises(InvalidInput, match="lb9"):
        drop(WHOLE, "/ws/", nodes=["lb9"])


def test_the_server_tells_two_entries_apart() -> None:
    two = WHOLE + '\n[[routes]]\npath = "/board/"\nbackends = ["z:1"]\nserver = "c.example"\n'
    assert put(two, "/board/", "y:1", server="c.example") == two.replace("z:1", "y:1")
    assert drop(two, "/board/", server="c.example") == WHOLE
    with pytest.raises(ManifestError, match="several entries"):
        put(two, "/board/", "y:1")
    assert drop(two, "/board/") == HEAD + CHAT
    on_lb2 = put(two, "/board/", "y:1", nodes=["lb2"], server="d.example")
    assert on_lb2.endswith('nodes = ["lb2"]\nserver = "d.example"\n')


def test_entries_for_no_node_are_found_as_well() -> None:
    """So it is in a manifest that has no nodes yet."""
    text = put("format = 1\n", "/n/", "x:1")
    assert put(text, "/n/", "y:1") == text.replace("x:1", "y:1")
    assert put(text, "/n/", "y:1", server="a").count("[[routes]]") == 1
    assert drop(text, "/n/") == "format = 1\n"
    none = WHOLE.replace('["lb1", "lb2"]', "[]")
    assert put(none, "/board/", "y:1") == none.replace('["a:1"]', '["y:1"]')
    assert put(none, "/board/", "y:1", nodes=["lb1"]).count('"/board/"') == 2


def test_what_is_wrong_before_or_after_is_refused() -> None:
    with pytest.raises(ManifestError, match="unknown key oops"):
        put("format = 1\noops = 1\n", "/n/", "x:1")
    with pytest.raises(ManifestError, match="unknown key oops"):
        drop("format = 1\noops = 1\n", "/n/")
    with pytest.raises(ManifestError, match="port is missing"):
        put(WHOLE, "/n/", "x")
    with pytest.raises(ManifestError, match="port is missing"):
        put(WHOLE, "/board/", "x")
    with pytest.raises(ManifestError, match=r"unknown key routes\[1\].hots"):
        put(WHOLE, "/board/", "a:1", hots="x")


@pytest.mark.parametrize(
    "routes",
    [
        'routes = [{path = "/a/", backends = ["a:1"]}]',
        'routes = [\n{path = "/a/", backends = ["a:1"]},\n]',
        "routes = []",
    ],
)
def test_routes_that_are_no_tables_of_their_own(routes: str) -> None:
    text = f"format = 1\n{routes} # r\n[nodes.lb1]\n"
    with pytest.raises(NginxwsError, match="can't be edited") as caught:
        put(text, "/n/", "x:1")
    assert caught.value.file == NAME
    assert "[[routes]]" in str(caught.value.hint)
    if "/a/" in text:
        assert put(text, "/a/", "b:1") == text.replace("a:1", "b:1")
        with pytest.raises(NginxwsError, match="can't be edited"):
            put(text, "/a/", "a:1", host="x.y")


def test_an_inline_list_of_routes_is_not_taken_apart() -> None:
    text = (
        'format = 1\nroutes = [\n{path = "/a/", backends = ["a:1"]}, {path = "/b/", backends = ["b:1"]} ]\n'
    )
    with pytest.raises(NginxwsError, match="can't be edited"):
        drop(text, "/b/")


def test_values_other_than_lists_of_texts() -> None:
    text = BOARD.replace('["lb1", "lb2"]', "[1, 2]")
    assert splicing.changed(text, 0, {"nodes": "x"}) == text.replace("[1, 2]", '"x"').replace("[1, 2]", '"x"')
    assert splicing.changed(text, 0, {"path": ["x"]}) == text.replace('"/board/"', '["x"]')


@pytest.mark.parametrize("wrong", ["2", "1 2"])
def test_an_edited_array_that_reads_otherwise_is_written_anew(
    monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    def edit(array: Array, _value: Sequence[str]) -> None:
        array.append(Integer(1, Trivia(), wrong))

    monkeypatch.setattr(splicing, "_edit", edit)
    assert splicing.changed(BOARD, 0, {"nodes": ["x"]}) == BOARD.replace('["lb1", "lb2"]', '["x"]')


def test_an_edit_that_does_something_else_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splicing, "changed", lambda text, *_: text)
    with pytest.raises(NginxwsError, match="can't be edited"):
        put(WHOLE, "/board/", "z:1")


# --- whatever the file looks like ----------------------------------------------------------------

MANY = settings(deadline=None)
NODES = ["lb1", "lb2", "edge"]
TRIVIA = st.sampled_from(["", "\n", "# note\n", "\n# [[routes]]\n# path = 'x'\n\n"])
BACKENDS = st.lists(st.sampled_from(["a:1", "b:1", "c:1 weight=2", "[::1]:80"]), min_size=1, unique=True)
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "read_timeout": st.sampled_from(["2h", "90s", 90]),
        "header": st.lists(st.sampled_from(["X=1", 'Y="é'[:3], "Z=#"]), max_size=2),
        "host": st.sampled_from(["a.b", "$host"]),
        "probe": st.sampled_from(["warn", "off"]),
        "probe_expect": st.sampled_from([101, 200]),
    },
)


def array(texts: Sequence[str], style: int) -> str:
    quoted = [f"'{text}'" if style % 2 else f'"{text}"' for text in texts]
    if style < 2:
        return f"[{', '.join(quoted)}]"
    inner = "".join(f"  {one},{' # about it' if style > 3 else ''}\n" for one in quoted)
    return f"[\n{inner}]" if style < 6 else f"[ # all\n{inner}  # end\n]"


def header(texts: Sequence[str], style: int) -> str:
    pairs = [text.partition("=")[::2] for text in texts]
    if style == 0 or len({name for name, _value in pairs}) < len(pairs) or not pairs:
        return f"header = {array(texts, 1)}\n"
    if style == 1:
        return f"header = {{ {', '.join(f'{name} = {value!r}' for name, value in pairs)} }}\n"
    return "".join(f"header.{name} = {value!r}\n" for name, value in pairs)


@st.composite
def entries(draw: st.DrawFn, path: str) -> str:
    style, options = draw(st.integers(0, 7)), draw(OPTIONS)
    lines = [f'path = "{path}"{draw(st.sampled_from(["", "  # p"]))}\n']
    lines.append(f"backends = {array(draw(BACKENDS), style)}\n")
    if draw(st.booleans()):
        lines.append(
            f"nodes = {array(draw(st.lists(st.sampled_from(NODES), min_size=1, unique=True)), style)}\n"
        )
    heads: Any = options.pop("header", None)
    lines += [f"{key} = {value!r}\n" for key, value in options.items()]
    if heads is not None:
        lines.append(header(heads, style % 3))
    lines = draw(st.permutations(lines))
    table = "[routes.probe_header]\nA = '1'\n" if draw(st.booleans()) else ""
    return "[[routes]]\n" + "".join(draw(TRIVIA) + line for line in lines) + table


@st.composite
def manifests(draw: st.DrawFn) -> str:
    paths = draw(st.lists(st.sampled_from(["/a/", "/b/", "/c/"]), unique=True, max_size=3))
    parts = [draw(entries(path)) for path in paths]
    tail = draw(st.sampled_from(["", "[defaults]\nconnect_timeout = 5\n", "\n# the end\n"]))
    text = HEAD + "".join(draw(TRIVIA) + part for part in parts) + draw(TRIVIA) + tail
    text = text.removesuffix("\n") if draw(st.booleans()) else text
    return text.replace("\n", "\r\n") if draw(st.booleans()) else text


def read(text: str) -> list[dict[str, Any]]:
    routes: list[dict[str, Any]] = tomllib.loads(text).get("routes", [])
    return routes


def comments(text: str) -> list[str]:
    return [line.partition("#")[2].strip() for line in text.split("\n") if "#" in line]


@MANY
@given(manifests(), BACKENDS, OPTIONS)
def test_what_is_put_in_and_taken_out_leaves_no_trace(
    text: str, backends: list[str], options: Mapping[str, Any]
) -> None:
    edited = put_route(text, NAME, "/new/", backends, options)
    assert read(edited) == [*read(text), {"path": "/new/", "backends": backends, **options}]
    assert drop_route(edited, NAME, "/new/") == text


@MANY
@given(manifests(), st.sampled_from(["/a/", "/b/", "/c/"]), BACKENDS, OPTIONS)
def test_what_is_changed_is_just_that(
    text: str, path: str, backends: list[str], options: Mapping[str, Any]
) -> None:
    number = next((n for n, route in enumerate(read(text)) if route["path"] == path), None)
    assume(number is not None)
    assert number is not None
    edited = put_route(text, NAME, path, backends, options)
    before, after = read(text), read(edited)
    old, new = before.pop(number), after.pop(number)
    assert after == before
    assert new.keys() == old.keys() | options.keys()
    assert all(new[key] == old[key] for key in old.keys() - options.keys() - {"backends"})
    entry, meant = parse(edited, NAME).routes[number], {"path": path, "backends": backends, **options}
    assert all(getattr(entry, key) == getattr(RouteEntry.model_validate(meant), key) for key in meant)
    stretch = Positions.of(text).keys["routes", number]
    assert edited.startswith(text[: stretch.start])
    after_it = text[text.find("\n", stretch.end) + 1 or len(text) :]
    assert edited.endswith(after_it)
    assert put_route(edited, NAME, path, backends, options) == edited
    rest = iter(backends)
    if all(one in rest for one in old["backends"]) and "header" not in options:
        assert comments(edited) == comments(text)


@MANY
@given(manifests(), st.sampled_from(["/a/", "/b/", "/c/"]))
def test_what_is_taken_out_is_just_that(text: str, path: str) -> None:
    edited = drop_route(text, NAME, path)
    assert read(edited) == [route for route in read(text) if route["path"] != path]
    rest = iter(text.splitlines())
    assert all(line in rest for line in edited.splitlines())
