"""What a transaction's frames mean, with a made-up session; real ones are in tests/contract."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable
from typing import cast

import pytest

from nginxws.errors import ExitCode, Interrupted, LockedError, NginxwsError, Restored
from nginxws.nodes import transaction
from nginxws.nodes.interrupts import Interrupts
from nginxws.nodes.options import NodeOptions
from nginxws.nodes.session import Done, Frame, Session
from nginxws.plan import FilePlan, NodePlan

Script = Callable[["FakeSession"], Iterable[Frame | Done]]


class FakeSession:
    """Plays a node: ``play`` yields its frames and sees what was said."""

    node = "lb"

    def __init__(self, play: Script) -> None:
        self.play = play
        self.said: list[str] = []
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.aborted = False

    def request(self, word: str, parameters: Iterable[tuple[str, str]], tail: bytes = b"") -> None:
        self.requests.append((word, dict(parameters), tail))

    def send_word(self, word: str) -> None:
        self.said.append(word)

    def abort(self) -> None:
        self.aborted = True

    def frames(
        self,
        on_frame: Callable[[Frame], None],
        *,
        silence: float = 60.0,
        on_wait: Callable[[], None] | None = None,
    ) -> Done:
        for part in self.play(self):
            if isinstance(part, Done):
                return part
            on_frame(part)
            if on_wait is not None:
                on_wait()
        raise AssertionError("no last frame")


FILE = FilePlan("/etc/nginx/x.conf", "/real/x.conf", b"before", b"after!", ())
PLAN = NodePlan("lb", (), (FILE,), base=(("/real/x.conf", "00"),), error_logs=("/log",))


def step(name: str, words: str = "") -> Frame:
    return Frame("step", f"{name} {words}".strip().encode())


def real(session: FakeSession) -> Session:
    """The fake has all that transaction.py uses of a Session."""
    return cast(Session, session)


def run(play: Script, decide: Callable[[], str | None] = lambda: None) -> tuple[FakeSession, object]:
    """The session afterwards, and the result or the error."""
    session = FakeSession(play)
    try:
        result: object = transaction.run(
            real(session), PLAN, NodeOptions(), "tx1", lambda _name, _words: None, decide
        )
    except NginxwsError as error:
        result = error
    return session, result


def committed(session: FakeSession) -> Iterable[Frame | Done]:
    yield step("test", "before activation, in a mount namespace")
    yield Frame("inplace", b"/etc/x (bind mount)")
    yield Frame("ready", b"7 serving")
    assert session.said == ["commit"]
    yield Done("committed", "3", "5 draining\n7 serving\n8 serving\ngenerations 1 90")


def test_commit() -> None:
    session, result = run(committed)
    assert result == transaction.Committed(
        3,
        "before activation, in a mount namespace",
        transaction.Workers(2, 1, 1, 90),
        ("/etc/x (bind mount)",),
    )
    ((word, parameters, tail),) = session.requests
    assert (word, tail) == ("transaction", b"after!")
    assert parameters["file"].split()[2:] == ["6", "/real/x.conf"]
    assert parameters["base"] == "00 /real/x.conf"
    assert parameters["log"] == "/log"


@pytest.mark.parametrize(
    ("text", "workers"),
    [
        ("", transaction.Workers()),
        ("7 serving", transaction.Workers(1)),
        ("7 serving\n8 draining\ngenerations 1 2", transaction.Workers(1, 1, 1, 2)),
        ("generations 1\ngenerations x y\nnonsense\n7 resting", transaction.Workers()),
    ],
)
def test_workers(text: str, workers: transaction.Workers) -> None:
    assert transaction.Workers.parse(text) == workers


def test_a_refusal_of_the_probe() -> None:
    def play(session: FakeSession) -> Iterable[Frame | Done]:
        yield Frame("ready", b"")
        assert session.said == ["rollback no answer"]
        yield Done("restored", "probe", "")

    _session, error = run(play, lambda: "no answer")
    assert isinstance(error, Restored)
    assert error.detail == "no answer"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_asks_for_the_way_back_and_waits_for_its_end(number: signal.Signals) -> None:
    def play(session: FakeSession) -> Iterable[Frame | Done]:
        yield step("stage")
        os.kill(os.getpid(), number)
        yield step("test")
        assert session.said == ["rollback interrupted"]
        yield Frame("ready", b"")
        yield Done("restored", "probe", "interrupted")

    session, error = run(play, lambda: pytest.fail("nothing to decide any more"))
    assert isinstance(error, Interrupted)
    assert error.code == ExitCode.INTERRUPTED
    assert session.said == ["rollback interrupted"]


def test_an_interrupt_during_the_probe() -> None:
    def play(session: FakeSession) -> Iterable[Frame | Done]:
        yield step("stage")
        yield Frame("ready", b"")
        assert session.said == ["rollback interrupted"]
        yield Done("restored", "probe", "interrupted")

    def probe() -> str | None:
        os.kill(os.getpid(), signal.SIGINT)
        return pytest.fail("goes on")

    assert isinstance(run(play, probe)[1], Interrupted)


def test_an_interrupt_while_waiting_for_the_lock_hangs_up() -> None:
    def play(_session: FakeSession) -> Iterable[Frame | Done]:
        yield step("lock")
        os.kill(os.getpid(), signal.SIGINT)
        yield step("wait", "pid 7")
        raise AssertionError("goes on")

    session, error = run(play)
    assert isinstance(error, Interrupted)
    assert "nothing was changed" in error.message
    assert session.aborted


def test_an_interrupt_after_the_word_does_not_take_it_back() -> None:
    def play(session: FakeSession) -> Iterable[Frame | Done]:
        yield step("stage")
        yield Frame("ready", b"")
        os.kill(os.getpid(), signal.SIGINT)
        yield step("commit")
        assert session.said == ["commit"]
        yield Done("committed", "1", "")

    assert isinstance(run(play)[1], transaction.Committed)


@pytest.mark.parametrize(
    ("done", "found"),
    [
        (Done("ok", "clean", ""), transaction.Recovered(False, "", "tx0", 4)),
        (Done("ok", "clean", "not running\n"), transaction.Recovered(False, "not running", "tx0", 4)),
        (Done("restored", "recovery", "tx9\n"), transaction.Recovered(True, "tx9", "tx0", 4)),
        (Done("accepted", "recovery", "emerg"), transaction.Recovered(False, "emerg", "tx0", 4, True)),
    ],
)
def test_recover(done: Done, found: transaction.Recovered) -> None:
    session = FakeSession(lambda _session: [step("lock"), Frame("last", b"4 tx0"), done])
    result = transaction.recover(real(session), NodeOptions(), ["/log"], lambda *_: None, accept=True)
    assert result == found
    assert session.requests[0][1]["accept"] == "yes"


def test_unlock() -> None:
    session = FakeSession(lambda _session: [Done("ok", "freed", "pid 7\nwho me")])
    assert transaction.unlock(real(session), NodeOptions(), force=True) == "me (process 7 on the node)"
    assert session.requests[0][1]["force"] == "yes"
    left = FakeSession(lambda _session: [Frame("pending", b"tx 1"), Done("ok", "freed", "pid 7\nwho me")])
    assert "`nginxws recover` undoes it" in transaction.unlock(real(left), NodeOptions(), force=False)
    locked = FakeSession(lambda _session: [Done("refused", "locked", "pid 7\nwho me")])
    with pytest.raises(LockedError):
        transaction.unlock(real(locked), NodeOptions(), force=False)


def test_ids_differ() -> None:
    assert len({transaction.new_id() for _ in range(10)}) == 10


def test_a_thread_hears_of_a_signal_after_its_proof() -> None:
    """Nothing breaks the proof off there: what it says doesn't count any more."""
    interrupts = Interrupts()

    def decide() -> None:
        interrupts.asked = True

    def play(session: FakeSession) -> Iterable[Frame | Done]:
        yield step("stage")
        yield Frame("ready", b"")
        assert session.said == ["rollback interrupted"]
        yield Done("restored", "signal", "")

    session = FakeSession(play)
    with pytest.raises(Interrupted):
        transaction.run(
            real(session), PLAN, NodeOptions(), "tx1", lambda *_: None, decide, interrupts.listener()
        )
    assert session.said == ["rollback interrupted"]
