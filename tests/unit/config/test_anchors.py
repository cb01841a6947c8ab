"""Where a block goes, and in what style. A ``|`` in the data is the place that is expected."""

from __future__ import annotations

import pytest

from nginxws.config.anchors import (
    Anchor,
    http_insertion_point,
    insertion_after,
    insertion_point,
    late_map_hash,
)
from nginxws.config.blocks import find_blocks
from nginxws.config.document import parse
from nginxws.config.servers import ServerBlock
from nginxws.config.tree import MappingReader, load

BLOCK = b"# nginxws: begin map a 0123456789abcdef\n# nginxws: end map a\n"
INLINE = b"\n  " + BLOCK.replace(b"cdef\n", b"cdef inline\n")


def split(marked: bytes) -> tuple[bytes, int]:
    before, _, after = marked.partition(b"|")
    return before + after, len(before)


def server_of(data: bytes, **others: bytes) -> ServerBlock:
    return load("main", MappingReader({"main": data, **others})).http_servers()[0]


@pytest.mark.parametrize(
    ("marked", "indent", "unit", "inline"),
    [
        (b"http {\n  x a;\n|}\n", b"  ", b"    ", False),
        (b"http {\n\tx a; \t\r\n|\ty;\n}\n", b"\t", b"\t", False),
        (b"http {\n  x a; # ; y\n|}\n", b"  ", b"    ", False),
        (b"http {\n  x a;| y;\n}\n", b"  ", b"    ", True),
        (b"http {\n  x a;|}\n", b"  ", b"    ", True),
        (b"http {\n  x a;|\x0c\n;}\n", b"  ", b"    ", True),
        (b"http {\n  x a;|X\n;}\n", b"  ", b"    ", True),
        (b"http { x a;\n|}\n", b"    ", b"    ", False),
        (b"  http { x a;\n|}\n", b"      ", b"    ", False),
        (b"\thttp { x a;| }", b"\t\t", b"\t", True),
        (b"http {\n\ty;\nx a;\n|}\n", b"", b"\t", False),
        (b"x a;\n|", b"", b"    ", False),
        (b"\ty;\nx a;\n|", b"", b"\t", False),
        (b"  x a;|", b"  ", b"    ", True),
        (b"x a;| # the end", b"", b"    ", True),
        (b"http {\n  x a;" + INLINE + b"|y;}\n", b"  ", b"    ", False),
        (b"http { x a;" + INLINE + b"|y;}\n", b"  ", b"    ", False),
        (b"http {\n  x a;\n|" + BLOCK + b"}\n", b"  ", b"    ", False),
    ],
)
def test_the_line_after_a_directive(marked: bytes, indent: bytes, unit: bytes, inline: bool) -> None:
    data, offset = split(marked)
    document = parse(data, "n.conf")
    directive = next(one for one in document.walk() if one.name == b"x")
    newline = b"\r\n" if b"\r\n" in data else b"\n"
    found = insertion_after(document, directive, find_blocks(document))
    assert found == Anchor(offset, indent, unit, newline, inline)


