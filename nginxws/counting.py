"""Numbers in sentences: how many, and for how long. Pure, below everything else."""

from __future__ import annotations

#: From the longest unit to the shortest: its name, and its seconds.
_UNITS = (("day", 86400), ("hour", 3600), ("minute", 60))


def count(number: int, what: str) -> str:
    """ "1 worker", "2 workers"."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def span(seconds: int) -> str:
    """A time in the unit that people would name: "90 seconds", "12 minutes", "3 days"; rounded down."""
    for name, length in _UNITS:
        if seconds >= 2 * length:
            return count(seconds // length, name)
    return count(seconds, "second")
