"""The demo's balancer: a real NGINX with a small, realistic configuration in a folder of its own."""

from __future__ import annotations

import asyncio
import grp
import hashlib
import os
import pwd
import re
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final

from nginxws.demo.binary import Binary
from nginxws.demo.chat import HEALTH_PATH
from nginxws.demo.clients import http_status
from nginxws.demo.processes import end
from nginxws.errors import NginxwsError

HOST: Final = "127.0.0.1"
START_TIMEOUT: Final = 10.0  # seconds
STOP_TIMEOUT: Final = 5.0  # seconds
BIND_ATTEMPTS: Final = 5  # somebody may take a free port between our look and NGINX's bind

_PORT_TAKEN: Final = re.compile("Address (?:already )?in use")  # strerror(EADDRINUSE) of glibc and musl
_CHATTER: Final = re.compile(r"\[(?:debug|info|notice)\]")
_TEMPORARY: Final = {  # folder: the module that uses it, None when it is always there
    "client_body": None,
    "proxy": "proxy",
    "fastcgi": "fastcgi",
    "uwsgi": "uwsgi",
    "scgi": "scgi",
}

_MAIN: Final = """\
{user}pid {pid};
error_log {error_log} notice;
worker_processes 2;

events {{
    worker_connections 512;
}}

http {{
    default_type text/plain;
    access_log {access_log};
{temporary}
    include conf.d/*.conf;
}}
"""

_SITE: Final = """\
server {{
    listen {host}:{port};
    server_name localhost;

    location / {{
        proxy_pass http://{application};
        proxy_http_version 1.1;
        proxy_set_header Host $host;
        proxy_set_header X-Real-IP $remote_addr;
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class Balancer:
    """A running NGINX: what it is, where it listens, and the files it was started from."""

    binary: Binary
    process: asyncio.subprocess.Process
    port: int
    root: Path

    @property
    def conf(self) -> Path:
        """The main configuration file."""
        return self.root / "conf" / "nginx.conf"

    @property
    def site(self) -> Path:
        """The included file with the server block."""
        return self.root / "conf" / "conf.d" / "chat.conf"

    def complaints(self) -> str:
        """The last lines of the error log that are warnings or worse."""
        log = (self.root / "logs" / "error.log").read_text(errors="replace")
        return "\n".join([line for line in log.splitlines() if not _CHATTER.search(line)][-10:])

    def digests(self) -> dict[str, str]:
        """The sha256 (hex) of every file under the configuration folder, by its path in there."""
        folder = self.conf.parent
        files = sorted(path for path in folder.rglob("*") if not path.is_dir())
        return {str(f.relative_to(folder)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


@asynccontextmanager
async def running(
    binary: Binary, root: Path, application: str, port: int = 0, ready: HTTPStatus = HTTPStatus.OK
) -> AsyncIterator[Balancer]:
    """Run an NGINX that serves the pages of ``application`` (``host:port``); its files are under ``root``.

    ``port`` 0 takes a free one. It is up when its health page has the status ``ready``: 502 while the
    application isn't there yet. On exit the master and all its workers are gone; files stay.

    Raises:
        NginxwsError: it doesn't start; NGINX's own words are in ``detail``.
    """
    attempts = BIND_ATTEMPTS
    while True:
        attempts -= 1
        chosen = port or free_port()
        _write_configuration(binary, root, application, chosen)
        balancer = Balancer(binary, await _start(binary, root), chosen, root)
        try:
            words = await _not_ready(balancer, ready)
            if words is None:
                yield balancer
                return
        finally:
            # Fast shutdown: a graceful one (QUIT) would wait for every open WebSocket.
            await end(balancer.process, signal.SIGTERM, STOP_TIMEOUT)
        if not _PORT_TAKEN.search(words) or port or attempts == 0:
            raise _start_error(chosen, words)


def _start_error(port: int, words: str) -> NginxwsError:
    taken = _PORT_TAKEN.search(words) is not None
    return NginxwsError(
        f"NGINX can't listen on {HOST}:{port}: the port is taken" if taken else "NGINX didn't start",
        hint="choose another --port, or leave it out" if taken else "its own words stand above",
        detail=words,
    )


async def _start(binary: Binary, root: Path) -> asyncio.subprocess.Process:
    conf = root / "conf" / "nginx.conf"
    with (root / "logs" / "startup.log").open("wb") as log:
        return await asyncio.create_subprocess_exec(
            binary.path,
            *("-p", root, "-c", conf, "-g", "daemon off;"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=root,
            start_new_session=True,
        )


async def _not_ready(balancer: Balancer, ready: HTTPStatus) -> str | None:
    """Wait until the balancer answers: None, or NGINX's words when it ended or took too long."""
    deadline = asyncio.get_running_loop().time() + START_TIMEOUT
    startup = balancer.root / "logs" / "startup.log"
    while balancer.process.returncode is None and asyncio.get_running_loop().time() < deadline:
        if _PORT_TAKEN.search(startup.read_text(errors="replace")):  # NGINX goes on trying for seconds
            break
        if await http_status(HOST, balancer.port, HEALTH_PATH, timeout=0.5) == ready:
            return None
        await asyncio.sleep(0.02)
    return startup.read_text(errors="replace") or f"(nothing within {START_TIMEOUT:g} s)"


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _write_configuration(binary: Binary, root: Path, application: str, port: int) -> None:
    for folder in ("conf/conf.d", "logs", "temp"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    paths = [name for name, module in _TEMPORARY.items() if module not in binary.without]
    main = _MAIN.format(
        user=_user_directive(),
        pid=_word(root / "nginx.pid"),
        error_log=_word(root / "logs" / "error.log"),
        access_log=_word(root / "logs" / "access.log"),
        temporary="".join(f"    {name}_temp_path {_word(root / 'temp' / name)};\n" for name in paths),
    )
    (root / "conf" / "nginx.conf").write_text(main)
    site = _SITE.format(host=HOST, port=port, application=application)
    (root / "conf" / "conf.d" / "chat.conf").write_text(site)


def _word(path: Path) -> str:
    """A path as one word of NGINX configuration; quoted only where it must be."""
    text = str(path)
    if re.fullmatch(r"[\w./~+@%,=-]+", text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _user_directive() -> str:
    """As root, NGINX would give its workers to nobody, who may not enter our folder (0700)."""
    if os.geteuid() != 0:
        return ""
    return f"user {pwd.getpwuid(0).pw_name} {grp.getgrgid(os.getegid()).gr_name};\n"
