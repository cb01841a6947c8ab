"""Secrets planted wherever one can be given: none comes out anywhere, and none is ever in a process list."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest
from integration.test_rights import PROGRAM, USER, Stage, stage  # noqa: F401 (a fixture)
from support.backend import Backend
from support.command import STUCK, Done, Nginxws
from support.login import configure, keygen
from support.nginx import NginxNode
from support.sshd import SshServer, need, running
from trust.conftest import Watch

pytestmark = [
    pytest.mark.nginx,
    pytest.mark.sshd,
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can make up users"),
]

#: Another worker of the same test run has others: its processes are seen too.
SUDO, PHRASE, TOKEN, FILED, BASIC = (
    f"PLANTED-{name}-{os.getpid()}" for name in ("sudo", "phrase", "token", "file", "basic")
)
GIVEN = (SUDO, PHRASE, TOKEN, FILED)


@pytest.fixture
def server(stage: Stage) -> Iterator[SshServer]:  # noqa: F811 (the fixture)
    """Lets the user in with an encrypted key; sudo wants a password, and keeps a log."""
    site = stage.node.site.read_text()
    header = f'proxy_set_header Authorization "Basic {BASIC}";'
    api = f"    location /api/ {{\n        {header}\n        proxy_pass http://127.0.0.1:1;\n    }}\n\n"
    stage.node.site.write_text(site.replace("    location / {", f"{api}    location / {{"))
    rules = f"Defaults logfile={stage.folder}/sudo.log, log_subcmds\n{USER} ALL=(ALL) ALL\n"
    (stage.folder / "rules").write_text(rules)
    program = stage.folder / "sshd.sh"
    hashing = ["openssl", "passwd", "-6", "-stdin"]
    hashed = subprocess.run(hashing, input=SUDO, capture_output=True, text=True, check=True).stdout.strip()
    text = PROGRAM.replace("$(openssl passwd -6 right)", hashed.replace("$", "\\$"))
    text = text.replace("@FOLDER@", str(stage.folder))
    program.write_text(text.replace("@SSHD@", need("sshd")))
    program.chmod(0o755)
    with running(str(program), stage.folder, ("LogLevel DEBUG3",), "ed25519") as opened:
        key = keygen(stage.folder / "locked", "-t", "ed25519", "-N", PHRASE)
        opened.authorized_keys.write_bytes(key.with_suffix(".pub").read_bytes())
        opened.config.write_text(opened.config.read_text().replace(str(opened.key), str(key)))
        yield opened


def at_a_terminal(
    command: Nginxws, *words: str, answers: dict[str, list[str]], env: dict[str, str]
) -> tuple[Done, str]:
    """Run at a terminal of its own that answers questions; also what the terminal showed."""
    ours, theirs = pty.openpty()
    argv = ["setsid", "-w", "-c", sys.executable, "-m", "nginxws", *words, *command.target]
    environment = {**os.environ, "HOME": str(command.home), **env}
    process = subprocess.Popen(
        argv, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    )
    os.close(theirs)
    shown, told = b"", 0
    deadline = time.monotonic() + STUCK
    assert process.stdout is not None
    assert process.stderr is not None
    streams = {ours: b"", process.stdout.fileno(): b"", process.stderr.fileno(): b""}
    left = set(streams)
    while left and time.monotonic() < deadline:
        for fd in select.select(left, [], [], 0.1)[0]:
            try:
                data = os.read(fd, 65536)
            except OSError:  # the terminal's other side is closed
                data = b""
            streams[fd] += data
            if not data:
                left.discard(fd)
        shown = streams[ours]
        for question, answer in answers.items():
            at = shown.find(question.encode(), told)
            if at >= 0:
                told = at + len(question)
                os.write(ours, f"{answer.pop(0)}\n".encode())
    os.close(ours)
    out, err = (streams[pipe.fileno()].decode() for pipe in (process.stdout, process.stderr))
    process.stdout.close()
    process.stderr.close()
    return Done(process.wait(STUCK), out, err), shown.decode()


def aimed(stage: Stage, server: SshServer, command: Nginxws) -> Nginxws:  # noqa: F811 (an argument)
    at = stage.log_in(server)
    return command.at(*at.target, "--state-dir", str(stage.folder / "state"))


def logs(server: SshServer, stage: Stage) -> str:  # noqa: F811 (an argument)
    files = [server.log, stage.folder / "sudo.log", *(path for path in (stage.folder / "state").rglob("*"))]
    return "\n".join(f"{path}\n{path.read_text()}" for path in files if path.is_file())


@pytest.mark.parametrize("how", ["text", "json", "undone"])
def test_no_secret_comes_out(
    stage: Stage,  # noqa: F811 (the fixture)
    server: SshServer,
    command: Nginxws,
    backend: Backend,
    watch_processes: Callable[[], Watch],
    how: str,
) -> None:
    (stage.folder / "token").write_text(f"{FILED}\n")
    words = ["add-route", "/ws/", "127.0.0.1:1" if how == "undone" else backend.address, "-v"]
    words += [
        "--probe-header",
        "Authorization=@env:PROBE_TOKEN",
        "--probe-header",
        f"X-Key=@file:{stage.folder}/token",
    ]
    words += ["--probe-timeout", "1", "--ask-sudo-password"]
    words += ["--format", "json"] if how == "json" else []
    with watch_processes() as watch:
        done, shown = at_a_terminal(
            aimed(stage, server, command),
            *words,
            answers={"sudo password: ": [SUDO], "Passphrase for ": [PHRASE]},
            env={"PROBE_TOKEN": TOKEN},
        )
    assert done.code == (4 if how == "undone" else 0), done.err
    for secret in GIVEN:
        assert secret not in done.out + done.err + shown
        assert secret not in logs(server, stage)
    assert BASIC not in done.out + done.err + shown, "it stands in the same file, and isn't ours to tell"
    assert "COMMAND=" in logs(server, stage), "sudo did keep a log"
    assert any("NGINXWS" in seen for seen in watch.seen), "the watch saw the node script"
    for seen in watch.seen:
        assert not any(secret in seen for secret in (SUDO, PHRASE, FILED, BASIC)), seen
        assert TOKEN not in seen.replace(f"PROBE_TOKEN={TOKEN}", ""), seen


def test_token_of_the_environment_reaches_no_process_on_the_node(
    nginxws: Nginxws,
    backend: Backend,
    watch_processes: Callable[[], Watch],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("SSH_CONNECTION", raising=False)  # sshd gives it to what it starts
    with watch_processes() as watch:
        header = ("--probe-header", "Authorization=@env:PROBE_TOKEN")
        nginxws("add-route", "/ws/", backend.address, *header, env={"PROBE_TOKEN": TOKEN})
    holders = [seen for seen in watch.seen if TOKEN in seen]
    assert holders, "the command's own environment has it"
    assert all(f"PROBE_TOKEN={TOKEN}" in seen for seen in holders)
    assert not [seen for seen in holders if "SSH_CONNECTION=" in seen]


def test_the_password_of_a_descriptor(
    stage: Stage,  # noqa: F811 (the fixture)
    server: SshServer,
    command: Nginxws,
    backend: Backend,
    watch_processes: Callable[[], Watch],
) -> None:
    """Also when it is wrong, and sudo complains."""
    configure(server, f"IdentityFile {server.key}")
    server.authorized_keys.write_bytes(server.key.with_suffix(".pub").read_bytes())
    at = aimed(stage, server, command)
    for secret, code in ((f"{SUDO}-not", 6), (SUDO, 0)):
        read, write = os.pipe()
        os.write(write, f"{secret}\n".encode())
        os.close(write)
        with watch_processes() as watch, contextlib.closing(os.fdopen(read)):
            done = at(
                "add-route",
                "/ws/",
                backend.address,
                "-v",
                "--sudo-password-fd",
                str(read),
                code=code,
                pass_fds=(read,),
            )
        assert SUDO not in done.out + done.err + logs(server, stage)
        assert not [seen for seen in watch.seen if SUDO in seen]


def test_one_key_for_several_nodes_is_asked_for_once(
    stage: Stage,  # noqa: F811 (the fixture)
    server: SshServer,
    command: Nginxws,
) -> None:
    """One wrong answer, then the right one; both nodes and the second connection use it."""
    configure(server, "Host second\n  HostName 127.0.0.1", f"  Port {server.port}", f"  User {USER}")
    at = stage.log_in(server)
    options = [word for word in at.target if word not in ("--node", at.target[1])]
    with_two = command.at("--node", f"ssh://{USER}@node", "--node", "second", *options)
    answers = {"Passphrase for ": ["wrong", PHRASE]}
    done, shown = at_a_terminal(with_two, "list-routes", answers=answers, env={})
    assert done.code == 0, done.err
    assert shown.count("Passphrase for ") == 2
    assert "try 2 of 3" in shown


def test_what_a_diff_shows(nginxws: Nginxws, backend: Backend, node: NginxNode) -> None:
    """A diff is of configuration: lines beside the change are shown as they are, secrets and all."""
    line = f'    proxy_set_header Authorization "Basic {BASIC}";\n'
    host = "    proxy_set_header Host"
    node.site.write_text(node.site.read_text().replace(host, f"{line}{host}", 1))
    assert BASIC in nginxws("add-route", "/ws/", backend.address, "--dry-run").out
    assert BASIC not in nginxws("add-route", "/ws/", backend.address, "-v").out
