"""Parsing takes linear time, whatever the bytes."""

from __future__ import annotations

import contextlib
import gc
import time
from collections.abc import Iterator

import pytest

from nginxws.config.document import parse
from nginxws.errors import ParseError

HOSTILE = [
    b"{",
    b"}",
    b'"',
    b"'",
    b"\\",
    b"$",
    b"${",
    b"[[",
    b"#",
    b"#\n",
    b";",
    b"a ",
    b"a;",
    b"a{}",
    b'a"',
    b'"a" ',
]
HOSTILE += [
    b'a "b" ',
    b"a{",
    b"a #\n",
    b'a "',
    b"'\\",
    b"a\\",
    b"\r",
    b"\n",
    b" ",
    b"$ ",
    b"a ${b} ",
    b"a ${;",
    b'"";',
]
LUA_HOSTILE = [
    b"[[",
    b"[=",
    b"[=[",
    b"=",
    b"--",
    b"--[",
    b"--[=",
    b"{",
    b"}",
    b'"',
    b"'\\",
    b"\\",
    b"[[]]",
    b"-- \n",
]


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Keep the garbage collector out: its time depends on what else lives in this process."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def seconds(data: bytes) -> float:
    """CPU time of one parse, accepted or refused: the best of three."""
    best = float("inf")
    for _ in range(3):
        begin = time.process_time()
        with contextlib.suppress(ParseError):
            list(parse(data, "f").walk())
        best = min(best, time.process_time() - begin)
    return best


@pytest.mark.no_cover
@pytest.mark.parametrize(
    "data",
    [(b"", b"", unit) for unit in HOSTILE]
    + [(b"a ", b"", unit) for unit in HOSTILE]
    + [(b'a "', b'";', unit) for unit in HOSTILE]
    + [(b"a;", b"}", unit) for unit in HOSTILE]
    + [(b"init_by_lua_block {", b"}", unit) for unit in LUA_HOSTILE]
    + [(b"init_by_lua_block {[=[", b"]=]}", unit) for unit in LUA_HOSTILE],
    ids=lambda data: b"".join(data).decode("latin-1"),
)
@pytest.mark.usefixtures("no_collector")
def test_time_is_linear(data: tuple[bytes, bytes, bytes]) -> None:
    head, tail, unit = data
    small, large = (head + unit * (size // len(unit)) + tail for size in (8_192, 65_536))
    # Eight times the bytes: quadratic would take 64 times as long. The floor keeps clock noise out.
    assert seconds(large) < 24 * max(seconds(small), 0.001)
