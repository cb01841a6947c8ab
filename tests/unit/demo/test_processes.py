"""Ending children, and signals that cancel the work but never the cleanup."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from nginxws.demo.processes import STOP_SIGNALS, Interrupts, end, kill_group
from nginxws.errors import Interrupted


async def _shell(script: str) -> asyncio.subprocess.Process:
    """A shell that leads its own session and has said something."""
    process = await asyncio.create_subprocess_exec(
        "/bin/sh", "-c", script, stdout=asyncio.subprocess.PIPE, start_new_session=True
    )
    assert process.stdout is not None
    async with asyncio.timeout(5):
        await process.stdout.readline()
    return process


def test_a_polite_process_ends_by_itself() -> None:
    async def scenario() -> None:
        process = await _shell("trap 'exit 3' TERM; echo ready; while :; do sleep 0.01; done")
        await end(process, signal.SIGTERM, grace=5)
        assert process.returncode == 3
        await end(process, signal.SIGTERM, grace=5)  # once more changes nothing

    asyncio.run(scenario())


def test_a_stubborn_process_is_killed_with_its_children() -> None:
    async def scenario() -> None:
        process = await _shell("trap '' TERM; sleep 1000 & echo ready; wait; sleep 1000")
        await end(process, signal.SIGTERM, grace=0.05)
        assert process.returncode == -signal.SIGKILL
        assert process.stdout is not None
        async with asyncio.timeout(5):  # ends only when the last child that holds it is gone
            assert await process.stdout.read() == b""

    asyncio.run(scenario())


def test_a_group_that_is_gone_is_no_error() -> None:
    async def scenario() -> None:
        process = await _shell("echo ready")
        await process.wait()
        kill_group(process.pid)

    asyncio.run(scenario())


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_a_signal_cancels_the_work_and_no_signal_the_cleanup(number: signal.Signals) -> None:
    done: list[str] = []

    async def work() -> None:
        try:
            os.kill(os.getpid(), number)
            await asyncio.sleep(60)
        finally:
            os.kill(os.getpid(), number)
            await asyncio.sleep(0.01)
            done.append("own cleanup")

    async def scenario() -> None:
        with Interrupts() as interrupts:
            with pytest.raises(Interrupted, match=f"stopped by {number.name}"):
                await interrupts.run(work())
            os.kill(os.getpid(), number)
            await asyncio.sleep(0.01)
            done.append("cleanup")

    before = signal.getsignal(number)
    asyncio.run(scenario())
    assert done == ["own cleanup", "cleanup"]
    assert signal.getsignal(number) == before


def test_a_signal_between_two_works_stops_the_second() -> None:
    started: list[bool] = []

    async def work() -> None:
        started.append(True)

    async def scenario() -> None:
        with Interrupts() as interrupts:
            await interrupts.run(work())
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.sleep(0.01)
            with pytest.raises(Interrupted):
                await interrupts.run(work())

    asyncio.run(scenario())
    assert started == [True]


def test_an_ignored_hangup_stays_ignored() -> None:
    async def work() -> str:
        os.kill(os.getpid(), signal.SIGHUP)
        await asyncio.sleep(0.01)
        return "finished"

    async def scenario() -> str:
        with Interrupts() as interrupts:
            return await interrupts.run(work())

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert asyncio.run(scenario()) == "finished"
    finally:
        signal.signal(signal.SIGHUP, before)


def test_results_and_failures_pass_through() -> None:
    async def scenario() -> None:
        with Interrupts() as interrupts:
            assert await interrupts.run(asyncio.sleep(0, "result")) == "result"
            with pytest.raises(ZeroDivisionError):
                await interrupts.run(_fail())

    async def _fail() -> None:
        raise ZeroDivisionError

    asyncio.run(scenario())


def test_a_cancellation_without_a_signal_is_passed_on() -> None:
    async def scenario() -> None:
        with Interrupts() as interrupts:
            outer = asyncio.create_task(interrupts.run(asyncio.sleep(60)))
            await asyncio.sleep(0)
            outer.cancel()
            with pytest.raises(asyncio.CancelledError):
                await outer

    asyncio.run(scenario())
