"""The conversation with the node script, with a made-up node that says anything."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from nginxws.errors import AuthenticationFailed, ConnectionFailed, NginxwsError, NodeError, ProtocolError
from nginxws.nodes.limits import FRAME, NOISE
from nginxws.nodes.session import Done, Frame, Session
from nginxws.nodes.sudo import Sudo, SudoMode
from nginxws.nodes.transport import ByteStream


class FakeProcess:
    """Says what it was told, a few bytes at a time; ``None`` in it is a pause."""

    def __init__(self, says: list[bytes | None], *, stderr: bytes = b"", deaf: bool = False) -> None:
        self.says = says
        self.heard = b""
        self.errors = stderr
        self.deaf = deaf
        self.killed = False
        self.status = 1

    def write(self, data: bytes) -> None:
        if self.deaf:
            raise ConnectionFailed("the program ended before it had read all its input")
        self.heard += data

    def close_stdin(self) -> None:
        self.heard += b"<eof>"

    def read(self, size: int, timeout: float) -> bytes:
        if not self.says:
            return b""
        data = self.says.pop(0)
        if data is None:
            raise TimeoutError
        return data

    def stderr(self) -> bytes:
        return self.errors

    def wait(self, timeout: float) -> int | None:
        return self.status

    def kill(self) -> None:
        self.killed = True


class FakeTransport:
    """Runs only ever one process."""

    name = "node"

    def __init__(self, process: FakeProcess) -> None:
        self.process = process
        self.argv: list[str] = []

    def run(self, argv: object) -> FakeProcess:
        assert isinstance(argv, list)
        self.argv = argv
        return self.process

    def dial(self, host: str, port: int, timeout: float) -> ByteStream:
        raise AssertionError("nobody dials")

    def close(self) -> None:
        """Nothing to close."""

    def __enter__(self) -> FakeTransport:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to close."""


def frame(kind: str, payload: bytes) -> bytes:
    return b"@%s %d\n%s\n" % (kind.encode(), len(payload), payload)


def session(
    *says: bytes | None, sudo: Sudo | None = None, stderr: bytes = b"", deaf: bool = False
) -> Session:
    """A session that asks for recovery, whose node says this; ``HELLO`` stands for the greeting."""
    process = FakeProcess([], stderr=stderr, deaf=deaf)
    made = Session(FakeTransport(process), sudo or Sudo(), text=b"script")
    hello = frame("hello", f"1 42 {made._nonce}".encode())
    process.says = [None if part is None else part.replace(b"HELLO", hello) for part in says]
    made.request("recover", [])
    return made


def test_frames_up_to_the_last() -> None:
    seen: list[Frame] = []
    talk = session(b"HELLO" + frame("step", b"lock") + frame("done", b"ok clean\nsome\ntext"))
    assert talk.frames(seen.append) == Done("ok", "clean", "some\ntext")
    assert seen == [Frame("step", b"lock")]


@given(st.lists(st.binary(max_size=40), max_size=5), st.integers(1, 20))
def test_any_payload_in_any_pieces(payloads: list[bytes], size: int) -> None:
    talk = session(b"HELLO")
    text = b"".join(frame("bytes", payload) for payload in payloads)
    process = talk._process
    assert isinstance(process, FakeProcess)
    process.says += [text[i : i + size] for i in range(0, len(text), size)]
    assert [talk.next_frame().payload for _ in payloads] == payloads


@given(st.binary(max_size=200).filter(lambda data: b"@done" not in data))
def test_nonsense_is_one_of_our_errors(data: bytes) -> None:
    talk = session(b"HELLO" + data)
    with pytest.raises(NginxwsError):
        talk.frames(lambda _frame: None, silence=0)


@pytest.mark.parametrize("noise", [b"motd\n\n", b"no line end", b"@hello 3\n1 2\n", b"@hello 9\nHELLO"[:9]])
def test_noise_before_the_greeting_is_skipped(noise: bytes) -> None:
    assert session(noise + b"HELLO" + frame("state", b"x")).next_frame().payload == b"x"


