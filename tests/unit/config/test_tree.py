"""The tree of files: nginx's include rules, contexts, problems."""

from __future__ import annotations

import pytest

from nginxws.config.document import parse
from nginxws.config.tree import ConfigTree, MappingReader, RecordingReader, detect_context, load
from nginxws.errors import ConfigError, ParseError


def tree_of(files: dict[str, str], main: str = "/etc/nginx/nginx.conf") -> ConfigTree:
    return load(main, MappingReader({path: text.encode() for path, text in files.items()}))


def test_relative_includes_resolve_against_the_main_files_directory() -> None:
    tree = tree_of(
        {
            "/etc/nginx/nginx.conf": "http { include conf.d/*.conf; }",
            "/etc/nginx/conf.d/b.conf": "server { include snippets/x.inc; }",
            "/etc/nginx/conf.d/a.conf": "server { listen 81; }",
            "/etc/nginx/snippets/x.inc": "location / { root /; }",
            "/etc/nginx/conf.d/snippets/x.inc": "never;",
        }
    )
    assert list(tree.files) == [
        "/etc/nginx/nginx.conf",
        "/etc/nginx/conf.d/a.conf",
        "/etc/nginx/conf.d/b.conf",
        "/etc/nginx/snippets/x.inc",
    ]
    assert tree.problems == []
    first, second = tree.http_servers()
    assert (first.where, second.where) == ("/etc/nginx/conf.d/a.conf:1", "/etc/nginx/conf.d/b.conf:1")
    (location,) = second.locations
    assert location.where == "/etc/nginx/snippets/x.inc:1"
    assert [step.where for step in location.via] == ["/etc/nginx/nginx.conf:1", "/etc/nginx/conf.d/b.conf:1"]


def test_a_main_file_without_directory() -> None:
    tree = tree_of({"n.conf": "http { include a/../b.conf; }", "b.conf": "server { }"}, main="n.conf")
    assert [server.file.path for server in tree.http_servers()] == ["a/../b.conf"]


def test_contexts_of_a_file_are_all_the_places_it_is_included_in() -> None:
    tree = tree_of(
        {
            "/n": "http { include x; server { include x; location / { include x; } } }",
            "/x": "proxy_set_header A b;",
        },
        main="/n",
    )
    assert tree.main_file.contexts == frozenset({()})
    assert tree.files["/x"].contexts == frozenset(
        {("http",), ("http", "server"), ("http", "server", "location")}
    )


def test_servers_of_stream_and_mail_are_not_those_of_http() -> None:
    tree = tree_of(
        {
            "/n": "stream { server { listen 1; } } mail { server { listen 2; } } include h;",
            "/h": "http { server { } }",
        },
        main="/n",
    )
    assert [server.where for server in tree.http_servers()] == ["/h:1"]
    assert tree.http_servers() is tree.http_servers()


def test_server_lines_of_an_upstream_are_not_server_blocks() -> None:
    tree = tree_of({"/n": "http { upstream u { server 10.0.0.1:80; } server 1; }"}, main="/n")
    assert tree.http_servers() == []


def test_includes_inside_lua_are_text() -> None:
    tree = tree_of({"/n": "http { content_by_lua_block { include nothing; } }"}, main="/n")
    assert tree.problems == []


def test_a_glob_without_match_is_fine_and_a_plain_name_is_not() -> None:
    tree = tree_of({"/n": "events { }\ninclude none/*.conf;\ninclude none.conf;"}, main="/n")
    (problem,) = tree.problems
    assert str(problem) == "/n:3: the included file /none.conf is missing or can't be read"
    assert problem.hint


def test_a_missing_file_is_a_problem_once_for_each_include() -> None:
    main = "http { include x;\nserver { include x; } include gone; }"
    tree = tree_of({"/n": main, "/x": "include gone; include a b;"}, main="/n")
    assert [problem.where for problem in tree.problems] == ["/x:1", "/x:1", "/n:2"]


def test_an_unparsable_included_file_is_a_problem_once() -> None:
    tree = tree_of({"/n": "http { include x; server { include x; } }", "/x": "location / {\n\n"}, main="/n")
    (problem,) = tree.problems
    assert isinstance(problem, ParseError)
    assert problem.file == "/x"
    assert list(tree.files) == ["/n"]
    assert tree.http_servers()[0].locations == ()


