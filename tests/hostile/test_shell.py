"""Words for a node arrive there as they are, through every shell on the way; nothing in them is ever run."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from support import hostile
from support.backend import Backend, echo_backend, echoes
from support.command import Nginxws
from support.hostile import Mint, mints
from support.nginx import NginxNode
from support.sshd import SshServer, need, running

from nginxws.nodes.connect import SshOptions, connect
from nginxws.nodes.local import LocalProcess, LocalTransport
from nginxws.nodes.options import NodeOptions
from nginxws.nodes.script import script
from nginxws.nodes.session import Session
from nginxws.nodes.ssh.transport import SshTransport
from nginxws.nodes.sudo import Sudo, SudoMode
from nginxws.nodes.transport import RemoteProcess, Target, Transport

pytestmark = [pytest.mark.nginx, pytest.mark.sshd]
SHELLS = {"dash": ["dash"], "bash": ["bash"], "busybox": ["busybox", "sh"]}
#: Login shells that aren't POSIX's; they only ever get to see the session's own command line.
LOGIN_SHELLS = ["dash", "bash", "zsh", "fish", "tcsh"]
#: Prints its words, each in front of a NUL.
TELL = ["printf", "%s\\0"]
EVERY_BYTE = bytes(range(1, 256))


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory in which nothing may turn up."""
    folder = tmp_path / "empty"
    folder.mkdir()
    monkeypatch.chdir(folder)
    yield folder
    assert list(folder.iterdir()) == [], "something was executed"


def words_of(mint: Mint) -> list[str]:
    words = [mint.argument() for _ in range(mint.randint(1, 6))]
    return [*words, os.fsdecode(EVERY_BYTE)] if mint.random() < 0.05 else words


def everything(process: RemoteProcess) -> bytes:
    process.close_stdin()
    found = b""
    while data := process.read(1 << 16, 30):
        found += data
    return found


def told(output: bytes) -> list[str]:
    return [os.fsdecode(word) for word in output.split(b"\0")[:-1]]


@pytest.mark.parametrize("shell", SHELLS)
def test_quoted_words_through_a_shell(shell: str, empty: Path) -> None:
    """As sshd starts programs: the login shell, -c, one string."""
    program = [need(SHELLS[shell][0]), *SHELLS[shell][1:]]

    @hostile.examples(60, deep=6000)
    @given(mints)
    def check(mint: Mint) -> None:
        words = words_of(mint)
        line = shlex.join([*TELL, *words]).encode("utf-8", "surrogateescape")
        done = subprocess.run([*program, "-c", line], capture_output=True, check=True)
        assert (told(done.stdout), done.stderr) == (words, b"")

    check()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    with running(need("sshd"), tmp_path_factory.mktemp("sshd"), (), "ed25519") as one:
        yield one


@pytest.fixture(scope="module")
def ssh(server: SshServer) -> Iterator[SshTransport]:
    with connect(Target.parse("node"), SshOptions(config=server.config)) as transport:
        assert isinstance(transport, SshTransport)
        yield transport


@pytest.mark.parametrize("sudo", [Sudo(), Sudo(SudoMode.PASSWORDLESS)], ids=["plain", "sudo"])
@pytest.mark.parametrize("way", ["ssh", "local"])
def test_words_through_a_transport(way: str, sudo: Sudo, empty: Path, request: pytest.FixtureRequest) -> None:
    if sudo.mode is not SudoMode.NONE:
        need("sudo")
    transport: Transport = LocalTransport() if way == "local" else request.getfixturevalue("ssh")

    @hostile.examples(10, deep=1000)
    @given(mints)
    def check(mint: Mint) -> None:
        words = words_of(mint)
        process = transport.run(sudo.wrap([*TELL, *words]))
        assert told(everything(process)) == words
        assert (process.wait(30), process.stderr()) == (0, b"")

    check()


class LoginShell(LocalTransport):
    """This machine as sshd would show it to somebody with another login shell."""

    def __init__(self, shell: str) -> None:
        super().__init__()
        self._shell = shell

    def run(self, argv: Sequence[str]) -> LocalProcess:
        return super().run([self._shell, "-c", shlex.join(argv)])


#: The node script with another loop at its end: its answer to "recover" is the parameters that it was given.
ECHO = b"""
tell_file() { told="$path$NL$dir"; }
emit hello "1 $$ ${NONCE:-}"
while IFS= read -r request; do
  reset
  read_parameters || break
  each_file tell_file
  emit_done ok clean "$BIN$NL$CONF$NL$STATE$NL$RELOAD$NL$WHO$NL$MESSAGE$NL$PATTERN$NL$BASE_PATHS$told"
done
"""


