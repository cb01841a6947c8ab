"""Sockets and TLS as byte streams."""

from __future__ import annotations

import socket
import ssl
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nginxws.errors import InvalidInput
from nginxws.nodes.streams import SocketStream, TlsStream, dial_tcp, tls_context

if TYPE_CHECKING:
    from unit.nodes.probe.conftest import Scripted


def test_a_socket() -> None:
    ours, theirs = socket.socketpair()
    stream = SocketStream(ours)
    with theirs:
        stream.send(b"out")
        assert theirs.recv(10) == b"out"
        theirs.sendall(b"inside")
        assert stream.recv(2, 1) == b"in"
        assert stream.recv(10, 1) == b"side"
        for timeout in (0.01, 0.0):
            with pytest.raises(TimeoutError):
                stream.recv(10, timeout)
    assert stream.recv(10, 1) == b""
    with pytest.raises(BrokenPipeError):
        stream.send(b"x")
    stream.close()
    stream.close()


def test_dialling() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        stream = dial_tcp("127.0.0.1", port, 1)
        peer, _ = server.accept()
        with peer:
            stream.send(b"x")
            assert peer.recv(1) == b"x"
        stream.close()
    with pytest.raises(ConnectionRefusedError):
        dial_tcp("127.0.0.1", port, 1)


def test_contexts(tmp_path: Path) -> None:
    strict = tls_context(verify=True)
    assert strict.verify_mode == ssl.CERT_REQUIRED
    assert strict.check_hostname
    assert tls_context(verify=False).verify_mode == ssl.CERT_NONE
    broken = tmp_path / "ca.pem"
    broken.write_text("no certificate")
    for path in (tmp_path / "missing.pem", broken):
        with pytest.raises(
            InvalidInput, match="can't be used as a file of certificate authorities"
        ) as caught:
            tls_context(verify=True, ca_file=str(path))
        assert caught.value.hint


def test_a_tls_handshake_ends_at_its_deadline(scripted: type[Scripted]) -> None:
    with pytest.raises(TimeoutError):
        TlsStream(scripted([b"\x16"]), tls_context(verify=False), "a.example", time.monotonic() - 1)


def test_tls_cut_short(scripted: type[Scripted]) -> None:
    with pytest.raises(ssl.SSLError):
        TlsStream(scripted(), tls_context(verify=False), "a.example", time.monotonic() + 5)
