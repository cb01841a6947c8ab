"""The real command against evil programs that a real sshd runs for this account: time, memory, files here."""

from __future__ import annotations

import hashlib
import os
import resource
import shlex
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.sshd import SshdFactory

MIB = 1024 * 1024
#: Bytes of address space; a client that takes what it is given gets no more than this.
SPACE = 3 * 1024 * MIB
#: Bytes that a command may really use: the interpreter with its libraries takes 60 to 90 MiB of it.
MEMORY = 300 * MIB
#: Seconds; a stuck command would take longer, and a loaded machine needs some of it.
SOON = 60.0

#: What every evil program begins with: how to greet, to frame, and to hear what it is asked.
PRELUDE = """
import os, sys, time, hashlib
def out(data, to=1):
    view = memoryview(data)
    while view:
        view = view[os.write(to, view):]
def frame(kind, payload=b''):
    out(b'@%s %d\\n%s\\n' % (kind, len(payload), payload))
def hear(end):
    line = b''
    while not line.endswith(end):
        byte = os.read(0, 1)
        if not byte:
            sys.exit(0)
        line += byte
    return line
def greet():
    size = int(hear(b'\\n').split()[1])
    body = b''
    while len(body) < size:
        body += os.read(0, size - len(body))
    frame(b'hello', b'1 42 ' + body.split(b'\\n')[0].partition(b'=')[2])
def snapshot(text):
    hear(b'\\ngo\\n')
    frame(b'nginx', b'/nginx\\n/etc/n.conf\\n/etc/n.conf\\n\\n/run/pid\\n/etc/n.conf\\nnginx/1.22.1')
    for kind, words in ((b'processes', b'7\\n8 serving'), (b'host', b'0 root'), (b'sockets', b''),
                        (b'state', b'/tmp/x\\n'), (b'paths', b'/etc/n.conf'), (b'reals', b'/etc/n.conf'),
                        (b'stats', b'%d 644 0 0 1' % len(text)), (b'access', b'w'), (b'bytes', text),
                        (b'sums', hashlib.sha256(text).hexdigest().encode()), (b'done', b'ok snapshot\\n')):
        frame(kind, words)
"""

CASES: dict[str, tuple[str, int, str]] = {
    "output before the greeting": ("while True: out(b'y\\n' * 30000)", 1, "doesn't stop printing"),
    "standard error without end": (
        "greet()\nwhile True: out(b'e' * 60000, 2); frame(b'nginx', b'x')",
        1,
        "makes no sense",
    ),
    "both without end, and nothing read": (
        "while True:\n out(b'e' * 60000, 2)\n out(b'x' * 60000)",
        1,
        "a line without end",
    ),
    "frames without end": ("greet()\nwhile True: out(b'@beat 0\\n\\n' * 5000)", 1, "frames in one answer"),
    "a frame of ten gigabytes": (
        "greet()\nout(b'@bytes 9999999999\\n')\nwhile True: out(b'x' * 60000)",
        1,
        "announces",
    ),
    "64 MiB of semicolons": (
        "greet()\nsnapshot(b'a;' * (32 << 20))\ntime.sleep(99)",
        1,
        "more than 2000000 directives",
    ),
    "an end in the middle": ("greet()\nout(b'@bytes 100\\nx')", 6, "in the middle of the job"),
    "an end at once": ("", 1, "ended before it ran the script"),
    "nothing but zeros": ("while True: out(bytes(60000))", 1, "a line without end"),
    "a greeting with another nonce": (
        "hear(b'\\n')\nwhile True: frame(b'hello', b'1 42 00')",
        1,
        "doesn't stop",
    ),
}


@dataclass(frozen=True, slots=True)
class Ended:
    code: int
    err: str
    seconds: float
    memory: int


