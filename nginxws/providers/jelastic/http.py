"""One POST to the platform's API: bounded in time and size, TLS verified, the token in its body alone.

The platform answers every call with HTTP 200 and a JSON object; ``result`` in it is 0, or says what is wrong
(API documentation, "API Overview": https://www.virtuozzo.com/application-platform-api-docs/). The session
goes into the form, not into the URL: URLs land in logs of proxies and servers.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import socket
import ssl
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

from nginxws import __version__
from nginxws.errors import AuthenticationFailed, ConnectionFailed, NodeError, ProtocolError
from nginxws.printable import excerpt, one_line
from nginxws.providers.jelastic.token import Token

#: Bytes of an answer; a list of a thousand environments has some 5 MB.
MAX_ANSWER = 16 * 1024 * 1024
_CHUNK = 65536
_OK = 200
#: Statuses of gateways that had no answer of the API: as good as a broken connection.
_GATEWAY = frozenset({502, 503, 504})
#: The session is unknown or expired; the token may not do this.
_NO_SESSION, _NOT_PERMITTED = 702, 8202
_QUOTED = 300  # characters of the platform's own words


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds: for one call, for one that works on nodes, and pauses between tries. ``tries`` counts them."""

    call: float = 60.0
    work: float = 900.0
    tries: int = 4
    pause: float = 0.5
    longest_pause: float = 8.0
    poll: float = 2.0

    def pauses(self) -> Iterator[float]:
        """Pauses before the next tries: doubled each time, and between half and all of that by chance."""
        for number in range(self.tries - 1):
            longest = min(self.pause * 2**number, self.longest_pause)
            yield longest * (0.5 + random.random() / 2)  # noqa: S311  # nosec B311


class NoAnswer(ConnectionFailed):
    """No answer of the API came: whether the call was carried out isn't known."""


class Refused(NodeError):
    """The API's answer says no. ``result`` is its number."""

    result = 0


class Api:
    """The API of one account. ``base`` is its URL, without a slash at the end."""

    def __init__(
        self, base: str, token: Token, patience: Patience, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.base = base
        self.token = token
        self.patience = patience
        self.sleep = sleep
        self._context: ssl.SSLContext | None = None  # reading the authorities takes its time

    def call(
        self, path: str, form: Mapping[str, str], *, repeat: bool, timeout: float | None = None
    ) -> dict[str, Any]:
        """POST a form and return the answer, whose ``result`` is 0.

        ``repeat`` says that the call may be carried out twice: only then it is tried again, when no answer
        came. ``timeout`` bounds one try, in seconds. Raises NoAnswer, AuthenticationFailed, Refused (with
        its ``result``) and ProtocolError, none of which shows the token.
        """
        pauses = self.patience.pauses() if repeat else iter(())
        while True:
            try:
                return self._checked(path, self._once(path, form, timeout or self.patience.call))
            except NoAnswer:
                pause = next(pauses, None)
                if pause is None:
                    raise
                self.sleep(pause)

    def _once(self, path: str, form: Mapping[str, str], timeout: float) -> bytes:
        """One try; the answer's body. Nothing of the request is part of an error."""
        body = urlencode({**form, "session": self.token.reveal()}).encode("ascii")
        try:
            if self._context is None:
                self._context = ssl.create_default_context()
            status, data = _post(f"{self.base}/{path}", body, timeout, self._context)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._no_answer(path, self._trouble(error, timeout)) from None
        if status in _GATEWAY:
            raise self._no_answer(path, f"a gateway answered {status}")
        if status != _OK:
            raise ProtocolError(
                f"the platform answered {status} to {path}",
                detail=self._quoted(data) or None,
                hint="is hoster the platform's own domain? its API is at https://app.HOSTER/1.0",
            )
        return data

    def _trouble(self, error: Exception, timeout: float) -> str:
        if isinstance(error, ssl.SSLCertVerificationError):
            return f"its certificate isn't trusted: {one_line(error.verify_message)}"
        if isinstance(error, TimeoutError):
            return f"no answer within {timeout:g} s"
        words = one_line(self.token.scrubbed(str(error)))[:_QUOTED]
        return words or type(error).__name__

    def _no_answer(self, path: str, why: str) -> NoAnswer:
        host = urlsplit(self.base).netloc
        return NoAnswer(
            f"no answer of {host} to {path}: {why}",
            hint="look at the network, and at the platform's status; then run the command again",
        )

    def _checked(self, path: str, data: bytes) -> dict[str, Any]:
        try:
            answer = json.loads(data)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict) or not isinstance(answer.get("result"), int):
            raise ProtocolError(
                f"the answer to {path} isn't the platform's: no JSON object with a result",
                detail=self._quoted(data) or None,
                hint="is hoster the platform's own domain? its API is at https://app.HOSTER/1.0",
            )
        self.check(path, answer)
        return answer

    def check(self, path: str, answer: Mapping[str, Any]) -> None:
        """Raise Refused or AuthenticationFailed unless the answer's ``result`` is 0."""
        result = answer.get("result")
        if result == 0:
            return
        words = answer.get("error") or answer.get("message") or answer.get("reason") or "no reason given"
        said = one_line(self.token.scrubbed(str(words)))[:_QUOTED]
        if result in (_NO_SESSION, _NOT_PERMITTED):
            raise AuthenticationFailed(
                f"the platform doesn't accept the token for {path} (result {result}): {said}",
                hint="make a token on the dashboard (Settings, Access Tokens) that may call this method",
            )
        refused = Refused(
            f"the platform refuses {path} (result {result}): {said}",
            hint="the platform's API documentation lists its results; the dashboard shows the environment",
        )
        refused.result = result if isinstance(result, int) else -1
        raise refused

    def _quoted(self, data: bytes) -> str:
        return excerpt(self.token.scrubbed(data.decode("utf-8", "replace")), _QUOTED)


