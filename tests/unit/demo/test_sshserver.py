"""The demo's SSH server, asked by the real OpenSSH client and by paramiko."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncssh
import paramiko
import pytest
from support.sshd import need

from nginxws.demo import sshserver
from nginxws.demo.sshserver import Endpoint, is_loopback, serve
from nginxws.errors import NginxwsError


def run(scenario: Coroutine[Any, Any, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(30):
            await scenario

    asyncio.run(bounded())


@asynccontextmanager
async def serving(tmp_path: Path) -> AsyncIterator[Endpoint]:
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    async with serve(tmp_path / "ssh", "tester", environment) as endpoint:
        yield endpoint


async def ssh(endpoint: Endpoint, *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(need("ssh"), "-F", str(endpoint.config), "-o", "BatchMode=yes", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def outcome(endpoint: Endpoint, *arguments: str, stdin: bytes = b"") -> tuple[int | None, bytes, bytes]:
    process = await ssh(endpoint, *arguments)
    out, err = await process.communicate(stdin)
    return process.returncode, out, err


def test_commands_speak_in_bytes_on_three_streams(tmp_path: Path) -> None:
    everything = bytes(range(256)) * 8192  # 2 MiB

    async def scenario() -> None:
        async with serving(tmp_path) as endpoint:
            assert await outcome(endpoint, "balancer", "cat", stdin=everything) == (0, everything, b"")
            command = "pwd; echo warning >&2; exit 7"
            assert await outcome(endpoint, "balancer", command) == (7, f"{tmp_path}\n".encode(), b"warning\n")

    run(scenario())


def test_a_command_that_is_killed_and_one_that_leaves_something_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sshserver, "OUTPUT_TIMEOUT", 0.05)

    async def scenario() -> None:
        async with serving(tmp_path) as endpoint:
            assert (await outcome(endpoint, "balancer", "kill -9 $$"))[0] == 255
            assert (await outcome(endpoint, "balancer", "sleep 1000 & echo $!"))[0] == 0

    run(scenario())


def test_without_a_command_a_shell_reads_stdin(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(tmp_path) as endpoint:
            assert (await outcome(endpoint, "-T", "balancer", stdin=b"echo $HOME\nexit 3\n"))[:2] == (
                3,
                f"{tmp_path}\n".encode(),
            )

    run(scenario())


def test_nobody_else_gets_in(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(tmp_path) as endpoint:
            assert (await outcome(endpoint, "-l", "root", "balancer", "true"))[0] == 255
            key = paramiko.ECDSAKey.generate()
            for secret in ({"pkey": key}, {"password": "tester"}):
                with pytest.raises(paramiko.AuthenticationException):
                    await asyncio.to_thread(_paramiko, endpoint, **secret)

    run(scenario())


def test_what_the_key_and_the_host_are_is_written_down_privately(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(tmp_path) as endpoint:
            assert (endpoint.config.parent / "client_key").stat().st_mode & 0o777 == 0o600
            (endpoint.config.parent / "known_hosts").write_text("")
            code, _, err = await outcome(endpoint, "balancer", "true")
            assert code == 255
            assert b"Host key verification failed" in err

    run(scenario())


def _paramiko(endpoint: Endpoint, **secret: Any) -> paramiko.SSHClient:
    client = paramiko.SSHClient()
    client.load_host_keys(str(endpoint.config.parent / "known_hosts"))
    try:
        client.connect(
            "127.0.0.1",
            endpoint.port,
            endpoint.user,
            look_for_keys=False,
            allow_agent=False,
            timeout=5,
            **secret,
        )
    except paramiko.SSHException:
        client.close()
        raise
    return client


def test_connections_are_forwarded_to_this_machine_only(tmp_path: Path) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Until the client's end: asyncssh 2.24 leaves a channel open whose far side ended first.
        writer.write(b"heard " + await reader.read())
        writer.close()
        await writer.wait_closed()

    async def scenario() -> None:
        async with serving(tmp_path) as endpoint:
            listener = await asyncio.start_server(answer, "127.0.0.1", 0)
            port = listener.sockets[0].getsockname()[1]
            code, out, _ = await outcome(endpoint, "-W", f"127.0.0.1:{port}", "balancer", stdin=b"this\n")
            assert (code, out) == (0, b"heard this\n")
            assert await asyncio.to_thread(_forward_with_paramiko, endpoint, port) == b"heard that\n"
            code, out, err = await outcome(endpoint, "-W", "192.0.2.1:80", "balancer")
            assert (code, out) == (255, b"")
            assert b"administratively prohibited" in err
            listener.close()
            await listener.wait_closed()

    run(scenario())


def _forward_with_paramiko(endpoint: Endpoint, port: int) -> bytes:
    client = _paramiko(endpoint, key_filename=str(endpoint.config.parent / "client_key"))
    try:
        transport = client.get_transport()
        assert transport is not None
        channel = transport.open_channel("direct-tcpip", ("127.0.0.1", port), ("127.0.0.1", 0), timeout=5)
        channel.sendall(b"that\n")
        channel.shutdown_write()
        received: bytes = channel.makefile("rb").read()
        return received
    finally:
        client.close()


def test_a_command_notices_that_its_client_is_gone(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(tmp_path) as endpoint:
            process = await ssh(endpoint, "balancer", "echo ready; cat; echo cleaned >cleaned")
            assert process.stdout is not None
            assert await process.stdout.readline() == b"ready\n"
            process.kill()
            await process.wait()
            while not (tmp_path / "cleaned").exists():  # bounded by run()
                await asyncio.sleep(0.01)

    run(scenario())


def test_the_end_of_the_server_is_the_end_of_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command that cleans up may do so; one that doesn't end, and what others left behind, is killed."""
    monkeypatch.setattr(sshserver, "STOP_TIMEOUT", 0.5)
    monkeypatch.setattr(sshserver, "OUTPUT_TIMEOUT", 0.05)
    commands = ("echo $$; cat >/dev/null; echo cleaned >cleaned", "echo $$; exec sleep 1000")

    async def scenario() -> None:
        pids = []
        async with serving(tmp_path) as endpoint:
            pids.append(int((await outcome(endpoint, "balancer", "sleep 1000 & echo $!"))[1]))
            clients = [await ssh(endpoint, "balancer", command) for command in commands]
            for client in clients:
                assert client.stdout is not None
                pids.append(int(await client.stdout.readline()))
            assert all(_runs(pid) for pid in pids[:1] + pids[2:])
        assert (tmp_path / "cleaned").exists()
        while any(_runs(pid) for pid in pids):  # killed orphans are reaped by init; bounded by run()
            await asyncio.sleep(0.01)
        for client in clients:
            assert (await client.communicate())[0] == b""
            assert client.returncode == 255

    run(scenario())