def test_an_include_with_two_names_is_a_problem() -> None:
    (problem,) = tree_of({"/n": "include a b;", "/a": "", "/b": ""}, main="/n").problems
    assert "one file name" in problem.message


def test_include_loops_are_problems_and_the_tree_still_ends() -> None:
    tree = tree_of(
        {"/n": "http { include a; }", "/a": "server { listen 1; }\ninclude b;", "/b": "include a;"}, main="/n"
    )
    (problem,) = tree.problems
    assert problem.where == "/b:1"
    assert "never ends" in problem.message
    assert len(tree.http_servers()) == 1


def test_a_file_that_includes_itself() -> None:
    tree = tree_of({"/n": "include n;"}, main="/n")
    assert [problem.where for problem in tree.problems] == ["/n:1"]
    assert list(tree.expand(tree.main_file.document.directives, tree.main_file)) == []


def test_deep_includes_are_a_problem() -> None:
    files = {f"/{number}": f"include {number + 1};" for number in range(200)}
    tree = tree_of(files, main="/0")
    (problem,) = tree.problems
    assert "100 deep" in problem.message


def test_files_that_include_each_other_twice_are_read_once() -> None:
    files = {f"/{number}": f"include {number + 1}; include {number + 1};" for number in range(10)}
    tree = tree_of({**files, "/10": "x;"}, main="/0")
    assert len(tree.files) == 11
    assert tree.problems == []


def test_expand_puts_included_directives_in_place() -> None:
    tree = tree_of({"/n": "a; include x; b; include x;", "/x": "c; include y;", "/y": "d;"}, main="/n")
    names = [one.directive.name for one in tree.expand(tree.main_file.document.directives, tree.main_file)]
    assert names == [b"a", b"c", b"d", b"b", b"c", b"d"]


def test_include_names_are_unquoted_and_may_be_any_bytes() -> None:
    reader = MappingReader(
        {"/n": b'include "a b.conf"; include caf\xe9;', "/a b.conf": b"x;", "/caf\udce9": b"y;"}
    )
    assert list(load("/n", reader).files) == ["/n", "/a b.conf", "/caf\udce9"]


def test_no_main_file() -> None:
    with pytest.raises(ConfigError, match="no such file"):
        tree_of({}, main="/n")


def test_an_unparsable_main_file() -> None:
    with pytest.raises(ParseError):
        tree_of({"/n": "}"}, main="/n")


@pytest.mark.parametrize(
    ("text", "context"),
    [
        ("http { }", ()),
        ("user www; include x;", ()),
        ("events { } server { }", ()),
        ("include /etc/nginx/conf.d/*.conf;", ()),
        ("", ()),
        ("# nothing", ()),
        ("server { listen 80; }", ("http",)),
        ("upstream u { server a; }", ("http",)),
        ("map $a $b { default 1; }", ("http",)),
        ("server { listen 1; proxy_pass a:1; }", ("stream",)),
        ("location / { }", ("http", "server")),
        ("server_name a;", ("http", "server")),
        ("server 10.0.0.1;", ()),
    ],
)
def test_context_of_a_fragment(text: str, context: tuple[str, ...]) -> None:
    assert detect_context(parse(text.encode(), "x")) == context


def test_context_given_by_the_caller() -> None:
    reader = MappingReader({"/n": b"include x;", "/x": b"server { }"})
    assert load("/n", reader).http_servers() == []
    tree = load("/n", reader, context=("http",))
    assert [server.where for server in tree.http_servers()] == ["/x:1"]
    assert tree.files["/x"].contexts == frozenset({("http",)})


def test_mapping_reader_finds_a_path_in_another_spelling() -> None:
    assert MappingReader({"/etc/./a": b"x"}).read("/etc/b/../a") == b"x"
    assert MappingReader({"/a": b"x"}).read("/b") is None


def test_recording_reader_remembers_what_was_asked_for() -> None:
    reader = RecordingReader({"/n": b"include a; include b/*.c;"})
    load("/n", reader)
    assert reader.wanted == {"/n", "/a", "/b/*.c"}
