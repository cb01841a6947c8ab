"""An open balancer: its transport, how to become root on it, and its settings.

One link serves a whole command. It opens its connection on first use, so that
several nodes can be opened in parallel, and again after a connection was lost.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self

from nginxws.errors import ConnectionFailed
from nginxws.nodes.interrupts import Interrupts
from nginxws.nodes.options import NodeOptions
from nginxws.nodes.session import Session
from nginxws.nodes.sudo import Sudo
from nginxws.nodes.transport import ByteStream, Transport


class NodeLink:
    """One balancer, reached through ``connect``.

    ``remote`` says whether it is another machine, reached by SSH; None: if it isn't called ``local``.
    ``script`` gives the text of another script than the balancers'.
    """

    def __init__(
        self,
        name: str,
        connect: Callable[[], Transport],
        sudo: Sudo,
        options: NodeOptions,
        *,
        remote: bool | None = None,
        script: Callable[[], bytes] | None = None,
    ) -> None:
        self.name = name
        self.is_remote = name != "local" if remote is None else remote
        self.options = options
        self._connect = connect
        self._sudo = sudo
        self._script = script
        self._transport: Transport | None = None
        self._session: Session | None = None

    def open(self) -> Transport:
        """The connection, made on first use. Raises ConnectionFailed and its kin."""
        if self._transport is None:
            self._transport = self._connect()
        return self._transport

    def session(self) -> Session:
        """The running node script; started on first use. Raises ConnectionFailed and its kin."""
        if self._session is None:
            text = None if self._script is None else self._script()
            self._session = Session(self.open(), self._sudo, name=self.name, text=text)
        return self._session

    def end_session(self) -> None:
        """Let the node script end; the next ``session`` starts a new one on the same connection."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def reconnect(self) -> None:
        """Forget a lost connection; the next ``session`` opens a new one."""
        self.close()

    def dial(self, host: str, port: int, timeout: float) -> ByteStream:
        """A connection to one of the node's own listeners.

        Raises OSError when the listener can't be reached: that is an answer about
        the node. Whether the node itself is lost, the session tells.
        """
        transport = self.open()
        try:
            return transport.dial(host, port, timeout)
        except ConnectionFailed as error:
            raise ConnectionRefusedError(error.message) from error

    def close(self) -> None:
        """Hang up; whatever isn't committed is undone by the node itself.

        A signal meanwhile changes nothing any more: what has come of the node is known, and is to be told.
        """
        with Interrupts():
            session, self._session = self._session, None
            if session is not None:
                session.abort()
            transport, self._transport = self._transport, None
            if transport is not None:
                transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
