"""What a demo runs on: balancer, SSH server and application, in one temporary folder, on loopback."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nginxws.demo import balancer, binary, chat, sshserver
from nginxws.errors import NginxwsError

# Other sites' pages, open in the same browser, shall not listen in.
LOOPBACK_ORIGIN: Final = re.compile(r"http://(?:127\.0\.0\.1|localhost):\d+")


@dataclass(frozen=True, slots=True)
class Stage:
    """All that runs during a demo."""

    folder: Path
    application: int  # port
    balancer: balancer.Balancer
    ssh: sshserver.Endpoint

    @property
    def page(self) -> str:
        """The address for a browser."""
        return f"http://{balancer.HOST}:{self.balancer.port}/"

    @property
    def websocket(self) -> str:
        """The address the page speaks to, once there is a route."""
        return f"ws://{balancer.HOST}:{self.balancer.port}{chat.WS_PATH}"

    @property
    def target(self) -> tuple[str, ...]:
        """The options that tell nginxws which balancer is meant."""
        return (
            *("--node", f"ssh://{sshserver.ALIAS}"),
            *("--ssh-config", str(self.ssh.config)),
            *("--nginx-conf", str(self.balancer.conf)),
            *("--nginx-bin", str(self.balancer.binary.path)),
            *("--state-dir", str(self.folder / "state")),
        )


async def prepare(cleanup: AsyncExitStack, nginx_bin: Path | None = None, port: int = 0) -> Stage:
    """Start everything; ``cleanup`` ends it in reverse order. ``port`` 0 takes any free one.

    Raises:
        NginxwsError: a part is missing on this machine or doesn't start.
    """
    program = binary.find(nginx_bin)
    folder = cleanup.enter_context(temporary_folder())
    user, environment = account(folder)
    application = await cleanup.enter_async_context(chat.serve(origins=LOOPBACK_ORIGIN))
    backend = f"{balancer.HOST}:{application}"
    node = await cleanup.enter_async_context(balancer.running(program, folder / "nginx", backend, port))
    # Last in, first out: a command that is cut off puts the balancer back while it still runs.
    ssh = await cleanup.enter_async_context(sshserver.serve(folder / "ssh", user, environment))
    return Stage(folder, application, node, ssh)


def account(folder: Path) -> tuple[str, dict[str, str]]:
    """Who we are on the nodes, and what commands get there; ``folder`` holds the home of it."""
    home, temporary = folder / "home", folder / "tmp"
    home.mkdir()
    temporary.mkdir()
    user = _user()
    return user, {
        "HOME": str(home),
        "TMPDIR": str(temporary),
        "USER": user,
        "LOGNAME": user,
        "SHELL": "/bin/sh",
        "PATH": os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin")),
    }


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder that is gone at the end, with all that is in it."""
    folder = Path(tempfile.mkdtemp(prefix="nginxws-demo-")).resolve()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if folder.exists():
            raise NginxwsError(
                "the demo's folder can't be removed", file=str(folder), hint="remove it by hand"
            )


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container may run us under a number that has no name
        return f"uid{os.getuid()}"
