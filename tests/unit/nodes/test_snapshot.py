"""From a node's frames to a snapshot, and what a node that talks nonsense gets."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import cast

import pytest

from nginxws.errors import NginxwsError, NodeError, ProtocolError, StaleError
from nginxws.nodes import snapshot
from nginxws.nodes.options import NodeOptions
from nginxws.nodes.session import Done, Frame, Session
from nginxws.snapshot import Pending, Snapshot

OK = Done("ok", "snapshot", "")
TEXTS = {"/etc/nginx.conf": b"events {}\n", "/etc/b": b"\xff\x00"}


def files(texts: dict[str, bytes]) -> list[Frame]:
    sums = "\n".join(hashlib.sha256(data).hexdigest() for data in texts.values())
    return [
        Frame("paths", "\n".join(texts).encode()),
        Frame("reals", "\n".join(f"/real{path}" for path in texts).encode()),
        Frame("stats", "\n".join(f"{len(data)} 644 0 12 1" for data in texts.values()).encode()),
        Frame("access", "\n".join("w" for _ in texts).encode()),
        Frame("bytes", b"".join(texts.values())),
        Frame("sums", sums.encode()),
    ]


def frames(*more: Frame) -> list[Frame]:
    """A healthy node's answer; a further frame takes the place of one of its kind."""
    healthy = [
        Frame("nginx", b"/nginx\n/etc/n.conf\n/etc/n.conf\n\n/run/pid\n/etc/n.conf\nnginx/1\nbuilt"),
        Frame("processes", b"7\n8 serving\n9 draining"),
        Frame("host", b"0 root\nflock\nunshare"),
        Frame("sockets", b"0.0.0.0:80\n"),
        Frame("state", b"/var/lib/x\npid 3\nwho me"),
        *files(TEXTS),
    ]  # fmt: skip
    kinds = {frame.kind for frame in more}
    return [frame for frame in healthy if frame.kind not in kinds] + [
        one for one in more if one.payload != b"-"
    ]


class FakeSession:
    """Answers request after request."""

    node = "lb"

    def __init__(self, *answers: tuple[Sequence[Frame], Done]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, dict[str, str]]] = []

    def request(self, word: str, parameters: Iterable[tuple[str, str]], *, continues: bool = False) -> None:
        assert continues == (word == "read")
        self.asked.append((word, dict(parameters)))

    def frames(self, on_frame: Callable[[Frame], None]) -> Done:
        said, done = self.answers.pop(0)
        for frame in said:
            on_frame(frame)
        return done


def take(*answers: tuple[Sequence[Frame], Done], missing: Sequence[str] = ()) -> tuple[Snapshot, FakeSession]:
    session = FakeSession(*answers)
    return snapshot.take(cast(Session, session), NodeOptions(), lambda _now: missing), session


def test_a_healthy_node() -> None:
    now, _session = take((frames(), OK))
    assert now.texts() == TEXTS
    assert [file.real for file in now.files] == ["/real/etc/nginx.conf", "/real/etc/b"]
    assert (now.master, dict(now.workers), now.draining) == (7, {8: False, 9: True}, 1)
    assert (now.user, set(now.tools), now.sockets) == ("root", {"flock", "unshare"}, ("0.0.0.0:80",))
    assert (now.state_dir, now.holder) == ("/var/lib/x", "pid 3\nwho me")
    assert now.nginx.dash_v == "nginx/1\nbuilt"
    assert now.pending is None


def test_something_pending() -> None:
    now, _session = take((frames(Frame("pending", b"tx ab\nwho me and you\nsince 5\nmessage")), OK))
    assert now.pending == Pending("ab", "me and you", 5)


def test_a_failing_test_makes_it_follow_includes() -> None:
    more = files({"/etc/c": b"c", "/etc/b": b"twice"})
    now, session = take((frames(Frame("untested", b"emerg")), OK), (more, OK), missing=["/etc/*"])
    assert now.test_failure == "emerg"
    assert now.texts() == TEXTS | {"/etc/c": b"c"}
    assert session.asked[1] == ("read", {"pattern": "/etc/*"})


@pytest.mark.parametrize(
    ("frame", "kind", "words"),
    [
        (Frame("nginx", b"too\nshort"), ProtocolError, "no nginx frame"),
        (Frame("processes", b"-"), ProtocolError, "no processes frame"),
        (Frame("paths", b"relative\n/etc/b"), ProtocolError, "metadata"),
        (Frame("paths", b"\n".join(b"/%d" % n for n in range(20_001))), ProtocolError, "20001 files"),
        (Frame("stats", b"x 644 0 0 1\n2 644 0 0 1"), ProtocolError, "metadata"),
        (Frame("stats", b"10 644 0 0 1"), StaleError, "while it was being read"),
        (Frame("bytes", b"events {}\n\xff"), StaleError, "while it was being read"),
        (Frame("bytes", b"events {}\n\xff\x00\x00"), StaleError, "while it was being read"),
        (Frame("sums", b"0\n0"), StaleError, "while it was being read"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_nonsense(frame: Frame, kind: type[NginxwsError], words: str) -> None:
    with pytest.raises(kind, match=words):
        take((frames(frame), OK))


def test_a_frame_said_twice() -> None:
    with pytest.raises(ProtocolError, match="two sums"):
        take(([*frames(), Frame("sums", b"")], OK))


@pytest.mark.parametrize(
    "code", ["no-nginx", "no-conf", "denied", "not-running", "no-master", "no-state", "no-space"]
)
def test_refusals_have_hints(code: str) -> None:
    with pytest.raises(NodeError, match="the words") as caught:
        take(([], Done("refused", code, "the words")))
    assert caught.value.hint
