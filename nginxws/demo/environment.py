"""``nginxws demo --environment``: a balancer and an empty application node, brought up by one command.

Both nodes are folders on this machine, each with an SSH server of its own. The manifest that says what
is wanted is shown first; then ``nginxws env up`` does it, twice, and ``nginxws env down`` takes it back.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shlex
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final

from nginxws.demo import balancer, binary, chat, clients, sshserver
from nginxws.demo.narrator import Narrator
from nginxws.demo.page import FOLDER
from nginxws.demo.processes import Interrupts
from nginxws.demo.run import Options, nginxws, stay, talk, unexpected
from nginxws.demo.stage import Stage, account, temporary_folder

APP: Final = "chat"
_GRACE: Final = 5.0  # seconds for the application to end

_MANIFEST: Final = """\
format = 1

[environment]
domain = "{host}:{port}"

# The balancer: its NGINX runs, and knows nothing of WebSockets.
[nodes.balancer]
nginx_conf = "{conf}"
nginx_bin = "{binary}"
state_dir = "{folder}/state"

# The application's node: nothing is there yet.
[apps.{app}]
address = "{host}"
port = {application}
source = "app"
target = "{node}/{app}"
restart = "{node}/restart"
state_dir = "{folder}/state-application"

# The page says in one place where its WebSocket is.
[[apps.{app}.websocket]]
file = "chat.js"
pattern = 'const wsUri = "([^"]*)"'

[[routes]]
path = "{path}"
backends = ["app:{app}"]
"""
# What a service manager would do.
_RESTART: Final = """\
#!/bin/sh
cd {node} || exit
if read -r pid 2>/dev/null <pid; then
  kill "$pid" 2>/dev/null
  while kill -0 "$pid" 2>/dev/null; do sleep 0.05 2>/dev/null || sleep 1; done
  rm pid
fi
[ -d {app}/current ] || exit 0
nohup {python} -m nginxws.demo.application --host {host} --port {port} --origin {origin} \\
  --folder {app}/current </dev/null >log 2>&1 &
echo $! >pid
"""


@dataclass(frozen=True, slots=True)
class Place:
    """What there is besides the stage: the manifest's folder, and the application's node."""

    stage: Stage
    project: Path
    node: Path

    def digests(self) -> dict[str, str]:
        """The sha256 (hex) of every file of both nodes, by its name; the application's log isn't one."""
        own = (path for path in sorted(self.node.rglob("*")) if path.is_file() and path.name != "log")
        found = {f"application/{path.relative_to(self.node)}": _sha256(path) for path in own}
        return {**self.stage.balancer.digests(), **found}


async def run(options: Options, narrator: Narrator) -> None:
    """Run the demo to its end. Raises as ``nginxws.demo.run.run`` does."""
    with Interrupts() as interrupts:
        async with AsyncExitStack() as cleanup:
            place = await interrupts.run(_prepare(cleanup, options))
            before = place.digests()
            await interrupts.run(_up(place, narrator))
            if options.once:
                await interrupts.run(talk(place.stage, narrator))
                await interrupts.run(_down(place, narrator, before))
            else:
                await stay(place.stage, narrator, interrupts, options.open_browser)


async def _prepare(cleanup: AsyncExitStack, options: Options) -> Place:
    """Start the nodes; ``cleanup`` ends them in reverse order."""
    program = binary.find(options.nginx_bin)
    folder = cleanup.enter_context(temporary_folder())
    user, variables = account(folder)
    node, project = folder / "application", folder / "project"
    node.mkdir()
    application = balancer.free_port()
    running = balancer.running(
        program, folder / "nginx", f"{balancer.HOST}:{application}", options.port, HTTPStatus.BAD_GATEWAY
    )
    server = await cleanup.enter_async_context(running)
    cleanup.enter_context(_ended(node / "pid"))
    ssh = [
        await cleanup.enter_async_context(sshserver.serve(folder / f"ssh-{name}", user, variables, name))
        for name in (sshserver.ALIAS, APP)
    ]
    config = folder / "ssh_config"
    config.write_text("".join(one.config.read_text() for one in ssh))
    stage = Stage(folder, application, server, sshserver.Endpoint(ssh[0].port, user, config))
    _write(stage, project, node)
    return Place(stage, project, node)


def _write(stage: Stage, project: Path, node: Path) -> None:
    """The manifest with the application's source beside it, and what restarts it on its node."""
    shutil.copytree(FOLDER, project / "app")
    words = {"host": balancer.HOST, "app": APP}
    manifest = _MANIFEST.format(
        **words,
        port=stage.balancer.port,
        conf=stage.balancer.conf,
        binary=stage.balancer.binary.path,
        folder=stage.folder,
        application=stage.application,
        node=node,
        path=chat.WS_PATH,
    )
    (project / "nginxws.toml").write_text(manifest)
    restart = node / "restart"
    paths = os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path)
    python = f"env PYTHONPATH={shlex.quote(paths)} {shlex.quote(sys.executable)}"
    origin = stage.page.rstrip("/")
    restart.write_text(
        _RESTART.format(
            **words, node=shlex.quote(str(node)), python=python, port=stage.application, origin=origin
        )
    )
    restart.chmod(0o755)


@contextmanager
def _ended(pid_file: Path) -> Iterator[None]:
    """The application whose process id stands in this file ends with the block."""
    try:
        yield
    finally:
        with suppress(OSError, ValueError):
            os.kill(int(pid_file.read_text()), signal.SIGTERM)


async def _up(place: Place, narrator: Narrator) -> None:
    stage = place.stage
    narrator.step("A balancer, and a node for an application, which is empty")
    narrator.fact("balancer", f"{stage.page}  (NGINX {stage.balancer.binary.version})")
    narrator.fact("application", f"{place.node}  (will listen on port {stage.application})")
    narrator.step("The manifest says what is wanted: nginxws.toml")
    for line in (place.project / "nginxws.toml").read_text().splitlines():
        narrator.text(line)
    narrator.step("One command brings the environment up")
    await _env(place, narrator, "up", "--yes", "--verbose")
    for name in ("page", "websocket"):
        narrator.good(f"{name}: {getattr(stage, name)}")
    status = await clients.handshake_status(stage.websocket)
    if status != HTTPStatus.SWITCHING_PROTOCOLS:
        raise unexpected(stage, f"{stage.websocket} doesn't answer 101")
    narrator.step("The same command again has nothing to do")
    pid = (place.node / "pid").read_text()
    await _env(place, narrator, "up", "--yes")
    if (place.node / "pid").read_text() != pid:
        raise unexpected(stage, "the application was restarted, with nothing to do")


async def _down(place: Place, narrator: Narrator, before: dict[str, str]) -> None:
    narrator.step("And it is all taken back")
    await _env(place, narrator, "down", "--yes", "--verbose")
    after = place.digests()
    changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    if changed:
        raise unexpected(place.stage, f"a node isn't as at the start: {', '.join(changed)}")
    narrator.step("Both nodes are as at the start")
    for name, digest in after.items():
        narrator.good(f"{name}  sha256 {digest}")


async def _env(place: Place, narrator: Narrator, *words: str) -> None:
    config = ("--ssh-config", str(place.stage.ssh.config))
    await nginxws(place.stage, narrator, "env", *words, *config, folder=place.project)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main(options: Options) -> None:
    """Run it from the command line."""
    asyncio.run(run(options, Narrator()))
