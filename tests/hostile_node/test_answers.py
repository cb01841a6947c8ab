"""A node's answers, made wrong in every way: the client ends soon, with an error of ours, believing nothing.

Below the session, with a clock that only the node moves: what would take minutes takes none.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from support.evil import (
    COMMITTED,
    LIVE,
    MAIN,
    RECOVERED,
    RESTORED,
    Clock,
    EvilProcess,
    EvilTransport,
    Piece,
    Said,
    files,
    frame,
    hello,
    snapshot,
    told,
)

from nginxws.errors import (
    ConnectionFailed,
    ExitCode,
    NginxwsError,
    NodeError,
    ProtocolError,
    Restored,
    StaleError,
)
from nginxws.nodes import framing, limits, session, transaction
from nginxws.nodes.options import NodeOptions
from nginxws.nodes.session import Session
from nginxws.nodes.snapshot import take
from nginxws.nodes.sudo import Sudo, SudoMode
from nginxws.plan import FilePlan, NodePlan

OPTIONS = NodeOptions(lock_timeout=5, reload_timeout=5, confirm_timeout=5)
PLAN = NodePlan("evil", (), (FilePlan("/etc/n.conf", "/etc/n.conf", MAIN, MAIN + b"#\n", ()),))
LONGEST = limits.allowance("transaction", dict(OPTIONS.parameters())).seconds

Drive = Callable[[Session], Any]


def drive_snapshot(talk: Session) -> Any:
    return take(talk, OPTIONS, lambda _now: ())


def drive_commit(talk: Session) -> Any:
    return transaction.run(talk, PLAN, OPTIONS, "ab", lambda *_: None, lambda: None)


def drive_refuse(talk: Session) -> Any:
    return transaction.run(talk, PLAN, OPTIONS, "ab", lambda *_: None, lambda: "no")


def drive_recover(talk: Session) -> Any:
    return transaction.recover(talk, OPTIONS, (), lambda *_: None)


def drive_unlock(talk: Session) -> Any:
    return transaction.unlock(talk, OPTIONS, force=False)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    for module in (framing, session):
        monkeypatch.setattr(module, "time", made.module())
    return made


def ends(drive: Drive, answer: Callable[[str], Any], clock: Clock) -> tuple[Any, EvilProcess]:
    """What came of it, result or error of ours; in bounded time, having taken bounded bytes."""
    process = EvilProcess(answer, clock)
    begin = clock.now
    outcome: Any
    try:
        outcome = drive(Session(EvilTransport(process), Sudo(), text=b"script"))
    except NginxwsError as error:
        outcome = error
    assert clock.now - begin <= LONGEST + limits.SILENCE + 1
    assert process.given <= limits.REQUEST + limits.FRAME
    return outcome, process


# --- every honest answer, spoiled at every place ------------------------------------------------

HONEST: dict[str, tuple[Drive, list[Said]]] = {
    "snapshot": (drive_snapshot, snapshot()),
    "committed": (drive_commit, COMMITTED),
    "restored": (drive_refuse, RESTORED),
    "recovered": (drive_recover, RECOVERED),
}
FOREIGN: list[Said] = [
    ("ready", b""),
    ("bytes", b"x"),
    ("pending", b"tx 1"),
    ("last", b"1 x"),
    ("inplace", b"/x (y)"),
    ("hello", b"1 42 x"),
    ("step", b"commit"),
    ("step", b"lock"),
    ("step", b"activate 1"),
    ("beat", b"words"),
    ("evil", b""),
    ("done", b"committed 1\n"),
    ("done", b"ok"),
    ("done", b""),
    ("done", b"Ok what\xff\n"),
]
#: What an order can't tell: words of progress that are missing, or say something else.
HARMLESS = ("step", "beat", "untested", "pending", "last")


def spoiled(said: list[Said]) -> Iterator[tuple[str, list[Said]]]:
    for at, (kind, payload) in enumerate(said):
        before, after = said[:at], said[at + 1 :]
        if kind not in HARMLESS:
            yield f"no {kind}", [*before, *after]
        if kind not in ("step", "beat"):
            yield f"{kind} twice", [*before, (kind, payload), (kind, payload), *after]
        yield f"ends at {kind}", before
        for foreign in FOREIGN:
            if foreign not in said and foreign[0] != "pending":
                yield f"{foreign} at {at}", [*before, foreign, said[at], *after]
    kinds = [kind for kind, _ in said]
    for a, b in itertools.combinations(range(len(said)), 2):
        if kinds[a] != kinds[b]:
            swapped = list(said)
            swapped[a], swapped[b] = said[b], said[a]
            yield f"{kinds[a]} and {kinds[b]} swapped", swapped


def as_before(outcome: Any) -> bool:
    """Success, or what an honest node's way back ends with."""
    return not isinstance(outcome, NginxwsError) or type(outcome) is Restored


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_answer_is_believed(clock: Clock, name: str) -> None:
    drive, said = HONEST[name]
    outcome, process = ends(drive, told(said), clock)
    assert as_before(outcome), outcome
    assert not process.killed


