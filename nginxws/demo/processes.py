"""Child processes and signals: everything that was started is ended, whatever happens.

Children lead sessions of their own, so Ctrl-C on the terminal reaches only us,
and each child is ended once, in order.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Coroutine
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, TypeVar

from nginxws.errors import Interrupted

STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_T = TypeVar("_T")


async def end(process: asyncio.subprocess.Process, polite: signal.Signals, grace: float) -> None:
    """End a child that leads its own session: ask it with ``polite``, then kill its whole group.

    ``grace`` is how long the child may take, in seconds. Returns when it is reaped.
    """
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        process.send_signal(polite)
    try:
        async with asyncio.timeout(grace):
            await process.wait()
    except TimeoutError:
        kill_group(process.pid)
        await process.wait()


def kill_group(leader: int) -> None:
    """Kill what is left of the process group that our child ``leader`` started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


class Interrupts:
    """Turns INT, TERM and HUP into the cancellation of the work at hand, and of nothing else.

    Used as a context manager around work *and* cleanup: only what runs inside
    :meth:`run` can be cancelled, once; a signal during the cleanup changes nothing.
    A HUP that was ignored at the start (nohup) stays ignored.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._work: asyncio.Task[Any] | None = None
        self._handled = [
            s for s in STOP_SIGNALS if s is not signal.SIGHUP or signal.getsignal(s) is not signal.SIG_IGN
        ]

    def __enter__(self) -> Interrupts:
        loop = asyncio.get_running_loop()
        for number in self._handled:
            loop.add_signal_handler(number, self._stop, number)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        loop = asyncio.get_running_loop()
        for number in self._handled:
            loop.remove_signal_handler(number)

    def _stop(self, number: signal.Signals) -> None:
        if self.received is None:
            self.received = number
            if self._work is not None:
                self._work.cancel()

    async def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Run ``work`` until it ends or a signal comes.

        Raises:
            Interrupted: a signal came, now or before; ``work`` is over.
        """
        task = asyncio.get_running_loop().create_task(work)
        self._work = task
        if self.received is not None:
            task.cancel()
        try:
            return await task
        except asyncio.CancelledError:
            if self.received is None:
                raise
            name = self.received.name
            raise Interrupted(f"stopped by {name}", hint="nothing was left behind") from None
        finally:
            self._work = None
