"""The chat's protocol, over real WebSockets on loopback."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin

from nginxws.demo import chat
from nginxws.demo.chat import BadFrame, Join, Say, read_frame
from nginxws.demo.page import POLICY, load
from nginxws.demo.stage import LOOPBACK_ORIGIN

Frame = dict[str, Any]


def run(scenario: Coroutine[Any, Any, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(20):
            await scenario

    asyncio.run(bounded())


@asynccontextmanager
async def client(port: int, path: str = "/ws/", **options: Any) -> AsyncIterator[ClientConnection]:
    async with connect(f"ws://127.0.0.1:{port}{path}", proxy=None, **options) as connection:
        yield connection


async def send(connection: ClientConnection, **frame: str) -> None:
    await connection.send(json.dumps(frame))


async def receive(connection: ClientConnection) -> Frame:
    async with asyncio.timeout(5):
        frame: Frame = json.loads(await connection.recv())
        return frame


async def join(connection: ClientConnection, name: str) -> Frame:
    """Joins; takes the welcome, and the news of people that follows it."""
    await send(connection, type="join", name=name)
    welcome = await receive(connection)
    assert welcome["type"] == "welcome"
    assert await receive(connection) == {"type": "people", "people": welcome["people"]}
    return welcome


async def get(port: int, path: str, *headers: str) -> tuple[int, dict[str, str], str]:
    """A plain GET: status, headers (names in lower case), body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = (f"GET {path} HTTP/1.1", "Host: localhost", *headers, "", "")
    writer.write("\r\n".join(lines).encode())
    answer = (await reader.read()).decode()
    writer.close()
    await writer.wait_closed()
    head, _, body = answer.partition("\r\n\r\n")
    status, *fields = head.split("\r\n")
    pairs = (field.split(": ", 1) for field in fields)
    return int(status.split()[1]), {name.lower(): value for name, value in pairs}, body


def test_people_join_talk_and_leave() -> None:
    async def scenario() -> None:
        async with chat.serve() as port, client(port) as ada:
            assert await join(ada, "Ada") == {
                "type": "welcome",
                "name": "Ada",
                "people": ["Ada"],
                "history": [],
                "keeps": chat.HISTORY,
            }
            async with client(port) as grace:
                welcome = await join(grace, "Grace")
                assert welcome["people"] == ["Ada", "Grace"]
                assert await receive(ada) == {"type": "people", "people": ["Ada", "Grace"]}
                await send(grace, type="say", text="Hello <b>Ada</b>")
                for listener in (ada, grace):
                    message = await receive(listener)
                    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", message.pop("at"))
                    assert re.fullmatch(r"[0-9a-f]{24}", message.pop("id"))
                    assert message == {"type": "message", "from": "Grace", "text": "Hello <b>Ada</b>"}
            assert await receive(ada) == {"type": "people", "people": ["Ada"]}

    run(scenario())


def test_newcomers_get_the_last_messages_only() -> None:
    async def scenario() -> None:
        async with chat.serve() as port, client(port) as ada:
            await join(ada, "Ada")
            for number in range(chat.HISTORY + 7):
                await send(ada, type="say", text=str(number))
                assert (await receive(ada))["text"] == str(number)
            async with client(port) as grace:
                history = (await join(grace, "Grace"))["history"]
                assert [m["text"] for m in history] == [str(n) for n in range(7, chat.HISTORY + 7)]
                assert {m["from"] for m in history} == {"Ada"}

    run(scenario())


@pytest.mark.parametrize("name", ["Ada", "x" * chat.MAX_NAME])
def test_nobody_is_called_like_somebody_else(name: str) -> None:
    async def scenario() -> None:
        async with chat.serve() as port, client(port) as one, client(port) as two, client(port) as three:
            names = [(await join(each, name))["name"] for each in (one, two, three)]
            assert names[0] == name
            assert names[1].endswith(" 2")
            assert names[2].endswith(" 3")
            assert all(len(n) <= chat.MAX_NAME for n in names)

    run(scenario())


