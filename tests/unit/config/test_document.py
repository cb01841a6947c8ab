"""What a parsed document says, and what parse errors say."""

from __future__ import annotations

import contextlib
import gc

import pytest

from nginxws.config.document import MAX_DEPTH, parse, unquote
from nginxws.errors import ParseError


def test_spans_lines_and_families() -> None:
    data = b"# top\nhttp {\n  server { listen 80; }\n}\nuser  www;"
    document = parse(data, "n.conf")
    http, user = document.directives
    (server,) = http.children
    (listen,) = server.children
    assert [d.name for d in document.walk()] == [b"http", b"server", b"listen", b"user"]
    assert data[http.start : http.end] == b"http {\n  server { listen 80; }\n}"
    assert data[listen.start : listen.end] == b"listen 80;"
    assert server.body is not None
    assert data[server.body.start : server.body.end] == b" listen 80; "
    assert listen.body is None
    assert user.children == []
    assert (http.parent, server.parent, listen.parent) == (None, http, server)
    assert [d.line for d in document.walk()] == [2, 3, 3, 5]
    assert data[user.head.start : user.head.end] == b"user  www"
    assert [(c.text, c.line) for c in document.comments] == [(b"# top", 1)]


def test_every_line_has_its_number() -> None:
    data = b"a;\r\n\n'b\nc' d;\re;\n"
    document = parse(data, "n.conf")
    assert [data[:offset].count(b"\n") + 1 for offset in range(len(data) + 1)] == [
        document.line_at(offset) for offset in range(len(data) + 1)
    ]
    assert [d.line for d in document.directives] == [1, 3, 4]


@pytest.mark.parametrize("data", [b"", b"\n", b" \t\r\n", b"# only\n# comments {", b"#"])
def test_nothing_but_space_and_comments(data: bytes) -> None:
    assert parse(data, "n.conf").directives == []


def test_repr_names_the_place() -> None:
    document = parse(b"#c\n\na;", "n.conf")
    assert repr(document.directives[0]) == "<Directive b'a' at n.conf:3>"


WORDS = [
    (b"a b c;", [b"a", b"b", b"c"]),
    (b"a\tb\rc\n;", [b"a", b"b", b"c"]),
    (b'a "b c" \'d "e\';', [b"a", b'"b c"', b"'d \"e'"]),
    (b'a "b\\"c" "";', [b"a", b'"b\\"c"', b'""']),
    (b"a b\"c d'e;", [b"a", b'b"c', b"d'e"]),
    (b"a b#c d}e;", [b"a", b"b#c", b"d}e"]),
    (b"a b\\ c\\;d \\{ \\#e;", [b"a", b"b\\ c\\;d", b"\\{", b"\\#e"]),
    (b"a ${b}c ${{{d $;", [b"a", b"${b}c", b"${{{d", b"$"]),
    (b'if ($a = "b"){}', [b"if", b"($a", b"=", b'"b"', b")"]),
    (b'if ($a = "b") {}', [b"if", b"($a", b"=", b'"b"', b")"]),
    (b"a 'b')c;", [b"a", b"'b'", b")c"]),
    (b"a # b; {\n c;", [b"a", b"c"]),
    (b'a "b" # c\n;', [b"a", b'"b"']),
    (b"a\x0cb \x0b \xc2\xa0 \x00;", [b"a\x0cb", b"\x0b", b"\xc2\xa0", b"\x00"]),
    (b"\xe9t\xe9 caf\xe9;", [b"\xe9t\xe9", b"caf\xe9"]),
    (b"'a'{}", [b"'a'"]),
    (b'"a b";', [b'"a b"']),
    (b"a{}", [b"a"]),
    (b"\\a b;", [b"\\a", b"b"]),
    (b"~^/(?<x>\\d+)$ y;", [b"~^/(?<x>\\d+)$", b"y"]),
    (b"a" + b" b" * 500 + b";", [b"a"] + [b"b"] * 500),
]


@pytest.mark.parametrize(("data", "words"), WORDS)
def test_words(data: bytes, words: list[bytes]) -> None:
    (directive,) = parse(data, "n.conf").directives
    assert list(directive.words) == words
    assert directive.name == unquote(words[0])
    assert directive.args == tuple(unquote(word) for word in words[1:])


def test_comments_among_arguments_are_found() -> None:
    document = parse(b"a #1\n b #2 ;\n; #3\nc; #4", "n.conf")
    assert [(c.text, c.line) for c in document.comments] == [(b"#1", 1), (b"#2 ;", 2), (b"#3", 3), (b"#4", 4)]
    assert [d.words for d in document.directives] == [(b"a", b"b"), (b"c",)]


def test_a_comment_keeps_its_carriage_return() -> None:
    document = parse(b"a; # b\r\nc;\r\n", "n.conf")
    assert [c.text for c in document.comments] == [b"# b\r"]