@pytest.mark.parametrize("name", HONEST)
def test_a_spoiled_answer_is_not(clock: Clock, name: str) -> None:
    drive, said = HONEST[name]
    believed = []
    count = 0
    for what, wrong in spoiled(said):
        count += 1
        outcome, _process = ends(drive, told(wrong), clock)
        if as_before(outcome) and not harmless(what, said, wrong):
            believed.append((what, outcome))
        elif isinstance(outcome, NginxwsError):
            assert outcome.code in (
                ExitCode.ERROR,
                ExitCode.CONNECTION,
                ExitCode.LOCKED_OR_STALE,
                ExitCode.RESTORED,
            )
    assert believed == []
    assert count > 60


def harmless(what: str, said: list[Said], wrong: list[Said]) -> bool:
    """Extra words of progress, or frames behind the last one, which the next request refuses."""
    ended = next((at for at, (kind, _) in enumerate(wrong) if kind == "done"), None)
    if ended is None or wrong[ended][1].split(b" ")[0] != said[-1][1].split(b" ")[0]:
        return False
    kept = [one for one in wrong[:ended] if one[0] not in ("step", "inplace", "last")]
    return kept == [one for one in said[:-1] if one[0] not in ("step", "inplace", "last")]


# --- the transaction's own lies -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("drive", "said", "words"),
    [
        (drive_commit, [("ready", b"")], "out of turn"),
        (drive_commit, [*LIVE, ("ready", b""), ("ready", b"")], "two ready frames"),
        (drive_commit, [*LIVE, ("done", b"committed 3\n")], "nobody said so"),
        (drive_commit, [("done", b"committed 3\n")], "nobody said so"),
        (drive_refuse, [*LIVE, ("ready", b""), ("step", b"commit")], "nobody said so"),
        (drive_refuse, [*LIVE, ("ready", b""), ("done", b"committed 3\n")], "nobody said so"),
        (drive_commit, [*LIVE, ("ready", b""), ("done", b"committed 3\n")], "without the step"),
        (drive_commit, [*LIVE, ("done", b"failed test\nx")], "after it had changed files"),
        (drive_commit, [*LIVE, ("done", b"restored test\nx")], "without restoring"),
        (drive_commit, [("done", b"ok snapshot\n")], "a transaction that ends 'ok'"),
        (drive_recover, [("done", b"accepted recovery\n")], "nobody asked"),
        (drive_recover, [("done", b"committed 1\n")], "a recover that ends"),
        (drive_unlock, [("step", b"lock"), ("done", b"freed now\n")], "ends 'freed'"),
        *[
            (drive_commit, [*COMMITTED[:-1], ("done", b"committed %s\n" % number)], "revision|begins with")
            for number in (b"0", b"01", b"-1", b"x", b"", b"1 2", b"9" * 5000, "²".encode(), "٣".encode())
        ],
    ],
)
def test_lies_about_a_transaction(clock: Clock, drive: Drive, said: list[Said], words: str) -> None:
    outcome, process = ends(drive, told(said), clock)
    assert type(outcome) is ProtocolError
    assert re.search(words, outcome.message), outcome.message
    assert outcome.hint
    assert process.killed, "the script must see its input end, and restore"


