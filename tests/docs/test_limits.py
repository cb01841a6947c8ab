"""The page of limits says what the code does."""

from __future__ import annotations

import ast
import inspect
import itertools
import re
from types import ModuleType

import pytest

from nginxws.config import bounds, document
from nginxws.nodes import limits
from nginxws.nodes.options import NodeOptions

#: Not a limit: a unit.
UNITS = {"MIB"}


def documented(module: ModuleType) -> set[str]:
    """The public constants that have a docstring of their own."""
    body = ast.parse(inspect.getsource(module)).body
    return {
        target.id
        for node, after in itertools.pairwise(body)
        if isinstance(node, ast.Assign)
        and isinstance(after, ast.Expr)
        and isinstance(after.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


@pytest.fixture
def rows(pages: dict[str, str]) -> dict[str, float]:
    page = pages["docs/reference/limits.md"]
    found = re.findall(r"^\| `([A-Z_]+)` \| ([0-9,]+)(?: [a-z]+)? \| \S", page, re.M)
    return {name: float(value.replace(",", "")) for name, value in found}


def test_every_limit_is_on_the_page_with_its_value(rows: dict[str, float]) -> None:
    values = {name: getattr(limits, name) for name in documented(limits)}
    values |= {name: getattr(bounds, name) for name in documented(bounds)}
    values["MAX_DEPTH"] = document.MAX_DEPTH
    assert rows == values


def test_every_constant_has_a_docstring() -> None:
    for module in (limits, bounds):
        constants = {name for name in vars(module) if name.isupper()} - UNITS - {"MAX_DEPTH"}
        assert constants == documented(module), module.__name__


def test_the_times_that_the_page_works_out(pages: dict[str, str]) -> None:
    default = dict(NodeOptions().parameters())
    page = pages["docs/reference/limits.md"]
    assert f"a snapshot ends within {limits.allowance('snapshot', default).seconds:.0f} s" in page
    assert f"default timeouts within {limits.allowance('transaction', default).seconds:.0f} s" in page
    assert limits.allowance("read", {}).seconds == limits.WORK
