"""The demo's application: a small chat over WebSockets.

Frames are JSON texts. A client sends ``{"type": "join", "name": …}`` once, then
``{"type": "say", "text": …}``. The server answers the join with ``welcome`` (``name``,
``people``, ``history`` and how many messages that ``keeps`` at most), tells everybody
``people`` when somebody comes or goes, and ``message`` (``id``, ``from``, ``text``,
``at`` in RFC 3339, UTC). Whatever it doesn't understand it answers with ``error``
(``message``, and the ``id`` of what was to be said) and goes on.

For clients that lose their connection: a join may carry a ``session``, and takes the
place of an older connection of that session, which may not have been missed yet. A say
may carry an ``id`` of its own, and is heard once however often it is sent.
"""

from __future__ import annotations

import http
import json
import logging
import re
import secrets
import unicodedata
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from nginxws.demo.page import FOLDER, POLICY, Document, load

if TYPE_CHECKING:
    from websockets.asyncio.server import ServerConnection
    from websockets.http11 import Request, Response

WS_PATH: Final = "/ws/"
HEALTH_PATH: Final = "/healthz"
MAX_NAME: Final = 32  # characters
MAX_TEXT: Final = 2000  # characters
MAX_FRAME: Final = 64 * 1024  # bytes
HISTORY: Final = 50  # messages

_IDENTIFIER: Final = re.compile(r"[0-9A-Za-z_-]{8,64}")
_JOINER: Final = "\u200d"  # a format character, but emoji are made with it


class BadFrame(Exception):
    """A frame that isn't part of the protocol; the text tells the client why, ``id`` which one."""

    def __init__(self, why: str, id: str | None = None) -> None:
        super().__init__(why)
        self.id = id


@dataclass(frozen=True, slots=True)
class Join:
    """A client's wish to be called ``name``; ``session`` is the same when it comes back."""

    name: str
    session: str | None = None


@dataclass(frozen=True, slots=True)
class Say:
    """A client's message to everybody."""

    text: str
    id: str | None = None


def read_frame(frame: str | bytes) -> Join | Say:
    """What a client's frame asks for, cleaned of what can't be shown.

    Raises:
        BadFrame: it is none of the two requests, or breaks a limit.
    """
    if isinstance(frame, bytes):
        raise BadFrame("text frames only")
    try:
        request = json.loads(frame)
    except (ValueError, RecursionError):
        raise BadFrame("not JSON") from None
    match request:
        case {"type": "join", "name": str(name)}:
            name = _within("name", " ".join(_printable(name).split()), MAX_NAME)
            return Join(name, _identifier(request, "session"))
        case {"type": "say", "text": str(text)}:
            id = _identifier(request, "id")
            return Say(_within("text", _printable(text, keep="\n\t").strip(), MAX_TEXT, id), id)
        case {"type": "join" | "say"}:
            raise BadFrame("a name or text is missing")
    raise BadFrame("unknown type")


def _printable(text: str, keep: str = "") -> str:
    """``text`` without control, direction-changing, private and unpaired surrogate characters."""
    spaced = (" " if c.isspace() and c not in keep else c for c in unicodedata.normalize("NFC", text))
    return "".join(c for c in spaced if c in keep or c == _JOINER or unicodedata.category(c)[0] != "C")


def _within(what: str, text: str, limit: int, id: str | None = None) -> str:
    if not text.strip(_JOINER + " "):
        raise BadFrame(f"the {what} is empty", id)
    if len(text) > limit:
        raise BadFrame(f"the {what} is longer than {limit} characters", id)
    return text


def _identifier(request: Mapping[str, object], key: str) -> str | None:
    value = request.get(key)
    if value is None:
        return None
    if not isinstance(value, str) or _IDENTIFIER.fullmatch(value) is None:
        raise BadFrame(f"the {key} isn't 8 to 64 letters, digits, - or _")
    return value