@pytest.mark.parametrize("number", [b"9" * 5000, "²".encode(), b"-1", b"1e9", b""])
def test_numbers_that_are_none_do_no_harm(clock: Clock, number: bytes) -> None:
    outcome, _ = ends(drive_recover, told([("last", number + b" x"), ("done", b"ok clean\n")]), clock)
    assert outcome.last_revision == 0
    for code in (b"draining", b"locked"):
        text = b"%s %s %s\nsince %s" % (number, number, number, number)
        said = [("step", b"lock"), ("done", b"refused %s\n%s" % (code, text))]
        outcome, _ = ends(drive_commit, told(said), clock)
        assert isinstance(outcome, NginxwsError)
    pending = ("pending", b"tx a\nwho b\nsince " + number)
    said = snapshot()
    outcome, _ = ends(drive_snapshot, told([*said[:5], pending, *said[5:]]), clock)
    assert outcome.pending.since == 0


# --- files --------------------------------------------------------------------------------------

TWO = {"/etc/n.conf": MAIN, "/etc/x": b"x;"}


def replaced(kind: str, payload: bytes, texts: dict[str, bytes] = TWO) -> list[Said]:
    return [(one, payload if one == kind else data) for one, data in snapshot(texts)]


@pytest.mark.parametrize(
    ("said", "error", "words"),
    [
        (replaced("paths", b"etc/n.conf\n/etc/x"), ProtocolError, "metadata of"),
        (replaced("paths", b"/etc/x\n/etc/x"), ProtocolError, "named twice"),
        (replaced("paths", b"/etc/n\0conf\n/etc/x"), ProtocolError, "metadata of"),
        (replaced("paths", b"/" + b"x" * 5000 + b"\n/etc/x"), ProtocolError, "metadata of"),
        (replaced("reals", b"../../passwd\n/etc/x"), ProtocolError, "metadata of"),
        (replaced("reals", b"/etc/../root/x\n/etc/x"), ProtocolError, "metadata of"),
        (replaced("stats", b"%d 644 0 0 1\n-2 644 0 0 1" % len(MAIN)), ProtocolError, "metadata of"),
        (replaced("stats", b"%d 644 0 0 1\n02 644 0 0 1" % len(MAIN)), ProtocolError, "metadata of"),
        (
            replaced("stats", b"1 644 0 0 1\n%s 644 0 0 1" % (b"9" * 5000)),
            ProtocolError,
            "metadata",
        ),
        (replaced("stats", "1 644 0 0 1\n² 644 0 0 1".encode()), ProtocolError, "metadata of"),
        (replaced("stats", b"1 999 0 0 1\n1 644 0 0 1"), ProtocolError, "metadata of"),
        (replaced("stats", b"1 644 0 0\n1 644 0 0 1"), ProtocolError, "metadata of"),
        (replaced("stats", b"1 644 0 0 1\n1 644 0 0 1"), StaleError, "while it was being read"),
        (replaced("stats", b"999999999999 644 0 0 1\n1 644 0 0 1"), StaleError, "while it was being read"),
        (replaced("bytes", MAIN), StaleError, "while it was being read"),
        (replaced("bytes", MAIN + b"y;"), StaleError, "while it was being read"),
        (replaced("sums", b"0" * 64 + b"\n" + b"1" * 64), StaleError, "while it was being read"),
        (replaced("sums", b""), StaleError, "while it was being read"),
        (replaced("access", b"w"), StaleError, "while it was being read"),
        (
            replaced("paths", b"/x\n" * limits.FILES + b"/y"),
            ProtocolError,
            "20001 files",
        ),
        (replaced("processes", b"7\n" + b"1 serving\n" * 100_000), ProtocolError, "lines of processes"),
        (replaced("sockets", b"x\n" * 100_000), ProtocolError, "lines of sockets"),
        (replaced("nginx", b"too\nfew"), ProtocolError, "no nginx frame"),
        ([("done", b"refused too-large\n99999999999")], NodeError, "99999999999 bytes, more than 64 MiB"),
        ([("done", b"refused too-many\n200000")], NodeError, "200000 files, more than 20000"),
        ([("done", b"refused stuck\n/nginx -T")], NodeError, "does not come to an end"),
        ([("done", b"refused \x1b[2J\n")], ProtocolError, "begins with"),
        ([("done", b"failed test\n")], ProtocolError, "ends 'failed'"),
    ],
)
def test_lies_about_files(clock: Clock, said: list[Said], error: type[NginxwsError], words: str) -> None:
    outcome, _ = ends(drive_snapshot, told(said), clock)
    assert type(outcome) is error
    assert words in outcome.message


