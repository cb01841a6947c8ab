"""Back to an earlier revision: to the byte, or our blocks alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.configurations import configurations, foreign, unwanted, wanted
from support.planning import MAIN, SITE, TWO, marker, put
from support.revisions import Files, Node, after, sha

from nginxws.config.blocks import find_blocks
from nginxws.config.document import parse
from nginxws.errors import ConfigError, DriftError, NginxwsError, ParseError, RouteConflict
from nginxws.plan import Drop, Wanted
from nginxws.revision import History, Revision, RevisionFile
from nginxws.rollback import chosen, edited
from nginxws.snapshot import FileState

INCLUDING = b"events { }\nhttp {\n    include /sites/*;\n}\n"


def three() -> Node:
    node = Node({MAIN: SITE})
    node.put(put("/one/"))
    node.put(put("/two/", "10.0.0.5:1", "10.0.0.6:1 weight=2"))
    node.put(put("/one/", "10.0.0.9:1"), Drop("/two/"))
    return node


# --- exact bytes --------------------------------------------------------------------------------


@pytest.mark.parametrize("to", [0, 1, 2])
def test_every_earlier_state_comes_back_to_the_byte(to: int) -> None:
    node = three()
    assert after(node.files, node.back(to)) == node.states[to]


def test_what_becomes_of_each_route_is_told_and_proved() -> None:
    node = three()
    plan = node.back(2)
    was = node.states[2][MAIN]
    assert [(c.action, c.route, c.where) for c in plan.changes] == [
        ("change", "/one/", marker(was, "/one/")),
        ("add", "/two/", marker(was, "/two/")),
    ]
    assert [(point.route, point.path, point.host) for point in plan.probes] == [
        ("/one/", "/one/", "a.example"),
        ("/two/", "/two/", "a.example"),
    ]
    assert plan.base == tuple((file.real, file.sha256) for file in node.snapshot().files)
    plan = node.back(0)
    assert [(c.action, c.route, c.where) for c in plan.changes] == [
        ("remove", "/one/", marker(node.files[MAIN], "/one/"))
    ]
    assert plan.probes == ()


def test_without_a_number_it_undoes_the_newest_and_a_second_one_undoes_that() -> None:
    node = three()
    node.apply(node.back())
    assert node.files == node.states[2]
    node.apply(node.back())
    assert node.files == node.states[3]
    assert len(node.revisions) == 5


def test_a_state_that_is_there_already_is_nothing_to_do() -> None:
    node = three()
    plan = node.back(3)
    assert plan.files == ()
    assert [(c.action, c.route, c.note) for c in plan.changes] == [
        ("unchanged", "/one/", "it is as revision 3 left it")
    ]
    node.apply(node.back(0))
    node.apply(node.back(3))
    assert node.back(3).files == ()
    node = Node({MAIN: SITE})
    node.put(put("/one/"))
    node.put(Drop("/one/"))
    assert node.back(0).files == ()
    node.files = {MAIN: SITE.replace(b"80", b"81")}
    assert node.back(0, surgical=True).files == ()
    assert node.back(2).changes == ()


def test_a_note_of_the_very_beginning() -> None:
    node = Node({MAIN: SITE})
    node.put(put("/one/"))
    node.put(put("/two/"))
    node.put(Drop("/two/"))
    node.revisions = [replace(r, number=n) for n, r in enumerate(node.revisions[1:], start=1)]
    (change,) = node.back(0).changes
    assert (change.action, change.note) == ("unchanged", "it is as before the first revision")


def test_a_hand_edit_between_two_revisions_stays() -> None:
    node = Node({MAIN: SITE})
    node.put(put("/one/"))
    node.files = {MAIN: node.files[MAIN].replace(b"a.example", b"b.example")}
    edit = node.files
    node.put(put("/two/"))
    assert after(node.files, node.back(1)) == edit
    assert isinstance(node.failure(0), DriftError)
    assert after(node.files, node.back(0, surgical=True)) == {MAIN: SITE.replace(b"a.example", b"b.example")}


def test_files_that_no_later_revision_touched_stay_as_they_are() -> None:
    node = Node({MAIN: INCLUDING, "/sites/a": TWO, "/sites/b": TWO.replace(b"example", b"test")})
    node.put(put("/one/", server="a.example"))
    node.put(put("/two/", server="a.test"))
    node.files = node.files | {"/sites/a": node.files["/sites/a"] + b"# mine\n"}
    plan = node.back(1)
    assert [file.path for file in plan.files] == ["/sites/b"]
    assert node.failure(0).file == "/sites/a"


def test_all_edited_files_are_named() -> None:
    node = Node({MAIN: INCLUDING, "/sites/a": TWO, "/sites/b": TWO.replace(b"example", b"test")})
    node.put(put("/one/", server="a.example"), put("/two/", server="a.test"))
    assert edited(node.snapshot(), node.history) == ()
    node.files = {path: data + b"#\n" for path, data in node.files.items()}
    error = node.failure(0)
    assert error.file == "/sites/a"
    assert error.detail == "these as well:\n/sites/b"
    assert "--surgical" in (error.hint or "")
    assert edited(node.snapshot(), node.history) == ("/sites/a", "/sites/b")


def test_a_file_under_two_names_and_one_behind_a_link() -> None:
    node = Node({MAIN: INCLUDING, "/sites/a": SITE.split(b"http {\n")[1].rsplit(b"}", 1)[0]})
    node.put(put("/one/"))
    now = node.snapshot()
    link = FileState("/sites/a", "/real/a", node.files["/sites/a"])
    revision = replace(
        node.revisions[0], files=tuple(replace(file, path="/real/a") for file in node.revisions[0].files)
    )
    node.revisions = [revision]
    node.snapshot = lambda: replace(now, files=(now.files[0], link))  # type: ignore[method-assign]
    (file,) = node.back(0).files
    assert (file.path, file.real) == ("/sites/a", "/real/a")


def test_a_file_that_nginx_does_not_read_any_more() -> None:
    node = Node({MAIN: INCLUDING, "/sites/a": TWO})
    node.put(put("/one/", server="a.example"))
    del node.files["/sites/a"]
    error = node.failure(0)
    assert isinstance(error, ConfigError)
    assert error.file == "/sites/a"
    assert edited(node.snapshot(), node.history) == ("/sites/a",)


def test_a_state_whose_include_is_gone_is_refused_but_not_for_one_that_was_missing_before() -> None:
    hand = SITE.replace(
        b"location / {", b"include /gone;\n        location /ws/ { include /x; proxy_pass http://a;"
    )
    node = Node({MAIN: hand, "/x": b"#\n"})
    node.put(put("/ws/", replace=True))
    assert after(node.files, node.back(0))[MAIN] == hand
    del node.files["/x"]
    assert "what comes back can't be read: the included file /x" in str(node.failure(0))


# --- numbers ------------------------------------------------------------------------------------


def numbers(*kept: int) -> History:
    return History(tuple(Revision(number) for number in kept))


def test_which_revisions_can_be_reached() -> None:
    assert chosen(numbers(4, 5), None).to == 4
    assert [one.number for one in chosen(numbers(4, 5), 3).undone] == [4, 5]
    assert chosen(numbers(4, 5), 5).undone == ()
    for history, to, message, hint in [
        (numbers(), None, "nothing to go back from", "nothing was applied"),
        (numbers(), 0, "nothing to go back from", "nothing was applied"),
        (numbers(4, 5), 6, "there is no revision 6", "keeps 4 to 5"),
        (numbers(4, 5), 2, "revision 2 can't be reached", "keeps 4 to 5"),
        (numbers(4), 2, "revision 2 can't be reached", "keeps 4:"),
        (numbers(1, 3), 1, "revision 1 can't be reached", "keeps 1 to 3"),
    ]:
        with pytest.raises(NginxwsError, match=message) as caught:
            chosen(history, to)
        assert hint in (caught.value.hint or "")


# --- probes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "path", "problem"),
    [
        ({}, "/ws/", None),
        ({"match": "prefix"}, "/ws/", None),
        ({"match": "exact"}, "/ws/", None),
        ({"slashless": "alias"}, "/ws/", None),
        ({"slashless": "redirect"}, "/ws/", None),
    ],
)
def test_how_a_route_that_comes_back_is_probed(
    options: dict[str, str], path: str, problem: str | None
) -> None:
    node = Node({MAIN: SITE})
    node.put(put("/ws/", options=options))
    node.put(Drop("/ws/"))
    (point,) = node.back(1).probes
    assert (point.route, point.path, point.problem) == ("/ws/", path, problem)


def test_a_regex_route_has_no_path_to_probe() -> None:
    node = Node({MAIN: SITE})
    node.put(put("^/ws(/|$)", options={"match": "regex"}))
    node.put(Drop("^/ws(/|$)"))
    (point,) = node.back(1).probes
    assert (point.route, point.path, point.problem) == ("^/ws(/|$)", "", None)


@pytest.mark.parametrize("path", ["/ws/", "@x", "x"])
@pytest.mark.parametrize(
    "inner",
    [
        b"location = /ws { return 404; } location ^~ /ws/ { return 404; }",
        b"location @x { return 404; }",
        b"location ~ /ws { return 404; }",
    ],
)
def test_what_a_template_of_the_users_own_may_have_written(inner: bytes, path: str) -> None:
    """Other locations before the route's own, or instead of it: the path in the marker is what counts."""
    lines = b"# nginxws: begin route %s 0123456789abcdef\n%s\n# nginxws: end route %s\n"
    name = path.encode()
    text = SITE.replace(b"        location /", lines % (name, inner, name) + b"        location /")
    node = Node({MAIN: SITE})
    node.revisions = [Revision(1, files=(RevisionFile(MAIN, sha(text), sha(SITE), text, SITE),))]
    (point,) = node.back(0).probes
    assert (point.route, point.path, point.problem) == (path, path, None)


