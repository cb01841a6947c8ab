"""From a node's frames to an application's snapshot, and what a node that talks nonsense gets."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import cast

import pytest

from nginxws.environment.plan import AppSnapshot, FileState
from nginxws.environment.wanted import WantedApp, WantedFile
from nginxws.errors import NodeError, ProtocolError, StaleError
from nginxws.nodes import limits
from nginxws.nodes.frames import Conversation, Done, Frame, Unexpected
from nginxws.nodes.limits import allowance
from nginxws.nodes.provision.options import AppOptions
from nginxws.nodes.provision.seen import Seen, see
from nginxws.nodes.session import Session

OK = Done("ok", "look", "")
ONE, TWO = "1" * 16, "2" * 16
NOW, OLD = b"now\n", b"old\n"


def file(path: str, *, in_source: bool = False) -> WantedFile:
    return WantedFile(path, None, b"x", "ws://x/", in_source, path)


WANTED = WantedApp(
    "chat", "h", 1, "s", "/srv", 3, None, None, 30, (file("/a"), file("/b"), file("c", in_source=True)), ()
)


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def frames(*more: Frame) -> list[Frame]:
    """A healthy node's answer; a further frame takes the place of one of its kind."""
    healthy = [
        Frame("state", b"/state/apps/chat\npid 3\nwho me"),
        Frame("app", f"yes\n{ONE}\n".encode()),
        Frame("releases", f"{TWO}\n{ONE}".encode()),
        Frame("reals", b"/real/a\n/b\n/forgotten"),
        Frame("files", f"4 4 {sha(OLD)} ours\n- - - absent\n4 - {sha(OLD)} edited".encode()),
        Frame("bytes", NOW + OLD + NOW),
        Frame("sums", "\n".join(map(sha, (NOW, OLD, NOW))).encode()),
        Frame("beat", b""),
    ]
    kinds = {frame.kind for frame in more}
    return [frame for frame in healthy if frame.kind not in kinds] + [
        one for one in more if one.payload != b"-"
    ]


class FakeSession:
    """Answers one request."""

    node = "app"

    def __init__(self, said: Sequence[Frame], done: Done) -> None:
        self.said, self.done = said, done
        self.asked: list[tuple[str, str]] = []

    def request(self, word: str, parameters: Iterable[tuple[str, str]]) -> None:
        assert word == "app-look"
        self.asked = list(parameters)

    def frames(self, on_frame: Callable[[Frame], None]) -> Done:
        for frame in self.said:
            on_frame(frame)
        return self.done


def seen(*more: Frame, done: Done = OK) -> Seen:
    session = FakeSession(frames(*more), done)
    found = see(cast(Session, session), WANTED, AppOptions.of(WANTED))
    assert [value for key, value in session.asked if key == "path"] == ["/a", "/b"]
    return found


def test_a_healthy_node() -> None:
    found = seen()
    assert found.snapshot == AppSnapshot(
        ONE,
        (TWO, ONE),
        files=(
            FileState("/a", NOW, OLD),
            FileState("/b", None),
            FileState("/forgotten", NOW, edited=f"/state/apps/chat/originals/{sha(OLD)}"),
        ),
    )
    assert found.recorded


def test_the_text_before_of_an_edited_file() -> None:
    told = f"4 4 {sha(OLD)} edited\n- - - absent\n4 - - plain"
    state = seen(Frame("files", told.encode())).snapshot.files[0]
    assert (state.original, state.before) == (None, OLD)


def test_the_files_of_the_release_as_well() -> None:
    session = FakeSession(frames(), OK)
    assert len(see(cast(Session, session), WANTED, AppOptions.of(WANTED), deployed=True).snapshot.files) == 3
    assert [value for key, value in session.asked if key == "path"] == ["/a", "/b", "c"]


def test_a_service_that_nothing_manages() -> None:
    assert seen(Frame("unmanaged", b"chat")).snapshot.unmanaged
    assert not seen().snapshot.unmanaged


def test_pending_and_foreign() -> None:
    found = seen(Frame("pending", b"tx 1"), Frame("app", b"no\n-\nlink ../x\ny"), Frame("releases", b""))
    assert found.snapshot.pending
    assert found.snapshot.foreign == "it is a link to ../x\ny, which is no release of ours"
    assert (found.snapshot.current, found.snapshot.releases, found.recorded) == (None, (), False)
    assert not found.snapshot.recorded