def _post(url: str, body: bytes, timeout: float, context: ssl.SSLContext) -> tuple[int, bytes]:
    """Status and body of one POST; no redirect is followed. Raises OSError, HTTPException, ValueError."""
    deadline = time.monotonic() + timeout
    connection = _connection(url, timeout, context)
    timer = threading.Timer(timeout, _cut, (connection,))  # a server that drips never times out by itself
    timer.daemon = True
    timer.start()
    try:
        connection.request("POST", urlsplit(url).path, body, _HEADERS)
        response = connection.getresponse()
        data = _read(response, deadline)
        if time.monotonic() >= deadline or (response.status == _OK and not data):
            raise http.client.IncompleteRead(b"")  # http.client takes a header that was cut off for the last
        return response.status, data
    except (OSError, http.client.HTTPException, ValueError) as error:
        if time.monotonic() >= deadline:
            raise TimeoutError from error
        raise
    finally:
        timer.cancel()
        connection.close()


_HEADERS = {
    "Content-Type": "application/x-www-form-urlencoded",
    "Accept": "application/json",
    "User-Agent": f"nginxws/{__version__}",
    "Connection": "close",
}


def _read(response: http.client.HTTPResponse, deadline: float) -> bytes:
    """All of a body, at most MAX_ANSWER. Raises TimeoutError, IncompleteRead, OSError."""
    parts, size, announced = [], 0, response.length  # None where it comes in chunks
    while size != announced and (chunk := response.read1(_CHUNK)):
        size += len(chunk)
        if size > MAX_ANSWER:
            raise OSError(f"the answer has more than {MAX_ANSWER} bytes")
        if time.monotonic() > deadline:
            raise TimeoutError
        parts.append(chunk)
    if announced is not None and size < announced:  # read1 doesn't tell
        raise http.client.IncompleteRead(b"", announced - size)
    return b"".join(parts)


def _connection(url: str, timeout: float, context: ssl.SSLContext) -> http.client.HTTPConnection:
    """A connection to the URL's host, through the proxy that urllib would take."""
    parts = urlsplit(url)
    host, tls = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if tls else 80)
    proxy = getproxies().get(parts.scheme)
    if not proxy or proxy_bypass(host):
        return _to(host, port, timeout, context if tls else None)
    through = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    connection = _to(through.hostname or "", through.port or 80, timeout, context if tls else None)
    headers = {}
    if through.username is not None:
        pair = f"{unquote(through.username)}:{unquote(through.password or '')}"
        headers["Proxy-Authorization"] = f"Basic {b64encode(pair.encode()).decode('ascii')}"
    connection.set_tunnel(host, port, headers)  # CONNECT: the proxy never sees the token
    return connection


def _to(host: str, port: int, timeout: float, context: ssl.SSLContext | None) -> http.client.HTTPConnection:
    if context is not None:
        return http.client.HTTPSConnection(host, port, timeout=timeout, context=context)
    return http.client.HTTPConnection(host, port, timeout=timeout)


def _cut(connection: http.client.HTTPConnection) -> None:
    """End whatever the connection waits for."""
    if isinstance(connection.sock, socket.socket):
        with contextlib.suppress(OSError):
            socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)