# --- surgical -----------------------------------------------------------------------------------


def blocks(data: bytes) -> dict[str, tuple[str, list[bytes]]]:
    """Our blocks by name: their digest, and their lines without what stands around them."""
    found = find_blocks(parse(data, MAIN))
    return {
        str(block.id): (block.digest, [line.strip() for line in block.body.splitlines()]) for block in found
    }


@pytest.mark.parametrize("to", [0, 1, 2])
def test_surgically_our_blocks_go_back_and_all_else_stays(to: int) -> None:
    node = three()
    node.files = {
        MAIN: node.files[MAIN].replace(b"location /", b"# mine\n\tlocation = /mine { }\n  location /")
    }
    assert isinstance(node.failure(to), DriftError)
    back = after(node.files, node.back(to, surgical=True))
    assert blocks(back[MAIN]) == blocks(node.states[to][MAIN])
    assert foreign(back[MAIN]) == foreign(node.files[MAIN])
    node.apply(node.back(to, surgical=True))
    assert node.files == back


def test_a_hand_edit_in_our_block_is_given_up_only_where_that_was_asked_for() -> None:
    node = three()
    node.files = {MAIN: node.files[MAIN].replace(b"10.0.0.9", b"10.0.0.8")}
    error = node.failure(0, surgical=True)
    assert isinstance(error, DriftError)
    assert "--overwrite-drift" in (error.hint or "")
    for to in (0, 1):
        plan = node.back(to, surgical=True, overwrite_drift=True)
        assert after(node.files, plan) == node.states[to]


