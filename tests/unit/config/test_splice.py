"""Managed blocks in and out: every byte outside them stays."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import permutations
from pathlib import Path

import pytest
from support.splices import (
    check,
    first_server,
    insert_block,
    location,
    put,
    remove_block,
    replace_block,
    route,
    take,
    written,
)

from nginxws.config.anchors import Anchor, insertion_point
from nginxws.config.blocks import find_blocks
from nginxws.config.document import Span, parse
from nginxws.config.proof import verify
from nginxws.config.splice import Splicer, apply_edits

CASES = Path(__file__).parents[2] / "cases" / "splice"
FILES = sorted(CASES.glob("*.conf"))


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize(
    "case", [path for path in FILES if b"\n" in path.read_bytes()], ids=lambda path: path.stem
)
def test_splice_as_written_in_the_case(case: Path, newline: bytes) -> None:
    before = case.read_bytes().replace(b"\n", newline)
    expected = case.with_suffix(".expected").read_bytes().replace(b"\n", newline)
    after = put(before, "/ws/", "/live/", maps=True)
    assert after.decode() == expected.decode()
    check(before, after)
    ids = [block.id for block in find_blocks(parse(after, "site.conf"))]
    assert len(ids) == 3
    assert take(after, *ids) == before
    for order in permutations(ids):
        data = after
        for one in order:
            smaller = take(data, one)
            check(data, smaller)
            assert smaller.count(b"\n") == smaller.count(newline)
            data = smaller
        assert data == before


def test_a_file_without_any_line_end_gets_line_feeds() -> None:
    before = (CASES / "one_line_without_newline.conf").read_bytes()
    after = put(before, "/ws/", "/live/", maps=True)
    assert after == (CASES / "one_line_without_newline.expected").read_bytes()
    assert take(after, *(block.id for block in find_blocks(parse(after, "x")))) == before


@pytest.mark.parametrize("case", FILES, ids=lambda path: path.stem)
def test_one_after_the_other_is_all_at_once(case: Path) -> None:
    data = case.read_bytes()
    together = put(data, "/a/", "/b/", "/c/")
    for path in ("/a/", "/b/", "/c/"):
        data = put(data, path)
    assert data == together


def test_new_blocks_go_after_earlier_ones_and_before_hand_written_locations() -> None:
    data = put(b"server {\n    location / {\n    }\n}\n", "/a/")
    assert written(put(data, "/b/")) == ["route /a/", "route /b/"]


def test_a_location_of_another_block_does_not_count() -> None:
    data = b"server {\n    location / {\n    }\n}\nserver {\n    listen 81;\n    location /b {\n    }\n}\n"
    after = put(data, "/ws/")
    assert after.index(b"begin route") < after.index(b"listen 81")


def test_wrappers_for_one_change() -> None:
    before = b"server {\n    location / { }\n}\n"
    server = first_server(before)
    edit = insert_block(server.file.document, insertion_point(server), route("/ws/"), location("/ws/"))
    after = apply_edits(before, [edit])
    document = parse(after, "site.conf")
    (block,) = find_blocks(document)
    assert block.file == "site.conf"
    assert block.server is document.directives[0]
    assert replace_block(document, block, location("/ws/")) is None
    replaced = replace_block(document, block, location("/ws/", "1.0"))
    assert replaced is not None
    check(after, apply_edits(after, [replaced]))
    assert apply_edits(after, [remove_block(document, block)]) == before


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_replacing_the_last_block_keeps_the_end_of_the_file(end: bytes) -> None:
    blocks = put(b"server {\n}\n", "/a/").split(b"server {\n")[1].rsplit(b"\n}", 1)[0] + end
    document = parse(blocks, "part.inc")
    edit = replace_block(document, find_blocks(document)[0], location("/a/", "1.0"))
    assert edit is not None
    assert apply_edits(blocks, [edit]).endswith(b"# nginxws: end route /a/" + end)


def test_a_block_put_at_the_end_of_a_file_ends_its_line() -> None:
    splicer = Splicer(parse(b"a;", "x"))
    splicer.insert(Anchor(2, b"", b"    ", b"\n", True), route("/a/"), "b;")
    assert splicer.apply().endswith(b"\n# nginxws: end route /a/\n")
    assert take(splicer.apply(), route("/a/")) == b"a;"


def test_replacing_a_drifted_block_writes_it_anew() -> None:
    good = put(b"server {\n    location / { }\n}\n", "/ws/")
    edited = good.replace(b"version 1.1", b"version 1.0")
    document = parse(edited, "site.conf")
    (block,) = find_blocks(document)
    assert block.drifted
    edit = replace_block(document, block, location("/ws/"))
    assert edit is not None
    assert apply_edits(edited, [edit]) == good


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize("case", ["plain", "tabs", "tabs_without_indent", "one_line", "empty_server"])
def test_replacing_is_removing_and_putting_in(case: str, newline: bytes) -> None:
    before = (CASES / f"{case}.conf").read_bytes().replace(b"\n", newline)
    after = put(before, "/a/", "/b/")
    splicer = Splicer(parse(after, "site.conf"))
    for block in splicer.blocks:
        assert splicer.replace(block, location(block.id.name, "1.0"))
    changed = splicer.apply()
    check(before, changed)
    back = Splicer(parse(changed, "site.conf"))
    for block in back.blocks:
        assert back.replace(block, location(block.id.name))
    assert back.apply() == after


def test_changes_of_every_kind_at_once_in_a_one_line_server() -> None:
    before = put(b"server { listen 80; location / { } }\n", "/a/", "/b/", "/c/")
    server = first_server(before)
    splicer = Splicer(server.file.document)
    first, second, _ = splicer.blocks
    splicer.remove(first)
    splicer.replace(second, location("/b/", "1.0"))
    splicer.insert(insertion_point(server, splicer.blocks), route("/d/"), location("/d/"))
    after = splicer.apply()
    check(before, after)
    assert written(after) == ["route /b/", "route /c/", "route /d/"]
    assert [block.inline for block in find_blocks(parse(after, "site.conf"))] == [True, False, False]
    assert (
        take(after, *(block.id for block in find_blocks(parse(after, "x"))))
        == b"server { listen 80; location / { } }\n"
    )


def test_removing_the_last_inline_block_while_another_comes() -> None:
    before = put(b"server { listen 80; location / { } }\n", "/a/")
    server = first_server(before)
    splicer = Splicer(server.file.document)
    splicer.insert(insertion_point(server), route("/b/"), location("/b/"))
    splicer.remove(splicer.blocks[0])
    after = splicer.apply()
    check(before, after)
    assert after == put(b"server { listen 80; location / { } }\n", "/b/")


def test_a_comment_before_an_inline_block_keeps_its_newline() -> None:
    after = put(b"server { listen 80; location / { } }", "/a/", "/b/")
    edited = after.replace(b"80; \n", b"80; # ours\n")
    (first, second) = find_blocks(parse(edited, "site.conf"))
    assert not first.inline
    assert take(edited, first.id, second.id) == b"server { listen 80; # ours\nlocation / { } }"
    without_first = take(edited, first.id)
    check(edited, without_first)
    assert take(without_first, second.id) == b"server { listen 80; # ours\nlocation / { } }"


def test_a_stray_carriage_return_before_the_anchor_is_not_taken() -> None:
    before = b"server { listen 80;\rlocation / { }\n}\n"
    after = put(before, "/a/", "/b/")
    check(before, after)
    assert take(after, route("/a/"), route("/b/")) == before


def test_a_block_at_the_end_of_a_file_without_newline() -> None:
    block = put(b"server {\n}\n", "/a/").split(b"server {\n")[1].rsplit(b"\n}", 1)[0]
    document = parse(block, "part.inc")
    (found,) = find_blocks(document)
    assert found.span == Span(0, len(block))
    edit = replace_block(document, found, location("/a/", "1.0"))
    assert edit is not None
    assert not edit.text.endswith(b"\n")
    assert apply_edits(block, [remove_block(document, found)]) == b""


def spent(work: Callable[[], object]) -> float:
    """CPU seconds."""
    start = time.process_time()
    work()
    return time.process_time() - start


@pytest.mark.no_cover
def test_ten_thousand_blocks_cost_a_few_times_their_parse() -> None:
    paths = [f"/r{number}/" for number in range(10_000)]
    before = b"server {\n    location / {\n    }\n}\n"
    after = put(before, *paths)
    document = parse(after, "site.conf")
    parsing = spent(lambda: parse(after, "site.conf"))
    splicer = Splicer(document)
    for block in splicer.blocks:
        splicer.remove(block)
    assert splicer.apply() == before
    # Anything that looks at every block for every block would take thousands of times as long.
    assert spent(splicer.apply) < 20 * parsing
    assert spent(lambda: verify(parse(before, "site.conf"), document)) < 20 * parsing
    assert spent(lambda: insertion_point(first_server(after))) < 20 * parsing