def echoing() -> bytes:
    head, mark, _ = script().partition(b'emit hello "1 $$ ${NONCE:-}"')
    assert mark
    return head + ECHO


@pytest.mark.parametrize("shell", [*SHELLS, "zsh", "fish", "tcsh"])
def test_parameters_of_the_node_script(shell: str, empty: Path) -> None:
    """Every value that may be sent is the shell variable it belongs to, byte for byte."""
    program = SHELLS.get(shell, [shell])
    need(program[0])
    transport = ShAs(program) if shell in SHELLS else LoginShell(program[0])
    with transport:
        session = Session(transport, Sudo(), text=echoing())

        @hostile.examples(60, deep=6000)
        @given(mints)
        def check(mint: Mint) -> None:
            values = [
                allowed(os.fsdecode(EVERY_BYTE) if mint.random() < 0.05 else mint.argument())
                for _ in range(9)
            ]
            names = ("bin", "conf", "state", "reload", "who", "message", "pattern")
            parameters = [*zip(names, values, strict=False), ("base", f"{'0' * 64} {values[7]}")]
            path = f"/{values[8].strip('/')}"
            session.request("recover", [*parameters, ("file", f"{'1' * 64} {'2' * 64} 3 {path}")])
            done = session.frames(lambda frame: None)
            assert (done.outcome, done.code) == ("ok", "clean")
            assert done.text.split("\n") == [*values[:8], path, path.rpartition("/")[0] or "/"]

        check()
        session.close()


def allowed(value: str) -> str:
    """What the command line lets through to a node: no line end."""
    return value.replace("\n", " ")


class ShAs(LocalTransport):
    """This machine, with another program for ``sh``."""

    def __init__(self, shell: Sequence[str]) -> None:
        super().__init__()
        self._shell = shell

    def run(self, argv: Sequence[str]) -> LocalProcess:
        return super().run([*self._shell, *argv[1:]] if Path(argv[0]).name == "sh" else argv)


@pytest.fixture
def odd_node(tmp_path: Path) -> Iterator[NginxNode]:
    """A site in a file whose name holds nearly all bytes that a name can hold."""
    node = NginxNode(tmp_path / "node", need("nginx"))
    name = bytes(byte for byte in EVERY_BYTE if byte not in b"/\n")[:200] + b"$(touch C)`touch C`.conf"
    odd = os.fsencode(node.site.parent) + b"/" + name
    node.site.rename(os.fsdecode(odd))
    node.site = Path(os.fsdecode(odd))
    node.start()
    yield node
    node.stop()


@pytest.fixture
def backend() -> Iterator[Backend]:
    with echo_backend() as one:
        yield one


def test_a_file_name_of_all_bytes(
    odd_node: NginxNode, server: SshServer, backend: Backend, empty: Path, tmp_path: Path
) -> None:
    """The route goes into that file and out of it; who and why arrive in the revision as they were given."""
    target = ["--node", "node", "--ssh-config", str(server.config), *odd_node.options()]
    nginxws = Nginxws(tmp_path, target)
    before = odd_node.digests()
    why = (
        os.fsdecode(bytes(byte for byte in EVERY_BYTE if byte > 32 and byte != 127))
        + "$(touch C)`touch C`'; touch C"
    )
    nginxws("add-route", "/ws/", backend.address, "-m", why, env={"LOGNAME": "$(touch C)';touch C;\nx"})
    assert echoes(odd_node.port)
    (meta,) = odd_node.state.glob("*/revisions/1/meta")
    told = dict(line.split(b" ", 1) for line in meta.read_bytes().split(b"\n") if b" " in line)
    assert told[b"message"] == os.fsencode(why)
    assert told[b"who"].startswith(b"$(touch C)';touch C; x@")
    nginxws("remove-route", "/ws/")
    assert odd_node.digests() == before
    assert not list(odd_node.prefix.rglob("C"))


def test_only_the_reload_command_is_run(
    odd_node: NginxNode, server: SshServer, backend: Backend, empty: Path
) -> None:
    """It is a command by its nature: whoever may give it may run programs on the node. Nothing else is."""
    parameters = dict(NodeOptions(reload_command="x", who="w", message="m").parameters())
    assert {name for name, value in parameters.items() if value == "x"} == {"reload"}
    target = ["--node", "node", "--ssh-config", str(server.config), *odd_node.options()]
    trace = odd_node.prefix / "trace"
    reload = f"printf '%s' 'a\"$HOME'\\''b' >>{trace} && kill -HUP {odd_node.master}"
    Nginxws(odd_node.prefix, target)("add-route", "/ws/", backend.address, "--reload-command", reload)
    assert trace.read_text() == "a\"$HOME'b"