def test_files_found_by_pattern_without_end(clock: Clock) -> None:
    """Each file that comes asks for another one, as an include bomb does."""

    def answer(nonce: str) -> Iterator[Piece]:
        yield hello(nonce)
        yield b"".join(frame(*one) for one in snapshot(more=[("untested", b"[emerg] x")]))
        for n in itertools.count():
            yield b"".join(frame(*one) for one in [*files({f"/{n}": b"x;"}), ("done", b"ok read\n")])

    def drive(talk: Session) -> Any:
        return take(talk, OPTIONS, lambda now: [f"/{len(now.files)}"])

    outcome, _ = ends(drive, answer, clock)
    assert type(outcome) is NodeError
    assert "asks for more than 1000 further names" in outcome.message


def test_files_found_by_pattern_that_each_take_long(clock: Clock) -> None:
    """No single answer takes too long, only all of them together."""

    def answer(nonce: str) -> Iterator[Piece]:
        yield from told(snapshot(more=[("untested", b"[emerg] x")]))(nonce)
        for n in itertools.count():
            yield limits.SILENCE / 2
            yield b"".join(frame(*one) for one in [*files({f"/{n}": b"x;"}), ("done", b"ok read\n")])

    outcome, _ = ends(lambda talk: take(talk, OPTIONS, lambda now: [f"/{len(now.files)}"]), answer, clock)
    assert type(outcome) is ConnectionFailed
    assert clock.now <= limits.WORK


