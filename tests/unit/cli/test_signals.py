"""Signals of the whole program: wherever one arrives, it ends the command."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

# In a callback of the interpreter's own an exception is printed and dropped: imports have such callbacks.
_LOST = """
import signal, sys, time, weakref
from nginxws.cli import signals

class Thing: pass

signals.install()
thing = Thing()
watched = weakref.ref(thing, lambda _: signal.raise_signal(signal.{name}))
try:
    del thing
    time.sleep(30)
    print("slept on")
except KeyboardInterrupt:
    print("interrupted")
"""


def _run(text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_in_a_callback_is_not_lost(name: str) -> None:
    done = _run(_LOST.format(name=name))
    assert done.stdout == "interrupted\n"
    assert done.stderr == ""


def test_what_else_goes_wrong_in_a_callback_is_still_told() -> None:
    done = _run(
        _LOST.format(name="SIGINT")
        .replace("signal.raise_signal(signal.SIGINT)", "1 / 0", 1)
        .replace("30", "0")
    )
    assert "ZeroDivisionError" in done.stderr
    assert done.stdout == "slept on\n"


def test_once_settled_a_signal_is_let_pass() -> None:
    text = f"""
import signal, time
from nginxws.cli import signals
signals.install()
signals.settled()
signal.raise_signal({int(signal.SIGTERM)})
print("reported")
"""
    assert _run(text).stdout == "reported\n"
