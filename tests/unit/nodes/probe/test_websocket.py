"""Messages, echo and idleness on a scripted WebSocket."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from nginxws.errors import ConnectionFailed
from nginxws.nodes.probe.handshake import ProbeRequest, open_websocket
from nginxws.nodes.probe.websocket import Received, WebSocketConnection, echo, idle

if TYPE_CHECKING:
    from unit.nodes.probe.conftest import Item, Scripted

TEXT, BINARY, CLOSE, PING, PONG = 0x81, 0x82, 0x88, 0x89, 0x8A

Upgrade = Callable[[bytes], bytes]
Open = Callable[..., tuple[WebSocketConnection, "Scripted"]]


def frame(kind: int, data: bytes = b"") -> bytes:
    return bytes([kind, len(data)]) + data


def frames_sent(stream: Scripted) -> list[tuple[int, bytes]]:
    """What the client sent after its request, unmasked."""
    data = stream.sent.partition(b"\r\n\r\n")[2]
    found = []
    while data:
        size = data[1] & 0x7F
        mask, body = data[2:6], data[6 : 6 + size]
        found.append((data[0], bytes(byte ^ mask[at % 4] for at, byte in enumerate(body))))
        data = data[6 + size :]
    return found


@pytest.fixture
def opened(scripted: type[Scripted], upgraded: Upgrade) -> Open:
    def make(*items: Item) -> tuple[WebSocketConnection, Scripted]:
        stream = scripted([upgraded, *items])
        _, connection = open_websocket(stream, ProbeRequest(path="/", host="a.example"))
        assert connection is not None
        return connection, stream

    return make


def test_messages_in_pieces_and_fragments(opened: Open) -> None:
    whole = frame(0x01, b"gr") + frame(0x80, "üße".encode()) + frame(BINARY, b"\x00\xff")
    connection, _ = opened(*(bytes([byte]) for byte in whole))
    assert connection.receive(1) == Received("text", "grüße".encode())
    assert connection.receive(1) == Received("binary", b"\x00\xff")
    assert connection.receive(1).code == 1006
    assert connection.receive(1).kind == "closed"


def test_a_close_with_its_reason_is_answered(opened: Open) -> None:
    connection, stream = opened(
        frame(TEXT, b"bye") + frame(CLOSE, (4001).to_bytes(2, "big") + b"go\x1b away")
    )
    assert connection.receive(1).data == b"bye"
    end = connection.receive(1)
    assert (end.code, end.reason, end.show()) == (4001, "go\x1b away", "(closed: 4001 go\ufffd away)")
    assert frames_sent(stream)[0][0] == CLOSE
    with pytest.raises(OSError, match="closed"):
        connection.send_text("x")
    connection.close()
    connection.close()
    assert stream.closed == 1


def test_pings_are_answered_and_counted(opened: Open) -> None:
    connection, stream = opened(frame(PING, b"a"), frame(TEXT, b"hi"))
    assert connection.receive(1).data == b"hi"
    assert connection.pings == 1
    assert frames_sent(stream) == [(PONG, b"a")]


@pytest.mark.parametrize(
    "bad", [b"\xf1\x00", frame(TEXT, b"\xff"), b"\x81\xff", frame(0x80, b"x"), b"\x81\x7f" + b"\x7f" * 8]
)
def test_a_broken_frame_is_an_end(opened: Open, bad: bytes) -> None:
    connection, stream = opened(bad)
    for _ in range(3):
        got = connection.receive(1)
        if got.kind == "closed":
            break
    assert got.kind == "closed"
    connection.close()
    assert stream.closed == 1


@pytest.mark.parametrize("error", [ConnectionResetError(), ConnectionFailed("cut")])
def test_a_reset_is_an_end(opened: Open, error: Exception) -> None:
    connection, _ = opened(error)
    assert connection.receive(1) == Received("closed", b"", 1006, "")


def test_silence_is_a_timeout(opened: Open) -> None:
    connection, _ = opened(TimeoutError())
    with pytest.raises(TimeoutError):
        connection.receive(0.01)
    with pytest.raises(TimeoutError):
        connection.receive(0.0)


def test_closing_reads_what_is_still_unread(opened: Open) -> None:
    connection, stream = opened(
        frame(TEXT, b"a") * 5, frame(CLOSE, (1000).to_bytes(2, "big")), AssertionError("read on")
    )
    connection.close()
    assert frames_sent(stream) == [(CLOSE, (1000).to_bytes(2, "big"))]
    assert stream.closed == 1


def test_closing_never_fails(opened: Open) -> None:
    for error in (BrokenPipeError(), ConnectionFailed("cut"), TimeoutError()):
        connection, stream = opened()
        stream.send_error = error
        connection.close()
        assert stream.closed == 1


def test_ping(opened: Open) -> None:
    assert opened(frame(PONG, b"other"), frame(TEXT, b"x"), frame(PONG, b"nginxws"))[0].ping(1)
    assert not opened(frame(PONG, b"other"), TimeoutError())[0].ping(1)
    connection, _ = opened(frame(CLOSE, (1000).to_bytes(2, "big")))
    assert not connection.ping(1)
    assert not connection.ping(1)


def test_echo_of_the_very_text(opened: Open) -> None:
    connection, stream = opened(frame(TEXT, b"hello"), AssertionError("waited on"))
    said = echo(connection, "hello", 1)
    assert (said.ok, said.same, said.received) == (True, True, ("hello",))
    assert said.message.startswith("the message came back in ")
    assert frames_sent(stream) == [(TEXT, b"hello")]


def test_echo_after_a_greeting(opened: Open) -> None:
    said = echo(opened(frame(TEXT, b"hi") + frame(TEXT, b"x"))[0], "x", 1)
    assert (said.same, said.received) == (True, ("hi", "x"))


def test_another_message_than_the_text(opened: Open) -> None:
    said = echo(opened(frame(BINARY, b"x"), frame(TEXT, b"\x1b[2J"), TimeoutError())[0], "x", 1)
    assert (said.ok, said.same) == (True, False)
    assert said.received == ("(1 bytes of binary data)", "\ufffd[2J")


def test_no_echo(opened: Open) -> None:
    assert echo(opened(TimeoutError())[0], "x", 2).message == "no message came back in 2 s"
    said = echo(opened(frame(CLOSE, (1011).to_bytes(2, "big")))[0], "x", 2)
    assert (said.ok, said.message) == (
        False,
        "the WebSocket was closed before a message came back (closed: 1011)",
    )
    connection, stream = opened()
    stream.send_error = BrokenPipeError(32, "Broken pipe")
    assert echo(connection, "x", 1).message == "the message could not be sent: Broken pipe"


def test_echo_is_bounded(opened: Open) -> None:
    said = echo(opened(*[frame(TEXT, b"no")] * 100)[0], "x", 1)
    assert len(said.received) == 16


def test_idle_until_the_end(opened: Open) -> None:
    connection, stream = opened(
        frame(PING, b"a"), frame(TEXT, b"news"), TimeoutError(), frame(PONG, b"nginxws")
    )
    result = idle(connection, 1)
    assert (result.lived, result.pings, result.messages, result.hint) == (True, 1, 1, None)
    assert "the server sent 1 ping(s) and 1 message(s)" in result.message
    assert frames_sent(stream) == [(PONG, b"a"), (PING, b"nginxws")]


def test_idle_cut(opened: Open) -> None:
    result = idle(opened()[0], 60)
    assert not result.lived
    assert "(closed: 1006)" in result.message
    assert "--read-timeout" in (result.hint or "")


def test_idle_dropped_silently(opened: Open) -> None:
    result = idle(opened(TimeoutError(), TimeoutError())[0], 0.01)
    assert not result.lived
    assert "ping is not answered" in result.message


def test_a_server_that_talks_on_while_nobody_reads_fills_no_memory(opened: Open) -> None:
    large = bytes([BINARY, 126]) + (60_000).to_bytes(2, "big") + bytes(60_000)
    empty = frame(0x01) + frame(0x00) * 10_000 + frame(0x80)
    connection, _ = opened(*[large] * 200, empty, frame(TEXT) * 50_000, frame(PONG, b"nginxws"))
    assert connection.ping(90)
    kept = []
    while (got := connection.receive(1)).kind != "closed":
        kept.append(got)
    assert sum(len(message.data) for message in kept) < 5_000_000
    assert 0 < len(kept) < 20_000