def state_of(folder: Path) -> dict[str, str]:
    """Every file below a folder, by its bytes."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        if path.is_file()
        else "folder"
        for path in sorted(folder.rglob("*"))
    }


def run(home: Path, words: list[str], deadline: float = SOON) -> Ended:
    """Run the command with bounded address space; nothing below its home and working folder may change."""
    before = state_of(home)
    begin = time.monotonic()
    errors = home.with_name("stderr")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NGINXWS_")}
    with errors.open("wb") as sink:
        child = subprocess.Popen(
            [sys.executable, "-B", "-m", "nginxws", *words],
            cwd=home,
            env={**environment, "HOME": str(home)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=sink,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (SPACE, SPACE)),
        )
        memory, status = _reap(child, begin + deadline)
    err = errors.read_text(errors="replace")
    assert state_of(home) == before
    assert "Traceback" not in err, err
    return Ended(os.waitstatus_to_exitcode(status), err, time.monotonic() - begin, memory)


def _reap(child: subprocess.Popen[bytes], until: float) -> tuple[int, int]:
    """Most memory in use (bytes) and wait status."""
    while True:
        pid, status, usage = os.wait4(child.pid, os.WNOHANG)
        if pid:
            child.returncode = os.waitstatus_to_exitcode(status)
            return usage.ru_maxrss * 1024, status
        if time.monotonic() > until:
            child.send_signal(signal.SIGKILL)
            os.wait4(child.pid, 0)
            child.returncode = -9
            pytest.fail("the command hangs")
        time.sleep(0.02)


def program(folder: Path, code: str) -> Path:
    """An evil ``sh``."""
    folder.mkdir()
    (folder / "evil.py").write_text(PRELUDE + textwrap.dedent(code) + "\n")
    shell = folder / "sh"
    shell.write_text(
        f"#!/bin/sh\nexec {shlex.quote(sys.executable)} -B -S {shlex.quote(str(folder / 'evil.py'))}\n"
    )
    shell.chmod(0o755)
    return shell


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made = tmp_path / "home"
    (made / ".ssh").mkdir(parents=True)
    (made / ".ssh" / "known_hosts").write_text("other.example ssh-ed25519 AAAA\n")
    return made


def check(ended: Ended, code: int, words: str) -> None:
    assert ended.code == code, ended.err
    assert words in ended.err
    assert "\nhint: " in ended.err
    assert ended.memory < MEMORY, ended.memory
    assert len(ended.err) < 70_000


@pytest.fixture
def against(home: Path, tmp_path: Path, sshd: SshdFactory) -> Callable[[str], Ended]:
    """Run a command on a node whose account's shell is this program."""

    def start(code: str, deadline: float = SOON) -> Ended:
        server = sshd(f"ForceCommand {program(tmp_path / 'bin', code)}")
        return run(home, ["list-routes", "--node", "node", "--ssh-config", str(server.config)], deadline)

    return start


@pytest.mark.sshd
@pytest.mark.parametrize("name", CASES)
def test_an_evil_account(against: Callable[[str], Ended], name: str) -> None:
    code, exit_code, words = CASES[name]
    check(against(code), exit_code, words)


@pytest.mark.sshd
def test_the_largest_configuration_fits(against: Callable[[str], Ended]) -> None:
    """What the limits allow is read; how much memory that takes is stated in docs/reference/limits.md."""
    text = "b'events { }\\nhttp {\\n' + b'set $a \"' * 0 + b'# ' + b'x' * (63 << 20) + b'\\n}\\n'"
    ended = against(f"greet()\nsnapshot({text})\ntime.sleep(99)")
    assert ended.code == 0, ended.err
    assert ended.memory < 600 * MIB, ended.memory
    print(f"63 MiB in one comment: {ended.seconds:.1f} s, {ended.memory // MIB} MiB")


@pytest.mark.sshd
def test_as_many_directives_as_are_read(against: Callable[[str], Ended]) -> None:
    text = "b'events { }\\nhttp {\\n' + b'a b;\\n' * 1_000_000 + b'}\\n'"
    ended = against(f"greet()\nsnapshot({text})\ntime.sleep(99)")
    assert ended.code == 0, ended.err
    assert ended.memory < 600 * MIB, ended.memory
    print(f"1,000,000 directives: {ended.seconds:.1f} s, {ended.memory // MIB} MiB")