def test_what_is_sent_again_is_heard_once() -> None:
    async def scenario() -> None:
        async with chat.serve() as port, client(port) as ada:
            await join(ada, "Ada")
            for id in ("message-1", "message-1", "message-2"):
                await send(ada, type="say", text="the same", id=id)
            assert [(await receive(ada))["id"] for _ in range(2)] == ["message-1", "message-2"]
            async with client(port) as grace:
                history = (await join(grace, "Grace"))["history"]
                assert [message["id"] for message in history] == ["message-1", "message-2"]

    run(scenario())


def test_whoever_comes_back_takes_their_own_place() -> None:
    """The old connection of a phone that changed networks isn't missed for a while."""

    async def scenario() -> None:
        async with chat.serve() as port, client(port) as grace, client(port) as old, client(port) as new:
            await join(grace, "Grace")
            await send(old, type="join", name="Ada", session="session-of-ada")
            assert (await receive(old))["name"] == "Ada"
            assert (await receive(grace))["people"] == ["Grace", "Ada"]
            await send(new, type="join", name="Ada", session="session-of-ada")
            assert (await receive(new))["name"] == "Ada"
            assert await receive(grace) == {"type": "people", "people": ["Grace", "Ada"]}  # nobody left
            await old.wait_closed()
            assert old.close_code == 1006  # cut off: nobody would have answered a Close frame
            await send(new, type="say", text="here again")
            assert (await receive(grace))["text"] == "here again"  # and nothing in between
            async with client(port) as other:
                await send(other, type="join", name="Ada", session="session-of-another")
                assert (await receive(other))["name"] == "Ada 2"

    run(scenario())


def test_whoever_left_is_not_in_the_way_of_their_session() -> None:
    async def scenario() -> None:
        async with chat.serve() as port:
            for _ in range(2):
                async with client(port) as ada:
                    await send(ada, type="join", name="Ada", session="session-of-ada")
                    assert (await receive(ada))["people"] == ["Ada"]

    run(scenario())


def test_an_error_names_the_message_it_is_about() -> None:
    async def scenario() -> None:
        async with chat.serve() as port, client(port) as ada:
            await join(ada, "Ada")
            await send(ada, type="say", text=" ", id="message-1")
            wanted = {"type": "error", "message": "the text is empty", "id": "message-1"}
            assert await receive(ada) == wanted

    run(scenario())


def test_somebody_who_has_not_joined_hears_and_says_nothing() -> None:
    async def scenario() -> None:
        async with chat.serve() as port, client(port) as ada, client(port) as stranger:
            await join(ada, "Ada")
            await send(stranger, type="say", text="psst")
            assert await receive(stranger) == {"type": "error", "message": "join first"}
            await send(ada, type="say", text="secret")
            assert (await receive(ada))["text"] == "secret"
            await send(stranger, type="nonsense")  # the next it hears is the answer to this
            assert (await receive(stranger))["message"] == "unknown type"

    run(scenario())


def test_broken_input_is_answered_and_the_conversation_goes_on() -> None:
    async def scenario() -> None:
        async with chat.serve() as port, client(port) as ada:
            await join(ada, "Ada")
            for broken in (
                "",
                "{",
                "[" * 60_000,
                "null",
                "[]",
                '{"type":"say"}',
                '{"type":["say"]}',
                b"\x00",
            ):
                await ada.send(broken)
                answer = await receive(ada)
                assert answer.keys() == {"type", "message"}
                assert answer["type"] == "error"
            await send(ada, type="join", name="Eve")
            assert (await receive(ada))["message"] == "you joined already"
            await send(ada, type="say", text="still here")
            assert (await receive(ada))["text"] == "still here"

    run(scenario())


def test_a_frame_that_is_too_big_ends_the_connection() -> None:
    async def scenario() -> None:
        async with chat.serve() as port, client(port) as ada:
            await ada.send("x" * (chat.MAX_FRAME + 1))
            with pytest.raises(ConnectionClosed) as closed:
                await receive(ada)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1009

    run(scenario())


def test_everybody_is_told_when_the_application_ends() -> None:
    async def scenario() -> None:
        async with chat.serve() as port:
            ada = await connect(f"ws://127.0.0.1:{port}/ws/", proxy=None)
            await join(ada, "Ada")
        with pytest.raises(ConnectionClosed) as closed:
            await receive(ada)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1001

    run(scenario())


