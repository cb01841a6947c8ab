"""The way back takes every step."""

from __future__ import annotations

from functools import partial

from nginxws.errors import NodeError, RestoreFailed
from nginxws.providers.jelastic.undoing import take_all


def test_every_step_is_taken_and_the_first_error_told() -> None:
    taken: list[str] = []

    def step(name: str, error: Exception | None = None) -> None:
        taken.append(name)
        if error is not None:
            raise error

    first, second = RestoreFailed("one"), NodeError("two")
    steps = [partial(step, "a"), partial(step, "b", first), partial(step, "c", second), partial(step, "d")]
    assert take_all(steps) is first
    assert taken == ["a", "b", "c", "d"]
    assert take_all(steps[:1]) is None