@pytest.mark.parametrize(
    ("says", "words"),
    [
        (b"HELLO@Step 1\nx\n", "unexpected answer"),
        (b"HELLO@step 01\nx\n", "unexpected answer"),
        (b"HELLO@step %d\n" % (FRAME + 1), "announces"),
        (b"HELLO" + b"x" * 100, "without end"),
        (b"HELLO@step 1\nxy\n", "longer than announced"),
        (b"noise\n" * NOISE, "doesn't stop"),
    ],
)
def test_protocol_errors(says: bytes, words: str) -> None:
    with pytest.raises(ProtocolError, match=words):
        session(says).next_frame()


@pytest.mark.parametrize(
    ("status", "message", "hint"),
    [
        (127, "can't run the script", "POSIX sh"),
        (126, "can't run the script", "POSIX sh"),
        (0, "the login shell ended", "`ssh NODE true </dev/null`"),
        (1, "the login shell ended", "`ssh NODE true </dev/null`"),
    ],
)
def test_the_end_before_the_greeting_is_explained(status: int, message: str, hint: str) -> None:
    talk = session(b"", stderr=b"sh: some words")
    process = talk._process
    assert isinstance(process, FakeProcess)
    process.status = status
    with pytest.raises(NodeError, match=message) as caught:
        talk.next_frame()
    assert caught.value.detail == "sh: some words"
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize("says", [b"", b"motd\n", b"@hello 20\n"])
def test_a_silent_start_ends_sooner_and_the_profile_is_suspected(says: bytes) -> None:
    talk = session(says, None) if says else session(None)
    with pytest.raises(ConnectionFailed, match="no answer for 15 s") as caught:
        talk.next_frame(180.0)
    assert "login profile" in (caught.value.hint or "")


def test_a_sudo_that_refuses_at_once_is_explained_though_nothing_could_be_written() -> None:
    talk = session(sudo=Sudo(SudoMode.PASSWORDLESS), stderr=b"sudo: a password is required", deaf=True)
    with pytest.raises(AuthenticationFailed, match="a password is required"):
        talk.next_frame()


def test_an_answer_that_came_before_the_request_was_read_counts() -> None:
    """A script that refuses early does not read what follows; its words are what matters."""
    talk = session(b"HELLO" + frame("done", b"refused stale\n/x"), deaf=True)
    talk.request("transaction", [], b"x" * 100)
    assert talk.frames(lambda _frame: None) == Done("refused", "stale", "/x")


def test_the_end_in_the_middle_is_a_lost_connection() -> None:
    with pytest.raises(ConnectionFailed, match="in the middle"):
        session(b"HELLO@step 4\nlo").next_frame()


def test_silence_ends_and_waiting_is_told_about() -> None:
    waited: list[str] = []
    talk = session(b"HELLO", None, None, frame("done", b"ok x\n"))
    talk.frames(lambda _frame: None, on_wait=lambda: waited.append("again"))
    assert waited == ["again", "again"]
    with pytest.raises(ConnectionFailed, match="no answer for 0 s"):
        session(b"HELLO", None).frames(lambda _frame: None, silence=0, on_wait=lambda: None)
    with pytest.raises(ConnectionFailed, match="no answer for 5 s"):
        session(b"HELLO", None).frames(lambda _frame: None, silence=5)


def test_requests_are_lines_and_values_stay_on_theirs() -> None:
    talk = session(b"HELLO")
    talk.request("recover", [("who", "a b"), ("empty", "")], b"tail")
    talk.send_word("rollback  because\nof this")
    process = talk._process
    assert isinstance(process, FakeProcess)
    assert process.heard.endswith(b"recover\nwho a b\nempty \ngo\ntailrollback because of this\n")
    for bad in ("a\nb", "a\0b"):
        with pytest.raises(NodeError, match="can't hold a line end"):
            talk.request("recover", [("who", bad)])
    talk.close()
    talk.abort()
    assert process.heard.endswith(b"<eof>")
    assert process.killed
