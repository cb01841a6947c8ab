"""The chat as an application of its own: deployed, given its address, restarted."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from support.application import application
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from nginxws.demo.page import FOLDER
from nginxws.errors import ExitCode

PATTERN = re.compile(r'wsUri = "([^"]*)"')


def get(address: str, path: str) -> tuple[str, str]:
    """A document, and the Content-Security-Policy it came with."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(f"http://{address}{path}", timeout=10) as answer:
        return answer.read().decode(), answer.headers["Content-Security-Policy"]


def test_a_deployed_folder_is_served_with_its_address_after_a_restart(tmp_path: Path) -> None:
    folder = tmp_path / "releases" / "1"
    shutil.copytree(FOLDER, folder)
    current = tmp_path / "current"  # what the folder is known by stays the same
    current.symlink_to(folder)
    script = folder / "chat.js"
    written = PATTERN.sub('wsUri = "ws://chat.example.com/ws/"', script.read_text())
    with application("--folder", str(current)) as first:
        script.write_text(written)
        served, policy = get(first.address, "/chat.js")
        assert PATTERN.findall(served) == ["/ws/"]  # read at the start
        assert first.stop() == 0
        with application("--folder", str(current), port=first.port) as second:
            assert second.port == first.port
            assert get(second.address, "/chat.js")[0] == written
            assert PATTERN.findall(written) == ["ws://chat.example.com/ws/"]
            assert "connect-src 'self' ws: wss:;" in policy
            assert get(second.address, "/")[0] == (FOLDER / "index.html").read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_and_tells_everybody(number: signal.Signals) -> None:
    with application() as chat, connect(f"ws://{chat.address}/ws/", proxy=None) as ada:
        ada.send(json.dumps({"type": "join", "name": "Ada"}))
        assert json.loads(ada.recv(10))["type"] == "welcome"
        assert json.loads(ada.recv(10))["type"] == "people"
        chat.process.send_signal(number)
        with pytest.raises(ConnectionClosed) as closed:
            ada.recv(10)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1001
        assert chat.process.wait(30) == 0


def test_only_pages_of_the_named_sites_may_connect() -> None:
    sites = ("https://chat.example.com", "http://10.0.0.1:8080")
    with application(*(word for site in sites for word in ("--origin", site))) as chat:
        url = f"ws://{chat.address}/ws/"
        for site in sites:
            with connect(url, proxy=None, origin=Origin(site)) as ada:
                ada.send("{}")
                assert json.loads(ada.recv(10))["type"] == "error"
        for stranger in ("https://chatXexample.com", "https://chat.example.com.evil.example"):
            with pytest.raises(InvalidStatus, match="403"), connect(url, proxy=None, origin=Origin(stranger)):
                pytest.fail("it was let in")


def failing(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "nginxws.demo.application", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_folder_without_a_page_is_an_error(tmp_path: Path) -> None:
    done = failing("--port", "0", "--folder", str(tmp_path))
    assert done.returncode == ExitCode.ERROR
    assert done.stderr == (
        f"error: {tmp_path}: there is no index.html\nhint: name the folder that the page is in\n"
    )


def test_a_port_that_is_taken_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = failing("--port", str(port))
    assert done.returncode == ExitCode.ERROR
    assert done.stderr == (
        f"error: can't listen on 127.0.0.1:{port}: Address already in use\n"
        "hint: choose another --host or --port\n"
    )


def test_a_host_that_does_not_exist_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    from click.testing import CliRunner

    from nginxws.demo.application import main

    async def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", unknown)
    done = CliRunner().invoke(main, ["--host", "nowhere.invalid", "--port", "0"])
    assert done.exit_code == ExitCode.ERROR
    assert "can't listen on nowhere.invalid:0: Name or service not known" in done.output