def _runs(pid: int) -> bool:
    """Whether a process is there and not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_without_asyncssh_the_way_to_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        async with serving(tmp_path):
            pytest.fail("it can't run")

    monkeypatch.setitem(sys.modules, "asyncssh", None)
    with pytest.raises(NginxwsError, match="asyncssh") as error:
        run(scenario())
    assert error.value.hint == "pip install 'nginxws[demo]'"


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("192.0.2.1", False),
        ("localhost.example.com", False),
        ("", False),
    ],
)
def test_what_is_loopback(host: str, own: bool) -> None:
    assert is_loopback(host) is own


class Client:
    """The client's side of a session: what it sends, and how it takes what is sent to it."""

    def __init__(self, sends: list[bytes | Exception], gone_after: int = 99) -> None:
        self.sends = sends
        self.got: list[bytes] = []
        self.gone_after = gone_after

    async def read(self, _size: int) -> bytes:
        said = self.sends.pop(0)
        if isinstance(said, Exception):
            raise said
        return said

    def write(self, data: bytes) -> None:
        if len(self.got) == self.gone_after:
            raise BrokenPipeError
        self.got.append(data)

    async def drain(self) -> None:
        pass


def test_a_signal_or_another_size_of_the_window_is_no_end_of_input() -> None:
    events = [
        asyncssh.BreakReceived(1),
        asyncssh.SignalReceived("INT"),
        asyncssh.TerminalSizeChanged(80, 25, 0, 0),
    ]
    client: Any = Client([b"one", *events, b"two", b""])
    written: list[bytes] = []

    class Stdin(Client):
        def close(self) -> None:
            written.extend([*self.got, b"closed"])

    stdin: Any = Stdin([])
    run(sshserver._feed(client, stdin))
    assert written == [b"one", b"two", b"closed"]


def test_a_command_can_end_when_its_client_is_gone() -> None:
    client: Any = Client([], gone_after=1)
    left = [b"heard", b"lost", b"lost too", b""]

    class Output:
        async def read(self, _size: int) -> bytes:
            return left.pop(0)

    output: Any = Output()
    run(sshserver._tell(output, client))
    assert client.got == [b"heard"]
    assert left == []
