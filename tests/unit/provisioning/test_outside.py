"""The proof from outside, with a real WebSocket server: addresses, `connect`, hints."""

from __future__ import annotations

import pytest
from support.backend import Backend, echo_backend
from support.nginx import free_port

from nginxws.errors import NginxwsError, Restored
from nginxws.nodes.options import ProbeMode, ProbePolicy
from nginxws.provisioning.outside import Address, Outside

HOST = "chat.invalid"


@pytest.fixture
def backend() -> object:
    with echo_backend() as running:
        yield running


def outside(*addresses: Address, port: int | None) -> Outside:
    return Outside(addresses, None if port is None else ("127.0.0.1", port), lambda *_: None)


def address(path: str, mode: ProbeMode = "required", **more: object) -> Address:
    policy = ProbePolicy(mode=mode, timeout=0.3, **more)  # type: ignore[arg-type]
    return Address(f"ws://{HOST}{path}", path, policy)


def test_every_address_is_tried(backend: Backend) -> None:
    prove = outside(address("/a/", headers=(("X-Key", "1"),)), address("/b/"), port=backend.port)
    found = prove.results()
    assert [one.probe.ok for one in found] == [True, True]
    assert [path for path, _headers in backend.requests] == ["/a/", "/b/"]
    assert backend.requests[0][1]["host"] == HOST
    assert backend.requests[0][1]["x-key"] == "1"
    assert prove.failure(found, changed=True) is None


def test_it_stops_at_the_first_that_must_work() -> None:
    prove = outside(address("/a/", "warn"), address("/b/"), address("/c/"), port=free_port())
    found = prove.results()
    assert [one.path for one in found] == ["/a/", "/b/"]
    error = prove.failure(found, changed=True)
    assert isinstance(error, Restored)
    assert error.message.startswith(f"ws://{HOST}/b/ doesn't work from here: nothing listens on 127.0.0.1:")
    assert "see `connect`" in str(error.hint)
    assert type(prove.failure(found, changed=False)) is NginxwsError


def test_a_name_that_nobody_knows() -> None:
    prove = outside(address("/a/"), port=None)
    error = prove.failure(prove.results(), changed=False)
    assert error is not None
    assert "can't be resolved" in error.message
    assert 'connect = "HOST:PORT"' in str(error.hint)


def test_an_answer_says_enough_by_itself(backend: Backend) -> None:
    prove = outside(address("/a/", expect=401), port=backend.port)
    error = prove.failure(prove.results(), changed=False)
    assert error is not None
    assert "connect" not in str(error.hint)