def test_the_page_comes_fenced() -> None:
    async def scenario() -> None:
        async with chat.serve() as port:
            for path, kind in (("/?from=anywhere", "html"), ("/chat.js", "javascript"), ("/chat.css", "css")):
                status, headers, body = await get(port, path)
                assert status == 200
                assert headers["content-type"] == f"text/{kind}; charset=utf-8"
                assert headers["content-security-policy"] == POLICY
                assert headers["x-content-type-options"] == "nosniff"
                assert headers["cache-control"] == "no-store"  # after a restart it may be another page
                assert body in {document.text for document in load().values()}

    run(scenario())


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/healthz", (), 200),
        ("/nothing", (), 404),
        ("/../chat.py", (), 404),
        ("/ws/", (), 426),
        ("/ws/?a=b", (), 426),
        ("/ws", ("Upgrade: websocket", "Connection: Upgrade"), 404),
    ],
)
def test_plain_http(path: str, headers: tuple[str, ...], status: int) -> None:
    async def scenario() -> None:
        async with chat.serve() as port:
            answer = await get(port, path, *headers)
            assert answer[0] == status
            assert answer[1].get("upgrade") == ("websocket" if status == 426 else None)

    run(scenario())


@pytest.mark.parametrize(
    ("origin", "lets_in"),
    [
        (None, True),
        ("http://localhost:8080", True),
        ("https://evil.example", False),
        ("http://localhost:8080.evil.example", False),
    ],
)
def test_only_known_sites_may_open_websockets(origin: str | None, lets_in: bool) -> None:
    async def scenario() -> None:
        async with chat.serve(origins=LOOPBACK_ORIGIN) as port:
            asked = Origin(origin) if origin else None
            if lets_in:
                async with client(port, "/ws/?x=1", origin=asked) as connection:
                    await join(connection, "Ada")
            else:
                with pytest.raises(InvalidStatus) as refused:
                    async with client(port, origin=asked):
                        pass
                assert refused.value.response.status_code == 403

    run(scenario())


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ("  Ada \t\n Lovelace ", "Ada Lovelace"),
        ("A\u202eda\u0000\x1b[31m", "Ada[31m"),
        ("e\u0301", "é"),
        ("👩\u200d💻", "👩\u200d💻"),
        ("\ud800x", "x"),
    ],
)
def test_names_are_cleaned(wanted: str, name: str) -> None:
    assert read_frame(json.dumps({"type": "join", "name": wanted})) == Join(name)


def test_texts_keep_their_lines() -> None:
    assert read_frame('{"type": "say", "text": " one\\n\\ttwo\\u2028three\\r\\n "}') == Say(
        "one\n\ttwo three"
    )


@pytest.mark.parametrize(
    "frame",
    [
        {"type": "join", "name": " \u200d "},
        {"type": "join", "name": "x" * (chat.MAX_NAME + 1)},
        {"type": "join", "name": 5},
        {"type": "say", "text": "\u0000"},
        {"type": "say", "text": "x" * (chat.MAX_TEXT + 1)},
        {"type": "leave"},
        {"type": "join", "name": "Ada", "session": 5},
        {"type": "say", "text": "hello", "id": "short"},
        {"type": "say", "text": "hello", "id": "x" * 65},
        {"type": "say", "text": "hello", "id": 'quote"quote'},
    ],
)
def test_bad_requests(frame: Frame) -> None:
    with pytest.raises(BadFrame):
        read_frame(json.dumps(frame))


@given(
    st.one_of(
        st.text(),
        st.binary(),
        st.builds(
            lambda kind, value: json.dumps({"type": kind, "name": value, "text": value}),
            st.sampled_from(["join", "say"]),
            st.text(),
        ),
    )
)
def test_any_frame_is_understood_or_refused(frame: str | bytes) -> None:
    try:
        request = read_frame(frame)
    except BadFrame:
        return
    shown = request.name if isinstance(request, Join) else request.text
    assert shown == shown.strip()
    assert 0 < len(shown) <= chat.MAX_TEXT
    shown.encode()  # no unpaired surrogates
