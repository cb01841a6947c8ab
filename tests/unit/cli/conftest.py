"""Run the command line in this process, without a node."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from nginxws.cli import run

SITE = b"""events { }
http {
    server {
        listen 80;
        server_name a.example;
        location / { root /srv; }
    }
}
"""


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture
def nginxws(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command; gives its exit code and what it printed. No NGINXWS_ variable is set before."""
    import os

    for name in [name for name in os.environ if name.startswith("NGINXWS_")]:
        monkeypatch.delenv(name)

    def start(*arguments: str) -> Ran:
        capfd.readouterr()
        code = run(list(arguments))
        return Ran(int(code), *capfd.readouterr())

    return start


@pytest.fixture
def site(tmp_path: Path) -> Path:
    path = tmp_path / "nginx.conf"
    path.write_bytes(SITE)
    return path
