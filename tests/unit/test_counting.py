"""Numbers in sentences."""

from __future__ import annotations

import pytest

from nginxws.counting import count, span


@pytest.mark.parametrize(("number", "words"), [(0, "0 sockets"), (1, "1 socket"), (2, "2 sockets")])
def test_how_many(number: int, words: str) -> None:
    assert count(number, "socket") == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 seconds"),
        (1, "1 second"),
        (119, "119 seconds"),
        (120, "2 minutes"),
        (7199, "119 minutes"),
        (7200, "2 hours"),
        (172_799, "47 hours"),
        (172_800, "2 days"),
        (10_000_000, "115 days"),
    ],
)
def test_how_long(seconds: int, words: str) -> None:
    assert span(seconds) == words
