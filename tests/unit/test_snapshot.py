"""What a node has now: plain data."""

from __future__ import annotations

import hashlib

from nginxws.snapshot import FileState, NginxInfo, Snapshot


def test_a_snapshot() -> None:
    one = FileState("/etc/nginx/a", "/srv/a", b"caf\xe9")
    now = Snapshot("lb1", NginxInfo(), (one,), workers={11: False, 12: True, 13: True})
    assert now.draining == 2
    assert now.texts() == {"/etc/nginx/a": b"caf\xe9"}
    assert one.sha256 == hashlib.sha256(b"caf\xe9").hexdigest()
