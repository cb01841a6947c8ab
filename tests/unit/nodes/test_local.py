"""This machine as a node, beyond what the contract suite asks of every transport."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from nginxws.errors import ConnectionFailed
from nginxws.nodes.local import LocalStream, LocalTransport

SOON = 20.0  # seconds that nothing here should need


def test_our_interrupt_does_not_reach_it() -> None:
    with LocalTransport() as transport:
        process = transport.run(
            [sys.executable, "-c", "import os; print(os.getpgid(0)); input(); print('alive')"]
        )
        assert int(process.read(20, SOON)) != os.getpgid(0)


def test_what_runs_on_is_told_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nginxws.nodes.local._GRACE", 0.2)
    transport = LocalTransport()
    code = "import os,time; os.write(1, b'%d' % os.getpid()); time.sleep(600)"
    process = transport.run([sys.executable, "-c", code])
    pid = int(process.read(20, SOON))
    begin = time.monotonic()
    transport.close()
    assert time.monotonic() - begin < 5
    assert process.wait(0) is None  # ended by a signal
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_what_restores_is_given_time() -> None:
    transport = LocalTransport()
    script = "trap 'exit 7' TERM; cat >/dev/null; sleep 0.3; exit 5"
    process = transport.run(["sh", "-c", script])
    transport.close()
    assert process.wait(SOON) == 5


def test_signal_is_no_status() -> None:
    with LocalTransport() as transport:
        process = transport.run(["sh", "-c", f"kill -{signal.SIGKILL.value} $$"])
        assert process.wait(SOON) is None


def test_permission_denied_is_126(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no program")
    with LocalTransport() as transport:
        process = transport.run([str(tmp_path / "text")])
        assert process.wait(SOON) == 126
        assert b"ermission" in process.stderr()


def test_stream_to_a_peer_that_is_gone() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server, LocalTransport() as transport:
        stream = transport.dial("127.0.0.1", server.getsockname()[1], SOON)
        peer, _ = server.accept()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        peer.close()  # with a reset
        with pytest.raises(ConnectionFailed, match="broke") as caught:
            send_and_receive(stream, 100)
        assert (caught.value.node, bool(caught.value.hint)) == ("local", True)
        stream.close()


def send_and_receive(stream: LocalStream, times: int) -> None:
    for _ in range(times):
        stream.send(b"x" * 65536)
        stream.recv(1, 0.5)