def test_a_block_that_was_edited_by_hand_then_does_not_come_back_as_ours() -> None:
    node = Node({MAIN: SITE})
    node.put(put("/ws/"))
    node.files = {MAIN: node.files[MAIN].replace(b"10.0.0.5", b"10.0.0.6")}
    node.put(Drop("/ws/", overwrite_drift=True))
    assert b"10.0.0.6" in after(node.files, node.back(1))[MAIN]  # its bytes are exactly those of then
    node.files = {MAIN: node.files[MAIN] + b"# mine\n"}
    assert "by hand then" in str(node.failure(1, surgical=True))
    node.files = {MAIN: node.files[MAIN].removesuffix(b"# mine\n")}
    node.put(put("/ws/", "10.0.0.7:1"))
    node.files = {MAIN: node.files[MAIN] + b"# mine\n"}
    assert "by hand then" in str(node.failure(1, surgical=True))


def test_a_hand_written_location_that_a_route_took_over() -> None:
    node = Node({MAIN: SITE.replace(b"location /", b"location /ws/ { return 404; }\n        location /")})
    node.put(put("/ws/", replace=True))
    assert after(node.files, node.back(0)) == node.states[0]
    node.files = {MAIN: node.files[MAIN] + b"# mine\n"}
    assert "can't be undone without losing the edit" in str(node.failure(0, surgical=True))
    # Taken over and given back is nothing lost.
    node.files = dict(node.states[1])
    node.apply(node.back(0))
    node.files = {MAIN: node.files[MAIN] + b"# mine\n"}
    assert node.back(0, surgical=True).files == ()
    # Edited between the two: each stands for itself.
    node.revisions = [node.revisions[0], replace(node.revisions[1], number=2)]
    first = node.revisions[0].files[0]
    node.revisions[0] = replace(node.revisions[0], files=(replace(first, after="0" * 64),))
    assert isinstance(node.failure(0, surgical=True), DriftError)


def moved(node: Node, was: bytes, becomes: bytes) -> None:
    assert was in node.files[MAIN]
    node.files = {MAIN: node.files[MAIN].replace(was, becomes)}


def test_a_server_that_was_given_another_name_is_the_same_one() -> None:
    node = three()
    moved(node, b"a.example", b"b.example")
    back = after(node.files, node.back(2, surgical=True))
    assert blocks(back[MAIN]) == blocks(node.states[2][MAIN])


