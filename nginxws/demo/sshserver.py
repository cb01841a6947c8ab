"""A real SSH server in this process: the way nginxws reaches the demo's balancer.

It takes one key, runs commands with the system's shell and forwards connections
to loopback (direct-tcpip); nothing else. All keys are made afresh.
"""

from __future__ import annotations

import asyncio
import ipaddress
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from nginxws.demo.processes import kill_group
from nginxws.errors import NginxwsError

if TYPE_CHECKING:
    import asyncssh

HOST: Final = "127.0.0.1"
ALIAS: Final = "balancer"  # what the generated ssh_config calls this server
CHUNK: Final = 64 * 1024  # bytes
POLL: Final = 0.005  # seconds between two looks whether a command has ended
STOP_TIMEOUT: Final = 10.0  # seconds a command may take to clean up when its client is gone
OUTPUT_TIMEOUT: Final = 1.0  # seconds; a background process may hold a finished command's output open

_CLIENT_CONFIG: Final = """\
Host {alias}
    HostName {host}
    Port {port}
    User {user}
    IdentityFile "{folder}/client_key"
    IdentitiesOnly yes
    IdentityAgent none
    UserKnownHostsFile "{folder}/known_hosts"
    GlobalKnownHostsFile none
    StrictHostKeyChecking yes
"""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the server listens, who may log in, and the ssh_config(5) file that says how."""

    port: int
    user: str
    config: Path


@asynccontextmanager
async def serve(
    folder: Path, user: str, environment: Mapping[str, str], alias: str = ALIAS
) -> AsyncIterator[Endpoint]:
    """Serve SSH on a free loopback port; keys, known_hosts and config are written into ``folder``.

    ``alias`` is what the ssh_config calls it. ``environment`` is what commands get; they start in its
    ``HOME``. On exit all connections are cut and all commands have ended, by themselves or killed.

    Raises:
        NginxwsError: asyncssh isn't installed.
    """
    try:
        import asyncssh
    except ImportError as error:
        raise NginxwsError(
            "the demo's SSH server needs the package asyncssh", hint="pip install 'nginxws[demo]'"
        ) from error

    host_key, client_key = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    gate = _Gate(user, client_key.export_public_key())
    shells = _Shells(environment)
    listener = await asyncssh.listen(
        HOST,
        0,
        server_factory=gate.server,
        process_factory=shells.run,
        server_host_keys=[host_key],
        encoding=None,
        line_editor=False,
        allow_pty=False,
        agent_forwarding=False,
        password_auth=False,
        kbdint_auth=False,
        gss_host=None,
    )
    try:
        yield _write_client_files(folder, alias, user, listener.get_port(), host_key, client_key)
    finally:
        listener.close()
        gate.close()
        await shells.close()
        await listener.wait_closed()


def _write_client_files(
    folder: Path, alias: str, user: str, port: int, host_key: asyncssh.SSHKey, client_key: asyncssh.SSHKey
) -> Endpoint:
    """What a client needs to log in, for ``ssh -F``: key, known_hosts and config."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "client_key").touch(mode=0o600)  # asyncssh writes it with the umask's mode
    client_key.write_private_key(folder / "client_key")
    public = host_key.export_public_key().decode()
    (folder / "known_hosts").write_text(f"[{HOST}]:{port} {public}")
    config = folder / "config"
    config.write_text(_CLIENT_CONFIG.format(alias=alias, host=HOST, port=port, user=user, folder=folder))
    return Endpoint(port, user, config)


