"""For runs of ``tools/mutation.py``: short properties, and no answer remembered from before the mutation."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
from hypothesis import Phase, settings

EXAMPLES = 15

# The same few examples for every mutant, and no time spent on making a failure small.
settings.register_profile(
    "mutation",
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
)
settings.load_profile("mutation")

_caches: dict[str, list[Callable[[], None]]] = {}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Properties with a number of examples of their own get no more than the others."""
    for item in items:
        test = getattr(item, "obj", None)
        own = getattr(test, "_hypothesis_internal_use_settings", None)
        if own is not None and own.max_examples > EXAMPLES:
            vars(test)["_hypothesis_internal_use_settings"] = settings(own, max_examples=EXAMPLES)


@pytest.fixture(autouse=True)
def fresh_caches() -> None:
    """Every test computes by itself: mutants run in forks of a process that has run all tests before."""
    for name in [name for name in sys.modules if name.startswith("nginxws.")]:
        if name not in _caches:
            _caches[name] = _caches_of(vars(sys.modules[name]))
        for clear in _caches[name]:
            clear()


def _caches_of(members: dict[str, object]) -> list[Callable[[], None]]:
    """What empties the ``lru_cache`` of functions, and of the methods of classes."""
    classes = [vars(one).values() for one in members.values() if isinstance(one, type)]
    functions = [getattr(one, "__func__", one) for values in (members.values(), *classes) for one in values]
    return [one.cache_clear for one in functions if hasattr(one, "cache_clear")]
