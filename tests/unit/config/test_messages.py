"""What users read when a file, a marker or a URI isn't well, word for word."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nginxws.config.blocks import find_blocks
from nginxws.config.document import MAX_DEPTH, parse
from nginxws.config.uri import normalise
from nginxws.errors import NginxwsError


def told(work: Callable[[], object]) -> str:
    with pytest.raises(NginxwsError) as caught:
        work()
    return f"{caught.value}\nhint: {caught.value.hint}"


NAME_FIRST = "a directive needs a name in front of it"
SPACE = "put a space after the quote, or the whole word into quotes"
UTF_8 = "save it as UTF-8 without a byte order mark"


@pytest.mark.parametrize(
    ("data", "message", "hint"),
    [
        (b"a;\n;", '2: unexpected ";"', NAME_FIRST),
        (b"a;\n{", '2: unexpected "{"', NAME_FIRST),
        (b"a {\nb }", '2: unexpected "}"', 'the directive before it has no ";"'),
        (b"a;\n}", '2: unexpected "}": no block is open here', 'take it out, or find the "{" it lost'),
        (b"a;\nb", '2: the file ends inside this directive, expecting ";" or "{"', 'add the missing ";"'),
        (b"a {\nb;\n", '1: a "}" is missing: the file ends inside this block', "close the block"),
        (b'a "b;', '1: this " is never closed', "add the closing quote"),
        (b"a 'b;", "1: this ' is never closed", "add the closing quote"),
        (b'a "b"c;', "1: unexpected 'c' directly after a closing quote", SPACE),
        (b'a "b"\xff;', "1: unexpected '\\xff' directly after a closing quote", SPACE),
        (b"\\", "1: the file ends with a backslash", "take it out"),
        (b"\xef\xbb\xbfa;", "1: the file starts with a UTF-8 byte order mark", UTF_8),
        (b"\xff\xfea", "1: the file starts with a UTF-16 byte order mark", UTF_8),
        (b"\xfe\xffa", "1: the file starts with a UTF-16 byte order mark", UTF_8),
        (
            b"a;\ninit_by_lua_block {\n {}",
            "2: this Lua block has no end",
            'look for a missing "}", quote or long bracket in the Lua code',
        ),
        (
            b"a{" * MAX_DEPTH + b"\nb{",
            "2: blocks are nested more than 200 deep",
            'look for blocks whose "}" is missing',
        ),
    ],
)
def test_a_file_that_cant_be_parsed(data: bytes, message: str, hint: str) -> None:
    assert told(lambda: parse(data, "n.conf")) == f"n.conf:{message}\nhint: {hint}"


A = b"# nginxws: begin route /a/ 0123456789abcdef\n"
END = b"# nginxws: end route /a/\n"
CAFE = A.replace(b"/a/", b"/caf\xe9")


@pytest.mark.parametrize(
    ("data", "message", "hint"),
    [
        (
            b"a;\n" + A,
            "2: this managed block has no end: # nginxws: begin route /a/ 0123456789abcdef",
            "its end line is missing",
        ),
        (
            b"a;\n" + END,
            "2: this managed block has no beginning: # nginxws: end route /a/",
            "its begin line is missing",
        ),
        (
            b"a;\n" + A + A,
            "3: a managed block begins inside the one of line 2: # nginxws: begin route /a/ 0123456789abcdef",
            "an end line is missing",
        ),
        (
            b"a;\n" + CAFE + END,
            "3: this ends another block than the one of line 2 (route /caf\\xe9): # nginxws: end route /a/",
            "a line is missing",
        ),
        (
            A + b"server {\n" + END,
            "1: this managed block ends inside another block: # nginxws: begin route /a/ 0123456789abcdef",
            "a brace is missing or too many",
        ),
        (
            A + END + A + END,
            "3: the managed block of line 1 is here a second time:"
            " # nginxws: begin route /a/ 0123456789abcdef",
            "remove one",
        ),
        (
            b"a\n" + A + b"b;",
            "2: a marker of nginxws stands inside a directive: # nginxws: begin route /a/ 0123456789abcdef",
            "the lines around it were edited",
        ),
        (
            CAFE.replace(b"0123456789abcdef", b"\t\r"),
            "1: this looks like a marker of nginxws, and isn't one: # nginxws: begin route /caf\\xe9",
            "it was edited or moved",
        ),
    ],
)
def test_markers_that_do_not_pair_up(data: bytes, message: str, hint: str) -> None:
    closed = data + b"}" * data.count(b"{")
    restore = "restore the lines between begin and end as nginxws wrote them, or delete them all"
    expected = f"n.conf:{message}\nhint: {hint}: {restore}"
    assert told(lambda: find_blocks(parse(closed, "n.conf"))) == expected


@pytest.mark.parametrize(
    ("uri", "shown", "why"),
    [
        ("", "''", "it must start with a slash"),
        ("ws/", "'ws/'", "it must start with a slash"),
        ("/..", "'/..'", "its .. segments lead out of the root"),
        ("/%", "'/%'", '"%" isn\'t a percent escape of a byte'),
        ("/%1", "'/%1'", '"%1" isn\'t a percent escape of a byte'),
        ("/a%zz9", "'/a%zz9'", '"%zz" isn\'t a percent escape of a byte'),
        ("/%00", "'/%00'", '"%00" isn\'t a percent escape of a byte'),
        ("/%\udcff1", "'/%\\udcff1'", '"%\\xff1" isn\'t a percent escape of a byte'),
    ],
)
def test_a_uri_that_nginx_refuses(uri: str, shown: str, why: str) -> None:
    expected = f"NGINX answers 400 to the URI {shown}: {why}"
    assert (
        told(lambda: normalise(uri)) == f"{expected}\nhint: give the path as a client sends it, such as /ws/"
    )