def test_configuration_in_many_large_parts(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CONFIGURATION", 1000)
    monkeypatch.setattr(limits, "FILES", 30)
    for size, words in ((100, "is larger than"), (1, "consists of more than 30 files")):

        def answer(nonce: str, size: int = size) -> Iterator[Piece]:
            yield from told(snapshot(more=[("untested", b"[emerg] x")]))(nonce)
            for n in itertools.count():
                yield b"".join(
                    frame(*one) for one in [*files({f"/{n}": b"x" * size}), ("done", b"ok read\n")]
                )

        outcome, _ = ends(lambda talk: take(talk, OPTIONS, lambda now: [f"/{len(now.files)}"]), answer, clock)
        assert type(outcome) is NodeError
        assert words in outcome.message


# --- without end --------------------------------------------------------------------------------


def forever(*pieces: Piece, greeting: bool = True, first: bytes = b"") -> Callable[[str], Iterator[Piece]]:
    def answer(nonce: str) -> Iterator[Piece]:
        if greeting:
            yield hello(nonce) + first
        yield from itertools.cycle(pieces)

    return answer


def after(said: Sequence[Said], *pieces: Piece) -> Callable[[str], Iterator[Piece]]:
    def answer(nonce: str) -> Iterator[Piece]:
        yield from told(said)(nonce)
        yield from itertools.cycle(pieces)

    return answer


ENDLESS: dict[str, tuple[Callable[[str], Iterator[Piece]], type[NginxwsError], str]] = {
    "output before the greeting": (
        forever(b"y\n" * 1000, greeting=False),
        ProtocolError,
        "doesn't stop printing",
    ),
    "a line before the greeting": (forever(b"y" * 1000, greeting=False), ProtocolError, "without end"),
    "slow output before the greeting": (
        forever(b"y", 14.0, greeting=False),
        ConnectionFailed,
        "no end after 60 s",
    ),
    "silence before the greeting": (forever(9e9, greeting=False), ConnectionFailed, "no answer for 15 s"),
    "silence": (forever(9e9), ConnectionFailed, "no answer for"),
    "a header": (forever(b"@"), ProtocolError, "without end"),
    "beats": (forever(frame("beat", b"") * 1000), ProtocolError, "frames in one answer"),
    "slow beats": (forever(frame("beat", b""), 1.0), ConnectionFailed, "no end after"),
    "waits": (forever(frame("step", b"wait x"), 1.0), ConnectionFailed, "no end after"),
    "steps": (forever(frame("step", b"new") * 1000), ProtocolError, "frames in one answer"),
    "large steps": (forever(frame("step", b"n" * 100_000)), ProtocolError, "out of turn"),
    "a frame": (
        after([], b"@last 8000000\n", *[b"x" * 100_000] * 100),
        ProtocolError,
        "longer than announced",
    ),
    "one byte every few seconds": (
        forever(b"x", 5.0, first=b"@last 1000\n"),
        ConnectionFailed,
        "no end after",
    ),
    "one byte in each slice": (
        forever(b"x", 59.0, first=b"@last 1000\n"),
        ConnectionFailed,
        "no end after",
    ),
}


@pytest.mark.parametrize("name", ENDLESS)
@pytest.mark.parametrize("drive", [drive_commit, drive_recover])
def test_what_never_ends_is_ended(clock: Clock, name: str, drive: Drive) -> None:
    answer, error, words = ENDLESS[name]
    outcome, process = ends(drive, answer, clock)
    assert type(outcome) is error, outcome
    assert words in outcome.message
    assert process.given < 9_000_000


@pytest.mark.parametrize(
    "size", [b"99999999999", b"9999999999", b"-1", b"01", b"+1", b"1_0", b"0x10", b" 1", b"1 "]
)
@pytest.mark.parametrize("kind", [b"bytes", b"step", b"done"])
def test_wrong_lengths(clock: Clock, size: bytes, kind: bytes) -> None:
    outcome, process = ends(drive_snapshot, after([], b"@%s %s\n" % (kind, size), b"x" * 1000), clock)
    assert type(outcome) is ProtocolError
    assert process.given < 10_000


@pytest.mark.parametrize("size", [limits.FRAME + 1, limits.CONFIGURATION])
def test_only_the_configuration_may_be_large(clock: Clock, size: int) -> None:
    outcome, _ = ends(drive_snapshot, after([], b"@nginx %d\n" % size, b"x"), clock)
    assert "more than the 8388608 allowed" in outcome.message
    outcome, _ = ends(drive_snapshot, after([], b"@bytes %d\n" % (limits.CONFIGURATION + 1), b"x"), clock)
    assert "more than the 67108864 allowed" in outcome.message


def test_all_frames_together(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "allowance", lambda *_: limits.Allowance(60.0, size=10_000))
    outcome, _ = ends(drive_recover, forever(frame("step", b"x" * 400)), clock)
    assert type(outcome) is ProtocolError
    assert "more than 10000 bytes in one answer" in outcome.message


def test_words_are_cut(clock: Clock) -> None:
    text = b"x" * 1_000_000
    outcome, _ = ends(drive_commit, told([("step", b"lock"), ("done", b"failed test\n" + text)]), clock)
    assert type(outcome) is NodeError
    assert len(outcome.detail or "") < 70_000
    assert "characters more" in (outcome.detail or "")
    outcome, _ = ends(drive_snapshot, told(snapshot(more=[("untested", text)])), clock)
    assert len(outcome.test_failure) < 70_000


def test_an_answer_before_the_question(clock: Clock) -> None:
    """What the node has said of the next request before it came is no answer to it."""

    def answer(nonce: str) -> Iterator[Piece]:
        yield hello(nonce) + b"".join(frame(*one) for one in [*snapshot(), *COMMITTED])

    def drive(talk: Session) -> Any:
        drive_snapshot(talk)
        return drive_commit(talk)

    outcome, process = ends(drive, answer, clock)
    assert type(outcome) is ProtocolError
    assert "without being asked" in outcome.message
    assert process.killed


def test_a_password_isnt_taken_for_ever(clock: Clock) -> None:
    process = EvilProcess(lambda _nonce: itertools.cycle([b"x", 0.05]), clock)
    process._pieces = itertools.cycle([b"x", 0.05])
    with pytest.raises(ConnectionFailed, match="no answer for 60 s"):
        Session(EvilTransport(process), Sudo(SudoMode.PASSWORD, "secret"), text=b"script")
    assert clock.now < 70
