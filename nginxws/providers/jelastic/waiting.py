"""Wait for an environment to run.

Numbers of an environment's status: the platform's localization files, as its clients quote them (class
JelasticEnvironment.Status of the PyPI package jelastic-client and others).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from nginxws.errors import NodeError
from nginxws.providers.jelastic.calls import Platform
from nginxws.providers.jelastic.settings import Environment

RUNNING: Final = 1
_STATUS: Final = {
    0: "unknown",
    RUNNING: "running",
    2: "stopped",
    3: "launching",
    4: "sleeping",
    5: "suspended",
    6: "being created",
    7: "being cloned",
    12: "being updated",
}
#: These don't pass by themselves: somebody stopped it, or nobody paid.
_RESTING: Final = frozenset({2, 4, 5})


def status_word(status: int) -> str:
    """An environment's status in words."""
    return _STATUS.get(status, f"in a state that the platform calls {status}")


def until_running(
    platform: Platform, seconds: float, poll: float, on_step: Callable[[str, str], None]
) -> Environment:
    """The environment, once it runs. Looks every ``poll`` seconds, at most ``seconds`` long.

    Raises NodeError when it rests, or doesn't run in time; ConnectionFailed and its kin as any call.
    """
    deadline = time.monotonic() + seconds
    told = -1
    while True:
        found = platform.environment()
        if found.status == RUNNING:
            return found
        word = status_word(found.status)
        if found.status in _RESTING:
            raise NodeError(
                f"the environment {found.name} is {word}",
                hint="start it on the platform's dashboard, then run the command again",
            )
        if found.status != told:
            told = found.status
            on_step("wait", f"{found.name} is {word}")
        if time.monotonic() + poll > deadline:
            raise NodeError(
                f"the environment {found.name} is {word} after {seconds:g} s; its balancer was not touched",
                hint="look at the dashboard's tasks; running the command again waits further",
            )
        time.sleep(poll)
