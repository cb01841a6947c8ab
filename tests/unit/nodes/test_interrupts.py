"""Signals while a node is at work."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from nginxws.nodes.interrupts import Interrupts


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_is_noted_and_raised_only_where_that_is_safe(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with Interrupts() as interrupts:
        os.kill(os.getpid(), number)
        assert interrupts.asked
        with pytest.raises(KeyboardInterrupt), interrupts.raised():
            pytest.fail("one that came before is not forgotten")
    assert signal.getsignal(number) is before


def test_a_signal_ends_a_block_that_allows_it() -> None:
    def interrupted(interrupts: Interrupts) -> None:
        with interrupts.raised():
            os.kill(os.getpid(), signal.SIGINT)
            pytest.fail("not interrupted")

    with Interrupts() as interrupts, pytest.raises(KeyboardInterrupt):
        interrupted(interrupts)


def test_an_ignored_signal_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interrupts() as interrupts:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not interrupts.asked
    finally:
        signal.signal(signal.SIGHUP, before)


def test_outside_the_main_thread_nothing_is_touched() -> None:
    found: list[object] = []

    def enter() -> None:
        with Interrupts():
            found.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert found == [signal.getsignal(signal.SIGTERM)]


def test_a_thread_only_hears_of_it() -> None:
    interrupts = Interrupts()
    with interrupts.listener() as listener, listener.raised():
        assert not listener.asked
        interrupts.asked = True
        assert listener.asked
