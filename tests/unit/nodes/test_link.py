"""A link: one connection, one session, opened when first needed, and again after a loss."""

from __future__ import annotations

import pytest

from nginxws.errors import ConnectionFailed
from nginxws.nodes.link import NodeLink
from nginxws.nodes.options import NodeOptions
from nginxws.nodes.sudo import Sudo


class FakeProcess:
    """Takes everything and says nothing."""

    def __init__(self, log: list[str]) -> None:
        self.log = log

    def write(self, data: bytes) -> None:
        """Heard."""

    def close_stdin(self) -> None:
        self.log.append("end")

    def read(self, size: int, timeout: float) -> bytes:
        return b""

    def stderr(self) -> bytes:
        return b""

    def wait(self, timeout: float) -> int | None:
        return 0

    def kill(self) -> None:
        self.log.append("abort")


class FakeTransport:
    """Writes down what is done with it."""

    name = "lb"

    def __init__(self, log: list[str]) -> None:
        self.log = log
        log.append("connect")

    def run(self, argv: object) -> FakeProcess:
        self.log.append("run")
        return FakeProcess(self.log)

    def dial(self, host: str, port: int, timeout: float) -> FakeStream:
        self.log.append(f"dial {host}:{port}")
        if port == 1:
            raise ConnectionFailed("refused")
        return FakeStream()

    def close(self) -> None:
        self.log.append("close")

    def __enter__(self) -> FakeTransport:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class FakeStream:
    """A connection that says nothing."""

    def send(self, data: bytes) -> None:
        """Sent."""

    def recv(self, size: int, timeout: float) -> bytes:
        return b""

    def close(self) -> None:
        """Closed."""


@pytest.fixture
def log() -> list[str]:
    return []


@pytest.fixture
def link(log: list[str]) -> NodeLink:
    return NodeLink("lb", lambda: FakeTransport(log), Sudo(), NodeOptions())


def test_nothing_is_opened_before_it_is_needed(link: NodeLink, log: list[str]) -> None:
    assert link.is_remote
    link.end_session()
    link.close()
    assert log == []


def test_one_connection_serves_all(link: NodeLink, log: list[str]) -> None:
    with link:
        assert link.session() is link.session()
        link.dial("127.0.0.1", 80, 1)
        link.end_session()
        link.session()
    assert log == ["connect", "run", "dial 127.0.0.1:80", "end", "run", "abort", "close"]


def test_a_lost_connection_is_opened_anew(link: NodeLink, log: list[str]) -> None:
    first = link.session()
    link.reconnect()
    assert link.session() is not first
    assert log == ["connect", "run", "abort", "close", "connect", "run"]


def test_a_listener_that_refuses_is_an_answer_about_the_node(link: NodeLink) -> None:
    with pytest.raises(ConnectionRefusedError):
        link.dial("127.0.0.1", 1, 1)


def test_the_local_machine_is_not_remote() -> None:
    assert not NodeLink("local", lambda: FakeTransport([]), Sudo(), NodeOptions()).is_remote