@pytest.mark.parametrize(
    "frame",
    [
        Frame("app", b"yes\n-"),
        Frame("app", b"-"),
        Frame("app", b"yes\n../../etc\n"),
        Frame("releases", b"../x"),
        Frame("reals", b"/a"),
        Frame("reals", b"/a\n/b\n/c\n/d"),
        Frame("files", b"x"),
        Frame("files", b"4 - - plain\n- - - absent"),
        Frame("files", f"4 - - nice\n- - - absent\n4 - {sha(OLD)} edited".encode()),
        Frame("files", f"- - - plain\n- - - absent\n4 - {sha(OLD)} edited".encode()),
        Frame("files", f"4 - {sha(OLD)} ours\n- - - absent\n4 - {sha(OLD)} edited".encode()),
        Frame("files", f"4 4 xyz ours\n- - - absent\n4 - {sha(OLD)} edited".encode()),
        Frame("files", f"{limits.EDITED + 1} - - plain\n- - - absent\n4 - - plain".encode()),
        Frame("files", "\n".join(["- - - absent"] * (limits.APP_FILES + 1)).encode()),
    ],
    ids=lambda frame: f"{frame.kind} {frame.payload[:30]!r}",
)
def test_nonsense(frame: Frame) -> None:
    with pytest.raises(ProtocolError, match="makes no sense"):
        seen(frame)


def test_too_many_files() -> None:
    names = "\n".join(f"/{number}" for number in range(limits.APP_FILES + 1))
    told = "\n".join(["- - - absent"] * (limits.APP_FILES + 1))
    with pytest.raises(ProtocolError):
        seen(Frame("reals", names.encode()), Frame("files", told.encode()))


@pytest.mark.parametrize(
    "frame",
    [
        Frame("bytes", b"-"),
        Frame("bytes", NOW + OLD),
        Frame("bytes", NOW + OLD + NOW + b"x"),
        Frame("bytes", NOW + NOW + NOW),
        Frame("sums", b"-"),
        Frame("sums", "\n".join(map(sha, (NOW, OLD, NOW, NOW))).encode()),
        Frame("sums", "\n".join(map(sha, (NOW, OLD, OLD))).encode()),
    ],
    ids=lambda frame: f"{frame.kind} {len(frame.payload)}",
)
def test_what_changes_meanwhile(frame: Frame) -> None:
    with pytest.raises(StaleError, match="changed while it was being read"):
        seen(frame)


def test_a_text_before_that_isnt_the_recorded_one_counts_as_changed() -> None:
    told = f"4 4 {sha(NOW)} ours\n- - - absent\n4 - {sha(OLD)} edited"
    with pytest.raises(StaleError):
        seen(Frame("files", told.encode()))


def test_a_refusal() -> None:
    with pytest.raises(NodeError, match="may not read /a"):
        seen(done=Done("refused", "unreadable", "/a"))


# --- the order of what a node may say ------------------------------------------------------------


def talk(*said: str, word: str = "commit") -> Conversation:
    """A change as far as these frames, "KIND PAYLOAD" each."""
    conversation = Conversation("app-change", {})
    for text in said:
        kind, _, payload = text.partition(" ")
        conversation.hear(Frame(kind, payload.encode()))
        if kind == "ready":
            conversation.say(word)
    return conversation


WHOLE = (
    "step lock", "step wait x", "step stage 1", "send", "step checkpoint", "step activate", "step restart x",
    "ready", "step commit",
)  # fmt: skip


def test_a_whole_change() -> None:
    talk(*WHOLE).end(Done("committed", "0" * 16, ""))
    talk(*(one for one in WHOLE if "restart" not in one)).end(Done("committed", "0" * 16, ""))
    talk(*WHOLE[:-1], "step restore", "step restart x", word="rollback").end(Done("restored", "probe", ""))


@pytest.mark.parametrize(
    "said",
    [
        ("send",),
        ("step stage", "step checkpoint", "send"),
        ("step stage", "send", "send"),
        ("step stage", "ready"),
        ("step activate", "step stage"),
        ("step commit",),
        ("step activate", "step restore", "ready"),
        ("bytes x",),
    ],
    ids=str,
)
def test_out_of_turn(said: tuple[str, ...]) -> None:
    with pytest.raises(Unexpected):
        talk(*said)


def test_endings_that_cant_be() -> None:
    for done in (Done("ok", "x", ""), Done("failed", "stage", ""), Done("restored", "restart", "")):
        with pytest.raises(Unexpected):
            talk("step lock", "step stage", "step checkpoint", "step activate").end(done)
    with pytest.raises(Unexpected):
        talk(*WHOLE[:-1], word="rollback").end(Done("committed", "0" * 16, ""))


def test_a_change_may_take_as_long_as_it_was_told() -> None:
    options = AppOptions("chat", lock_timeout=1, confirm_timeout=600, restart_timeout=10)
    given = dict(options.parameters())
    assert allowance("app-change", given).seconds == limits.WORK + 601 + limits.RESTARTS * 10
    assert allowance("app-look", given).seconds == limits.WORK
