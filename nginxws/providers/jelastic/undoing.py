"""The way back: every step of it is taken, whatever becomes of those before."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from nginxws.errors import NginxwsError


def take_all(steps: Iterable[Callable[[], None]]) -> NginxwsError | None:
    """Take every step; the error of the first that failed, None when none did."""
    first: NginxwsError | None = None
    for step in steps:
        try:
            step()
        except NginxwsError as error:
            first = first or error
    return first
