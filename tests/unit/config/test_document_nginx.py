"""The parser against real nginx: what is refused, and which values are read."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from nginxws.config.document import parse, unquote
from nginxws.errors import ParseError

HEAD = b"""error_log stderr; pid pid; events {}
http { access_log off; client_body_temp_path t1; proxy_temp_path t2;
fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
"""

TRICKY = [
    b'a "b";',
    b"a 'b';",
    b'a "b" ;',
    b'a "b"c;',
    b"a \"b\"'c';",
    b'a "b""c";',
    b'a "b"#c\n;',
    b'a "b")c;',
    b'a "b");',
    b'a "b\\"c";',
    b"a 'b\\'c';",
    b'a "b\\\\";',
    b'a "b\\\\\\";',
    b'a "b\nc";',
    b'a b"c;',
    b"a b'c;",
    b'a b"c d"e;',
    b'a "";',
    b"a '';",
    b'"a" b;',
    b"'a' b;",
    b'"a"b;',
    b'a "',
    b"a '",
    b'a b";',
    b'a "b',
    b"a ${b};",
    b"a ${b c;",
    b"a ${{{b;",
    b"a $;",
    b"a ${;",
    b"a $b{c;",
    b"a \\${b;",
    b'a "${b";',
    b"a b$",
    b"a ${b}c}d;",
    b"a \\;",
    b"a \\;;",
    b"a \\ b;",
    b"a b\\",
    b"a \\",
    b"a \\\n;",
    b"a \\#;",
    b"a \\{;",
    b'a \\"b;',
    b"\\a b;",
    b"a b}c;",
    b"a b};",
    b"a b }c;",
    b"a }",
    b"a b#c;",
    b"a #b\n;",
    b"a #b;",
    b"#a",
    b"a b;#",
    b"a;b;",
    b"a;;",
    b";",
    b"a b;c d;",
    b"a\rb;",
    b"a\r;\r",
    b"#a\rb;",
    b"a b\r\n;",
    b"a\x0cb;",
    b"\x0ca b;",
    b"\x0c",
    b"a\x0b;",
    b"a \x00;",
    b"a\xa0b;",
    b"\xa0",
    b"a\tb\t;\t",
    b"a \xff;",
    b")a;",
    b"a );",
    b'a ("b");',
    b"a",
    b"a b",
    b"$a b;",
]


@pytest.fixture
def nginx_says(tmp_path: Path) -> Callable[[bytes], str]:
    """Run ``nginx -t`` on what stands inside ``http``; '' when accepted, else nginx's own words."""

    def run(inside: bytes) -> str:
        path = tmp_path / "nginx.conf"
        path.write_bytes(HEAD + inside + b"\n}\n")
        done = subprocess.run(
            ["nginx", "-t", "-e", "stderr", "-p", f"{tmp_path}/", "-c", str(path)],
            capture_output=True,
            timeout=30,
        )
        return "" if done.returncode == 0 else done.stderr.decode("utf-8", "backslashreplace")

    return run


@pytest.mark.nginx
def test_nginx_accepts_and_refuses_the_same(nginx_says: Callable[[bytes], str]) -> None:
    # Inside `types` any words are fine, so that only the way the text is cut up counts.
    wrong = {}
    for sequence in TRICKY:
        inside = b"types { text/plain txt;\n" + sequence + b"\n}"
        try:
            parse(HEAD + inside + b"\n}\n", "n.conf")
            refused = None
        except ParseError as error:
            refused = error
        said = nginx_says(inside)
        if bool(refused) != bool(re.search(r"unexpected|too long parameter", said)):
            wrong[sequence] = (refused, said)
    assert wrong == {}


NAMES = [
    b"'a b'",
    b'"a\\"b"',
    b"'a\\'b'",
    b"a\\\\b",
    b"a\\b\\.c",
    b"a\\\\tb",
    b"${a}b",
    b"a'b\"",
    b"'a\\\\'",
    b"a#b",
]
NAMES += [b'"\\\\\\""', b"\\'a", b"a\\;b", b'"a;b{c}"', b"a\\ b", b"'a\tb'", b"a\\tb", b"~^/\\d+$"]


@pytest.mark.nginx
def test_nginx_reads_the_same_values(nginx_says: Callable[[bytes], str]) -> None:
    # An unknown directive's name is the one value that nginx shows as it copied it.
    read = {}
    for name in NAMES:
        found = re.search(r'unknown directive "(.*)" in \S+:\d+\n', nginx_says(name + b" x;"), re.DOTALL)
        read[name] = found[1].encode() if found else None
    assert read == {name: unquote(name) for name in NAMES}
