"""Every error, its exit code, and what it says."""

from __future__ import annotations

import inspect
import re

import pytest

from nginxws import errors
from nginxws.errors import ExitCode, NginxwsError

CLASSES = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, NginxwsError)]
DRAWN = dict(re.findall(r"(\w+) +(\d+)   ", str(errors.__doc__)))


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_the_tree_as_drawn(kind: type[NginxwsError]) -> None:
    assert DRAWN[kind.__name__] == str(int(kind.code))
    assert kind.__doc__


def test_nothing_else_is_drawn() -> None:
    assert set(DRAWN) == {kind.__name__ for kind in CLASSES}


def test_the_exit_codes_of_the_contract() -> None:
    assert {code.name: int(code) for code in ExitCode} == {
        "DONE": 0,
        "ERROR": 1,
        "CHANGES": 2,
        "FINDINGS": 3,
        "RESTORED": 4,
        "RESTORE_FAILED": 5,
        "CONNECTION": 6,
        "LOCKED_OR_STALE": 7,
        "USAGE": 64,
        "INTERRUPTED": 130,
    }


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ({}, "what"),
        ({"node": "lb2"}, "lb2: what"),
        ({"file": "/x.conf"}, "/x.conf: what"),
        ({"file": "/x.conf", "line": 14}, "/x.conf:14: what"),
        ({"node": "lb2", "file": "/x.conf", "line": 14}, "lb2: /x.conf:14: what"),
        ({"line": 14}, "what"),
    ],
)
def test_where(place: dict[str, str], text: str) -> None:
    assert str(NginxwsError("what", **place)) == text  # type: ignore[arg-type]  # line is an int here