class _Gate:
    """Who may come in, and where they may be forwarded to."""

    def __init__(self, user: str, public_key: bytes) -> None:
        self._user = user
        self._public_key = public_key
        self._connections: set[asyncssh.SSHServerConnection] = set()

    def server(self) -> asyncssh.SSHServer:
        """The callbacks of one connection (asyncssh.SSHServer)."""
        import asyncssh

        gate = self

        class Server(asyncssh.SSHServer):
            def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
                self._connection = conn
                gate._connections.add(conn)

            def connection_lost(self, exc: Exception | None) -> None:
                gate._connections.discard(self._connection)

            def public_key_auth_supported(self) -> bool:
                return True

            def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
                return username == gate._user and key.export_public_key() == gate._public_key

            def connection_requested(
                self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
            ) -> bool:
                if is_loopback(dest_host):
                    return True
                raise asyncssh.ChannelOpenError(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, "loopback only")

        return Server()

    def close(self) -> None:
        """Cut every connection."""
        for connection in list(self._connections):
            connection.abort()


def is_loopback(host: str) -> bool:
    """Whether ``host`` is this machine's own: ``localhost`` or a loopback address."""
    if host == "localhost":
        return True
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False


class _Shells:
    """The commands that clients run here, each leading a session of its own."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)
        self._jobs: dict[asyncio.Task[Any], asyncio.subprocess.Process] = {}
        self._leaders: list[int] = []  # of every session started, ended or not
        self._outputs: set[asyncio.Task[None]] = set()  # ended when nobody holds the output open

    async def run(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        """Run one client's command and say how it ended; without a command, a shell that reads stdin."""
        import asyncssh

        child = await asyncio.create_subprocess_exec(
            "/bin/sh",
            *(() if process.command is None else ("-c", process.command)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=self._environment["HOME"],
            env=self._environment,
            start_new_session=True,
        )
        task = asyncio.current_task()
        assert task is not None
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stderr is not None
        self._jobs[task] = child
        self._leaders.append(child.pid)
        feeding = asyncio.create_task(_feed(process.stdin, child.stdin))
        telling = {
            asyncio.create_task(_tell(child.stdout, process.stdout)),
            asyncio.create_task(_tell(child.stderr, process.stderr)),
        }
        self._outputs |= telling
        try:
            status = await _exited(child)
            await asyncio.wait(telling, timeout=OUTPUT_TIMEOUT)
        finally:
            feeding.cancel()
            del self._jobs[task]
        with suppress(OSError, asyncssh.Error):  # the client may be gone
            if status >= 0:
                process.exit(status)
            else:
                process.exit_with_signal(signal.Signals(-status).name.removeprefix("SIG"))

    async def close(self) -> None:
        """End what still runs. A command has seen its stdin end and may clean up first."""
        if self._jobs:
            await asyncio.wait(self._jobs, timeout=STOP_TIMEOUT)
        for child in self._jobs.values():
            kill_group(child.pid)
        if self._jobs:
            await asyncio.wait(self._jobs)
        for leader in self._leaders:
            kill_group(leader)  # background processes of commands that ended long ago
        if self._outputs:
            await asyncio.wait(self._outputs, timeout=OUTPUT_TIMEOUT)


async def _exited(child: asyncio.subprocess.Process) -> int:
    """The exit status. ``child.wait()`` would also wait for background processes that hold its pipes."""
    while child.returncode is None:
        await asyncio.sleep(POLL)
    return child.returncode


async def _feed(client: asyncssh.SSHReader[bytes], stdin: asyncio.StreamWriter) -> None:
    """The client's bytes to a command's stdin, until either side ends."""
    import asyncssh

    with suppress(OSError, asyncssh.Error):
        while True:
            try:
                chunk = await client.read(CHUNK)
            except (asyncssh.SignalReceived, asyncssh.BreakReceived, asyncssh.TerminalSizeChanged):
                continue
            if not chunk:
                break
            stdin.write(chunk)
            await stdin.drain()
    stdin.close()


async def _tell(output: asyncio.StreamReader, client: asyncssh.SSHWriter[bytes]) -> None:
    """A command's output to the client; once the client is gone, to nobody, so that the command can end."""
    import asyncssh

    gone = False
    while chunk := await output.read(CHUNK):
        if gone:
            continue
        try:
            client.write(chunk)
            await client.drain()
        except (OSError, asyncssh.Error):
            gone = True
