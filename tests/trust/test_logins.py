"""Keys, agents and hops against real OpenSSH: what is offered, in which order, and what never is."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import asyncssh
import pytest
from support.login import SOON, configure, keygen, login, public, ssh_keygen, works
from support.sshd import SshdFactory, SshServer

from nginxws.errors import AuthenticationFailed, HostKeyError
from nginxws.nodes.connect import SshOptions, connect
from nginxws.nodes.transport import Target

pytestmark = pytest.mark.sshd


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Path]:
    """The socket of a real ssh-agent."""
    path = tmp_path / "agent"
    child = subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + SOON
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    yield path
    child.terminate()
    child.wait(SOON)


def add(agent: Path, *keys: Path) -> None:
    environment = {**os.environ, "SSH_AUTH_SOCK": str(agent)}
    for key in keys:
        subprocess.run(["ssh-add", "-q", str(key)], check=True, capture_output=True, env=environment)


def offered(server: SshServer) -> list[str]:
    """Fingerprints of the keys tried since the last call, in the order of the server's log."""
    text = server.log.read_text()
    server.log.write_text("")
    return [found for _, found in re.findall(r"(Failed|Postponed|Accepted) publickey .* (SHA256:\S+)", text)]


@pytest.mark.parametrize("only", ["no", "yes"])
def test_keys_are_tried_in_the_order_of_ssh(
    sshd: SshdFactory, agent: Path, tmp_path: Path, only: str
) -> None:
    """Four keys in the agent, one of them named, one only in a file, none accepted."""
    server = sshd("MaxAuthTries 20")
    server.authorized_keys.write_text(f"{public(keygen(tmp_path / 'stranger'))}\n")
    held = [keygen(tmp_path / f"held{number}") for number in range(4)]
    add(agent, *held)
    filed = keygen(tmp_path / "filed")
    text = server.config.read_text().replace(f"IdentityFile {server.key}", "")
    server.config.write_text(text)
    configure(
        server,
        f"IdentityAgent {agent}",
        f"IdentityFile {filed}",
        f"IdentityFile {held[2]}",
        f"IdentitiesOnly {only}",
    )
    subprocess.run(
        ["ssh", "-F", server.config, "-o", "BatchMode=yes", "node"], capture_output=True, check=False
    )
    theirs = offered(server)
    with pytest.raises(AuthenticationFailed):
        login(server)
    assert offered(server) == theirs
    assert len(theirs) == (2 if only == "yes" else 5)


def test_certificate_of_the_agent(sshd: SshdFactory, agent: Path, tmp_path: Path) -> None:
    authority, key = keygen(tmp_path / "ca"), keygen(tmp_path / "key")
    server = sshd(f"TrustedUserCAKeys {authority}.pub")
    ssh_keygen("-s", str(authority), "-I", "me", "-n", server.user, f"{key}.pub")
    add(agent, key)
    for path in tmp_path.glob("key*"):
        path.unlink()
    server.authorized_keys.write_text("")
    configure(server, f"IdentityAgent {agent}")
    assert works(login(server))
    assert "ED25519-CERT" in server.log.read_text()


def test_expired_certificate_is_no_way_in(sshd: SshdFactory, tmp_path: Path) -> None:
    authority, key = keygen(tmp_path / "ca"), keygen(tmp_path / "key")
    server = sshd(f"TrustedUserCAKeys {authority}.pub")
    ssh_keygen("-s", str(authority), "-I", "me", "-n", server.user, "-V", "20200101:20200102", f"{key}.pub")
    server.config.write_text(server.config.read_text().replace(str(server.key), str(key)))
    with pytest.raises(AuthenticationFailed, match="accepts none of our keys"):
        login(server)


def test_passphrase_tries_are_three_and_an_empty_answer_ends_them(sshd: SshdFactory, tmp_path: Path) -> None:
    server = sshd()
    key = keygen(tmp_path / "key", "-t", "ed25519", "-N", "right")
    server.config.write_text(server.config.read_text().replace(str(server.key), str(key)))
    for answers, count, words in ((["a", "b", "c", "d"], 3, "isn't opened"), (["", "b"], 1, "no passphrase")):
        given, asked = iter(answers), list[str]()
        options = SshOptions(config=server.config, ask=lambda prompt: asked.append(prompt) or next(given))  # type: ignore[func-returns-value]  # noqa: B023
        with pytest.raises(AuthenticationFailed) as caught:
            connect(Target.parse("node"), options)
        assert len(set(asked)) == len(asked) == count
        assert words in str(caught.value.detail)


# --- hops ----------------------------------------------------------------------------------------


@pytest.fixture
def hops(sshd: SshdFactory) -> tuple[SshServer, SshServer]:
    """A node, and the hop before it; the node's client files lead through the hop."""
    server, jump = sshd(), sshd()
    server.known_hosts.write_text(server.known_hosts.read_text() + jump.known_hosts.read_text())
    hop = f"Host hop\n  HostName 127.0.0.1\n  Port {jump.port}\n  User {jump.user}\n  IdentityFile {jump.key}"
    configure(server, f"Host node\n  ProxyJump hop\n  IdentityFile {server.key}", hop)
    return server, jump