def test_servers_that_have_routes_of_one_name_are_told_apart() -> None:
    node = Node({MAIN: b"events { }\nhttp {\n" + TWO + b"}\n"})
    node.put(put("/ws/", server="a.example"))
    node.put(put("/ws/", "10.0.0.7:1", server="b.example"))
    node.put(Drop("/ws/", server="a.example"))
    moved(node, b"http {", b"http { # mine")
    back = after(node.files, node.back(2, surgical=True))
    assert foreign(back[MAIN]) == foreign(node.files[MAIN])
    first, second = back[MAIN].split(b"server_name b.example")
    assert b"10.0.0.5:8080" in first
    assert b"10.0.0.7:1" in second


def test_a_server_that_is_gone() -> None:
    node = Node({MAIN: b"events { }\nhttp {\n" + TWO + b"}\n"})
    node.put(put("/ws/", server="a.example"))
    node.put(Drop("/ws/", server="a.example"))
    moved(node, b"a.example", b"c.example")
    assert "can't be told any more" in str(node.failure(1, surgical=True))
    node = Node({MAIN: SITE})
    node.put(put("/ws/"))
    node.put(Drop("/ws/"))
    node.files = {MAIN: b"events { }\nhttp { }\n"}
    assert "can't be told any more" in str(node.failure(1, surgical=True))


def test_the_maps_go_after_what_sets_their_hashes() -> None:
    node = Node({MAIN: SITE})
    node.put(put("/ws/"))
    node.put(Drop("/ws/"))
    node.files = {MAIN: SITE.removesuffix(b"}\n") + b"    map_hash_max_size 4096;\n}\n"}
    text = after(node.files, node.back(1, surgical=True))[MAIN]
    assert text.index(b"map_hash_max_size") < text.index(b"map $http_upgrade")
    node = Node({MAIN: INCLUDING, "/sites/a": TWO, "/sites/b": b"#\n"})
    node.put(put("/ws/", server="a.example"))
    node.put(Drop("/ws/", server="a.example"))
    node.files = node.files | {"/sites/a": TWO + b"#\n", "/sites/b": b"map_hash_max_size 4096;\n"}
    (file,) = node.back(1, surgical=True).files
    assert file.path == "/sites/a"


def test_a_text_of_then_that_is_no_configuration_is_an_error_of_its_own() -> None:
    node = Node({MAIN: SITE})
    node.put(put("/ws/"))
    revision = node.revisions[0]
    node.revisions = [replace(revision, files=(replace(revision.files[0], old=b"http {"),))]
    assert isinstance(node.failure(0), ParseError)


# --- whatever it is -----------------------------------------------------------------------------


def grown(files: Files, steps: list[Wanted]) -> Node:
    node = Node(files)
    for step in steps:
        try:
            node.put(step)
        except RouteConflict:  # such as an alias where another managed route is
            continue
    return node


@settings(max_examples=60, deadline=None)
@given(files=configurations(), steps=st.lists(wanted | unwanted, max_size=6), data=st.data())
def test_any_state_comes_back_to_the_byte(files: Files, steps: list[Wanted], data: st.DataObject) -> None:
    node = grown(files, steps)
    for _ in range(2):
        if not node.revisions:
            return
        to = data.draw(st.integers(0, len(node.revisions)))
        node.apply(node.back(to))
        assert node.files == node.states[to]


@settings(max_examples=60, deadline=None)
@given(
    files=configurations(),
    steps=st.lists(wanted | unwanted, min_size=1, max_size=6),
    edit=st.sampled_from([b"# caf\xe9\n", b"\r\n", b"\t \n", b"gzip on;\n", b"include none/*;"]),
    data=st.data(),
)
def test_any_state_comes_back_surgically_around_an_edit(
    files: Files, steps: list[Wanted], edit: bytes, data: st.DataObject
) -> None:
    node = grown(files, steps)
    if not node.revisions:
        return
    to = data.draw(st.integers(0, len(node.revisions) - 1))
    node.files = {path: text.replace(b"server {", edit + b"server {", 1) for path, text in node.files.items()}
    touched = {file.path for revision in node.revisions[to:] for file in revision.files}
    try:
        node.back(to)
    except DriftError:
        back = after(node.files, node.back(to, surgical=True))
    else:
        assert all(edit + b"server {" not in node.files[path] for path in touched)
        return
    for path, text in back.items():
        assert foreign(text) == foreign(node.files[path])
        assert blocks(text) == blocks(node.states[to][path])
