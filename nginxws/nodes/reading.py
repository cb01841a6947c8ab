"""Read nodes in the background, while this side gets ready.

Most of the time between the first connection and the snapshot is the node's:
key exchange, login shell, ``nginx -T``. A thread a node waits for it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nginxws.nodes.link import NodeLink
    from nginxws.nodes.transaction import Recovered
    from nginxws.snapshot import Pending, Snapshot

#: Called with a step's name and a few words about it.
OnStep = Callable[[str, str], None]


class Reading:
    """A node being read; ``result`` waits for the snapshot."""

    def __init__(self, link: NodeLink, on_step: OnStep, *, undo: bool = True) -> None:
        self._snapshot: Snapshot | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(
            target=self._run, args=(link, on_step, undo), name=f"read {link.name}", daemon=True
        )
        self._thread.start()

    def _run(self, link: NodeLink, on_step: OnStep, undo: bool) -> None:
        try:
            self._snapshot = read_node(link, on_step, undo=undo)
        except BaseException as error:  # handed to whoever asks for the result
            self._error = error

    def result(self) -> Snapshot:
        """The snapshot; raises what reading raised."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        assert self._snapshot is not None
        return self._snapshot


def until_waiting(links: Sequence[NodeLink]) -> None:
    """Return once the readers have imported what they need.

    Imports share one interpreter lock: those that the connection needs go first.
    """
    if any(link.is_remote for link in links):
        from nginxws.nodes.ssh import transport as ssh

        ssh.LOADED.wait(1.0)


def read_node(link: NodeLink, on_step: OnStep, *, undo: bool = True) -> Snapshot:
    """The node's snapshot, with ``undo`` after undoing what an interrupted transaction left on it.

    Its ``recovered`` then says what that was. Raises ConnectionFailed and its kin,
    NodeError, StaleError, RestoreFailed.
    """
    from nginxws.nodes.snapshot import take

    on_step("connect", "")
    session = link.session()
    on_step("snapshot", "")
    now = take(session, link.options, _missing)
    if now.pending is None or not undo:
        return now
    from nginxws.nodes import transaction

    found = transaction.recover(session, link.options, _logs(now), on_step)
    again = take(session, link.options, _missing)
    # Not undone: it was no interrupted one, but still going on, and has ended meanwhile.
    return replace(again, recovered=_words(now.pending)) if found.undone else again


def _words(pending: Pending) -> str:
    """Whose change, and when it began: for people."""
    from nginxws.nodes.endings import when

    return f"a change by {pending.who or 'somebody'}, begun {when(pending.since)}"


def recover_node(link: NodeLink, *, accept: bool = False, on_step: OnStep | None = None) -> Recovered:
    """Undo what an interrupted transaction left, or with ``accept`` keep it; says what it was."""
    on_step = on_step or (lambda _step, _words: None)
    from nginxws.nodes import transaction
    from nginxws.nodes.snapshot import take

    session = link.session()
    logs = _logs(take(session, link.options, _missing))
    return transaction.recover(session, link.options, logs, on_step, accept=accept)


def _missing(now: Snapshot) -> list[str]:
    """The include patterns of a snapshot's files that it holds nothing for."""
    from nginxws.config.tree import RecordingReader, load

    reader = RecordingReader(now.texts())
    load(now.nginx.conf, reader)
    return sorted(reader.wanted)


def _logs(now: Snapshot) -> tuple[str, ...]:
    from nginxws.config.tree import MappingReader, load
    from nginxws.planner import error_logs

    return error_logs(now, load(now.nginx.conf, MappingReader(now.texts())))