@pytest.mark.parametrize(
    ("marked", "indent", "unit", "inline"),
    [
        (b"server {\n|  location / { }\n}\n", b"  ", b"    ", False),
        (b"server {\n  root /;\n|  location / { }\n  location /b { }\n}\n", b"  ", b"    ", False),
        (b"server {\n  root /;\n|  include a;\n  location /b { }\n}\n", b"  ", b"    ", False),
        (b"server {\n  include b;\n|  location /b { }\n  include a;\n}\n", b"  ", b"    ", False),
        (b"server { |location / { } }\n", b"    ", b"    ", True),
        (b"\tserver { |location / { } }\n", b"\t\t", b"\t", True),
        (b"server {\n  root /; |location / { } }\n", b"  ", b"    ", True),
        (b"server {\n  root /;\n|}\n", b"  ", b"    ", False),
        (b"server {\n\troot /;\n|}\n", b"\t", b"\t", False),
        (b"server {\n|}\n", b"    ", b"    ", False),
        (b"\tserver {\n|\t}\n", b"\t\t", b"\t", False),
        (b"server {|}", b"    ", b"    ", True),
        (b"server {\n  root /;|}\n", b"  ", b"    ", True),
        (b"server { a; b;\n|\tlocation / { }\n}\n", b"\t", b"\t", False),
        (
            b"server {\n  " + BLOCK.replace(b"\n#", b"\n  #") + b"|  location / { }\n}\n",
            b"  ",
            b"    ",
            False,
        ),
        (b"server { a;" + INLINE + b"|location / { } }\n", b"  ", b"    ", False),
        (
            b"server {\n" + BLOCK.replace(b"\n", b"\n location /a { }\n", 1) + b"|  location / { }\n}\n",
            b"",
            b"    ",
            False,
        ),
    ],
)
def test_before_the_first_hand_written_location(
    marked: bytes, indent: bytes, unit: bytes, inline: bool
) -> None:
    data, offset = split(marked)
    server = server_of(data, a=b"location /a { }", b=b"root /;")
    assert insertion_point(server) == Anchor(offset, indent, unit, b"\n", inline)
    assert insertion_point(server, find_blocks(server.file.document)) == insertion_point(server)


@pytest.mark.parametrize(
    ("marked", "indent", "unit", "inline"),
    [
        (b"http {\n|  server { }\n}\n", b"  ", b"    ", False),
        (b"http {\n|\tserver {\n\t}\n}\n", b"\t", b"\t", False),
        (b"http { |server { } }\n", b"    ", b"    ", True),
        (b"|server {\n\troot /;\n}\n", b"", b"\t", False),
        (b"|server {\n  root /;\n}\n", b"", b"    ", False),
        (b"a; |server { }\n", b"", b"    ", True),
        (b"\n|server { }\n", b"", b"    ", False),
    ],
)
def test_before_the_server(marked: bytes, indent: bytes, unit: bytes, inline: bool) -> None:
    data, offset = split(marked)
    assert http_insertion_point(server_of(data)) == Anchor(offset, indent, unit, b"\n", inline)


@pytest.mark.parametrize(
    ("data", "newline"),
    [
        (b"server {\r\n location / { } }\r\n", b"\r\n"),
        (b"server {\n location / { }\r\n }", b"\r\n"),
        (b"server {\r\n location / { }\n }", b"\n"),
        (b"server {\r\n location / { } }", b"\r\n"),
        (b"server {\n location / { } }", b"\n"),
        (b"server { location / { } }", b"\n"),
        (b"\r\nserver {\n location / { } }", b"\n"),
        (b"\nserver {\r\n location / { } }", b"\r\n"),
        (b"\nserver { location / { } }", b"\n"),
        (b"\r\nserver { location / { } }", b"\r\n"),
        (b"server {\rlocation / { } }", b"\n"),
    ],
)
def test_the_line_end_in_use(data: bytes, newline: bytes) -> None:
    assert insertion_point(server_of(data)).newline == newline


@pytest.mark.parametrize(
    ("inside", "where"),
    [
        ("server { }", None),
        ("map_hash_max_size 1; server { }", None),
        ("server { } map_hash_max_size 1;", "main:1"),
        ("server { }\nmap_hash_max_size 1;\nmap_hash_bucket_size 1;\nmap_x;", "main:3"),
        ("server { } include a;\nserver { map_hash_max_size 1; }", "a:2"),
        ("include s;\nmap_hash_max_size 1;", "main:2"),
    ],
)
def test_a_map_hash_after_the_server(inside: str, where: str | None) -> None:
    server = server_of(f"http {{ {inside} }}".encode(), a=b"x;\nmap_hash_max_size 1;", s=b"server { }")
    late = late_map_hash(server)
    assert (late.where if late else None) == where