class Room:
    """Who is here, and what was said last."""

    def __init__(self) -> None:
        self._names: dict[ServerConnection, str] = {}
        self._sessions: dict[str, ServerConnection] = {}
        self._history: deque[dict[str, str]] = deque(maxlen=HISTORY)

    async def talk(self, connection: ServerConnection) -> None:
        """Serve one client until it goes."""
        from websockets.exceptions import ConnectionClosed

        try:
            with suppress(ConnectionClosed):  # it went without a goodbye
                async for frame in connection:
                    try:
                        self._handle(connection, read_frame(frame))
                    except BadFrame as error:
                        known = {} if error.id is None else {"id": error.id}
                        await connection.send(json.dumps({"type": "error", "message": str(error), **known}))
        finally:
            if self._forget(connection):
                self._tell(self._names, self._people())

    def _handle(self, connection: ServerConnection, request: Join | Say) -> None:
        name = self._names.get(connection)
        match request:
            case Join(wanted, session) if name is None:
                self._replace(session, connection)
                self._welcome(connection, wanted)
            case Say(text, id) if name is not None:
                self._hear(name, text, id or secrets.token_hex(12))
            case _:
                raise BadFrame("join first" if name is None else "you joined already")

    def _replace(self, session: str | None, connection: ServerConnection) -> None:
        """Let ``connection`` have the place, and the name, of an older one of its session."""
        if session is None:
            return
        older = self._sessions.get(session)
        if older is not None:
            self._forget(older)
            older.transport.abort()  # the other end is gone: nobody would answer a Close frame
        self._sessions[session] = connection

    def _forget(self, connection: ServerConnection) -> bool:
        """Take a connection off the lists; whether it had joined."""
        self._sessions = {key: value for key, value in self._sessions.items() if value is not connection}
        return self._names.pop(connection, None) is not None

    def _welcome(self, connection: ServerConnection, wanted: str) -> None:
        name = self._names[connection] = _free_name(wanted, set(self._names.values()))
        history = {"history": list(self._history), "keeps": HISTORY}
        self._tell([connection], {**self._people(), "type": "welcome", "name": name, **history})
        self._tell(self._names, self._people())

    def _hear(self, name: str, text: str, id: str) -> None:
        if any(message["id"] == id for message in self._history):
            return  # sent again by a client that hadn't heard it
        message = {"type": "message", "id": id, "from": name, "text": text, "at": _now()}
        self._history.append(message)
        self._tell(self._names, message)

    def _people(self) -> dict[str, Any]:
        return {"type": "people", "people": list(self._names.values())}

    def _tell(self, connections: Iterable[ServerConnection], frame: dict[str, Any]) -> None:
        from websockets.asyncio.server import broadcast

        broadcast(connections, json.dumps(frame))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _free_name(wanted: str, taken: set[str]) -> str:
    """``wanted``, or ``wanted 2``, ``wanted 3`` … when somebody is called that already."""
    name, number = wanted, 2
    while name in taken:
        suffix = f" {number}"
        name, number = wanted[: MAX_NAME - len(suffix)] + suffix, number + 1
    return name


@asynccontextmanager
async def serve(
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    folder: Path = FOLDER,
    origins: re.Pattern[str] | None = None,
) -> AsyncIterator[int]:
    """Serve the chat and its page; yields the port (a free one when ``port`` is 0).

    ``folder``: where the page is; it is read once, now.
    ``origins``: which sites' pages may open a WebSocket here (RFC 6455, 10.2), by the
    whole of their origin; None allows all. Clients that send no origin aren't browsers
    and are always let in.
    On exit every client gets a Close frame (1001, going away).

    Raises:
        OSError: the port is taken.
        NginxwsError: the page can't be read.
    """
    from websockets.asyncio import server

    logger = logging.getLogger(__name__)
    logger.addHandler(logging.NullHandler())  # scanners and half-open sockets aren't the user's business
    page = load(folder)
    async with server.serve(
        Room().talk,
        host,
        port,
        process_request=lambda connection, request: _answer(page, connection, request),
        origins=None if origins is None else [None, origins],
        max_size=MAX_FRAME,
        close_timeout=1,
        server_header=None,
        logger=logger,
    ) as running:
        bound: int = next(iter(running.sockets)).getsockname()[1]
        yield bound


def _answer(page: Mapping[str, Document], connection: ServerConnection, request: Request) -> Response | None:
    """The plain HTTP side: the page, health, and why a handshake can't go on; None lets it go on."""
    path = request.path.partition("?")[0]
    upgrade = request.headers.get("Upgrade", "").lower() == "websocket"
    if path == WS_PATH and upgrade:
        return None
    if path == WS_PATH:
        text = "This is a WebSocket endpoint, and the Upgrade header didn't get here.\n"
        response = connection.respond(http.HTTPStatus.UPGRADE_REQUIRED, text)
        response.headers["Upgrade"] = "websocket"
        return response
    if path == HEALTH_PATH:
        return connection.respond(http.HTTPStatus.OK, "ok\n")
    document = page.get(path)
    if document is None:
        return connection.respond(http.HTTPStatus.NOT_FOUND, "There is nothing here.\n")
    response = connection.respond(http.HTTPStatus.OK, document.text)
    del response.headers["Content-Type"]
    response.headers["Content-Type"] = document.type
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cache-Control"] = "no-store"
    return response