LUA = [
    b"",
    b" local a = {} ",
    b" ngx.say('}') ngx.say(\"}\") ",
    b" ngx.say('\\'}') ",
    b" -- }\n ",
    b" --\n {} ",
    b" -- [ }\n ",
    b" --[= }\n ",
    b" a = { { }, { { } } } ",
    b" x = [[ } ]] y = ' ]]' ",
    b" x = [==[ } ]==] y = {} z = ' ]==]' ",
    b" x = [[]] y = [[]]",
    b" --[[ }\n ]] ",
    b" --[==[ } ]] ]=] ]==] ",
    b" x = [[ } ' \" -- ]] ",
    b" x = [=[ } ]] ]=] ",
    b" x = a[b[1]] - -1 ",
    b" if a[ [[}]] ] then end ",
    b" # t { } $x; ",
]


@pytest.mark.parametrize("code", LUA)
@pytest.mark.parametrize("head", [b"content_by_lua_block", b"set_by_lua_block $x", b'"init_by_lua_block"'])
def test_lua_code_is_no_configuration(head: bytes, code: bytes) -> None:
    data = b"http { " + head + b" {" + code + b"} listen 80; }"
    (http,) = parse(data, "n.conf").directives
    block, listen = http.children
    assert block.raw_body
    assert block.children == []
    assert block.body is not None
    assert data[block.body.start : block.body.end] == code
    assert listen.name == b"listen"
    assert not listen.raw_body
    assert listen.parent is http


def test_a_simple_directive_with_a_lua_name_has_no_raw_body() -> None:
    (directive,) = parse(b"content_by_lua_block x;", "n.conf").directives
    assert not directive.raw_body
    assert directive.body is None


ERRORS = [
    (b";", 1, 'unexpected ";"'),
    (b"a;\n;", 2, 'unexpected ";"'),
    (b"a;\n{", 2, 'unexpected "{"'),
    (b"a {} ;", 1, 'unexpected ";"'),
    (b"a\n}", 2, 'unexpected "}"'),
    (b"a { b }", 1, 'unexpected "}"'),
    (b"a;\n}", 2, "no block is open"),
    (b"a;\n}\n\n", 2, "no block is open"),
    (b"a;\nb", 2, "ends inside this directive"),
    (b"a;\nb # c\n\n", 2, "ends inside this directive"),
    (b'a;\nb "c"', 2, "ends inside this directive"),
    (b"a {\nb;\n", 1, "ends inside this block"),
    (b"a {\n b {\n c; }\n", 1, "ends inside this block"),
    (b"a {\n b {\n c;\n", 2, "ends inside this block"),
    (b'a;\nb "c;\n\n', 2, "is never closed"),
    (b"a\n'b;\n\n", 2, "is never closed"),
    (b'a\n"b\\";', 2, "is never closed"),
    (b'a "b"c;', 1, "'c' directly after a closing quote"),
    (b'a "b\n"}', 2, "'}' directly after a closing quote"),
    (b"a \"b\"'c';", 1, "directly after a closing quote"),
    (b'a "b"#c\n;', 1, "directly after a closing quote"),
    (b'a "b"\xff;', 1, "'\\xff' directly after a closing quote"),
    (b"a;\n\\", 2, "backslash"),
    (b"a\nb\\", 2, "backslash"),
    (b"a ${ {};", 1, 'unexpected ";"'),
    (b"\xef\xbb\xbfa;", 1, "byte order mark"),
    (b"\xff\xfea\x00;\x00", 1, "byte order mark"),
    (b"\xfe\xff\x00a\x00;", 1, "byte order mark"),
    (b"a;\ninit_by_lua_block {\n {}", 2, "Lua block has no end"),
    (b"init_by_lua_block { ' }", 1, "Lua block has no end"),
    (b'init_by_lua_block { " }', 1, "Lua block has no end"),
    (b"init_by_lua_block { [[ ]=] }", 1, "Lua block has no end"),
    (b"init_by_lua_block { --[[ } ", 1, "Lua block has no end"),
    (b"a{" * MAX_DEPTH + b"\nb{", 2, "nested more than"),
]


@pytest.mark.parametrize(("data", "line", "message"), ERRORS)
def test_errors_say_file_line_and_next_step(data: bytes, line: int, message: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse(data, "sites/x.conf")
    error = caught.value
    assert message in error.message
    assert (error.file, error.line) == ("sites/x.conf", line)
    assert error.hint
    assert str(error).startswith(f"sites/x.conf:{line}: ")


def test_the_deepest_allowed_nesting_parses() -> None:
    document = parse(b"a{" * MAX_DEPTH + b"}" * MAX_DEPTH, "n.conf")
    assert sum(1 for _ in document.walk()) == MAX_DEPTH


@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize("data", [b"a;", b"a"])
def test_the_garbage_collector_is_left_as_it_was(enabled: bool, data: bytes) -> None:
    before = gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()
        with contextlib.suppress(ParseError):
            parse(data, "n.conf")
        assert gc.isenabled() is enabled
    finally:
        (gc.enable if before else gc.disable)()
