"""Drivers of the client broken on purpose, by name: what a command's own process is told to get wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nginxws import deploy, proving
from nginxws.errors import Restored
from nginxws.nodes import interrupts, transaction


def restored_counts_as_done() -> None:
    """What was put back is reported as carried out."""
    real: Callable[..., transaction.Committed] = transaction.run

    def run(*words: Any) -> transaction.Committed:
        try:
            return real(*words)
        except Restored:
            return transaction.Committed(1)

    _put(transaction, "run", run)


def lost_counts_as_done() -> None:
    """A connection that broke is taken for a success, unasked."""
    _put(deploy._Broken, "settle", lambda *_: transaction.Committed(1))


def lost_counts_as_undone() -> None:
    """A connection that broke is taken for a restore, whatever the node has stored."""
    real = transaction.recover

    def recover(*words: Any, **more: Any) -> transaction.Recovered:
        found = real(*words, **more)
        return transaction.Recovered(found.undone, found.cause)

    _put(transaction, "recover", recover)


def interrupts_are_ignored() -> None:
    """Ctrl-C while the node works does nothing."""
    _put(interrupts.Interrupts, "_on_signal", lambda *_: None)


def nothing_is_proved() -> None:
    """Commit without a probe."""
    _put(proving.Proof, "_refusal", lambda _self: None)


def silence_is_never_noticed() -> None:
    """No keepalive: a line that is frozen looks like a node that thinks."""
    from nginxws.nodes.ssh import transport

    _put(transport.Session, "watch", lambda _self: None)


def _put(owner: Any, name: str, broken: Callable[..., Any]) -> None:
    assert hasattr(owner, name), f"{name} has another name now"
    setattr(owner, name, broken)


BREAKS: dict[str, Callable[[], None]] = {
    one.__name__: one
    for one in (
        restored_counts_as_done,
        lost_counts_as_done,
        lost_counts_as_undone,
        interrupts_are_ignored,
        nothing_is_proved,
        silence_is_never_noticed,
    )
}