@pytest.mark.parametrize("whose", ["hop", "node"])
@pytest.mark.parametrize("state", ["unknown", "changed", "revoked"])
def test_every_hop_is_judged_by_itself(
    hops: tuple[SshServer, SshServer], tmp_path: Path, whose: str, state: str
) -> None:
    server, jump = hops
    bad, good = (jump, server) if whose == "hop" else (server, jump)
    line = {
        "unknown": "",
        "changed": f"{bad.known_as} {public(keygen(tmp_path / 'other'))}\n",
        "revoked": f"@revoked * {bad.host_public_key}\n{bad.known_as} {bad.host_public_key}\n",
    }[state]
    server.known_hosts.write_text(f"{good.known_as} {good.host_public_key}\n{line}")
    configure(server, "StrictHostKeyChecking yes")
    with pytest.raises(HostKeyError) as caught:
        login(server)
    assert caught.value.node == whose
    assert "Accepted" not in bad.log.read_text(), "no key was shown to it"


def test_key_taken_unseen_at_each_hop_is_written_under_its_own_name(
    hops: tuple[SshServer, SshServer],
) -> None:
    server, jump = hops
    server.known_hosts.write_text("")
    assert works(login(server, accept_new=True))
    assert server.known_hosts.read_text().splitlines() == [
        f"{hop.known_as} {hop.host_public_key}" for hop in (jump, server)
    ]


# --- nothing is forwarded ------------------------------------------------------------------------


def test_no_forwarding_is_asked_for_whatever_ssh_config_says(
    sshd: SshdFactory, agent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = sshd("LogLevel DEBUG3", "AcceptEnv *", "X11Forwarding yes", "PermitTunnel yes")
    add(agent, server.key)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(agent))
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setenv("NGINXWS_SECRET", "PLANTED")
    configure(
        server, f"IdentityAgent {agent}", "ForwardAgent yes", "ForwardX11 yes", "ForwardX11Trusted yes",
        "RemoteForward 0 127.0.0.1:1", "LocalForward 127.0.0.1:0 127.0.0.1:1", "DynamicForward 0",
        "Tunnel yes", "SendEnv NGINXWS_* DISPLAY", "SetEnv X=y", "RequestTTY force",
        "PermitLocalCommand yes", "LocalCommand false",
    )  # fmt: skip
    with login(server) as transport:
        process = transport.run(["env"])
        process.close_stdin()
        text = b""
        while more := process.read(65536, SOON):
            text += more
    assert b"SSH_CONNECTION=" in text
    for name in (b"SSH_AUTH_SOCK=", b"DISPLAY=", b"PLANTED", b"X=y", b"SSH_TTY="):
        assert name not in text
    log = server.log.read_text()
    assert set(re.findall(r"server_input_channel_req: channel \d+ request (\S+)", log)) == {"exec"}
    assert not re.findall(r"server_input_global_request: rtype (?!keepalive)(\S+)", log)


class Opener(asyncssh.SSHServer):
    """A node that tries to open channels to us while a program runs there."""

    def __init__(self) -> None:
        self.refused: dict[str, str] = {}

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self.conn = conn

    def begin_auth(self, username: str) -> bool:
        return False

    async def handle(self, process: asyncssh.SSHServerProcess[str]) -> None:
        conn = self.conn
        tries = {
            "forwarded-tcpip": lambda: conn.create_connection(asyncssh.SSHTCPSession, "127.0.0.1", 22),
            "x11": lambda: conn.create_x11_channel().open(asyncssh.SSHTCPSession, "127.0.0.1", 6000),
            "auth-agent": lambda: conn.create_agent_channel().open(asyncssh.SSHUNIXSession),
        }
        for name, attempt in tries.items():
            try:
                await attempt()  # type: ignore[no-untyped-call]
                self.refused[name] = "no"
            except asyncssh.ChannelOpenError:
                self.refused[name] = "yes"
        process.exit(0)


def test_a_node_opens_no_channel_to_us(tmp_path: Path, agent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", str(agent))
    host_key = keygen(tmp_path / "host")
    opener = Opener()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        acceptor = asyncio.run_coroutine_threadsafe(_serve(opener, host_key), loop).result(SOON)
        port = acceptor.get_port()
        (tmp_path / "known_hosts").write_text(f"[127.0.0.1]:{port} {public(host_key)}\n")
        (tmp_path / "config").write_text(
            f"UserKnownHostsFile {tmp_path}/known_hosts\nForwardAgent yes\nForwardX11 yes\n"
        )
        options = SshOptions(config=tmp_path / "config")
        with connect(Target.parse(f"ssh://me@127.0.0.1:{port}"), options) as transport:
            assert transport.run(["true"]).wait(SOON) == 0
        asyncio.run_coroutine_threadsafe(_shut(acceptor), loop).result(SOON)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(SOON)
        loop.close()
    assert opener.refused == {"forwarded-tcpip": "yes", "x11": "yes", "auth-agent": "yes"}


async def _serve(opener: Opener, host_key: Path) -> asyncssh.SSHAcceptor:
    return await asyncssh.create_server(
        lambda: opener, "127.0.0.1", 0, server_host_keys=[str(host_key)], process_factory=opener.handle
    )


async def _shut(acceptor: asyncssh.SSHAcceptor) -> None:
    acceptor.close()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(acceptor.wait_closed(), 5)
