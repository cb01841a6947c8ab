"""Somebody has the file open in an editor: told, waited for, and not in the way once the editor is dead."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.backend import Backend, echoes
from support.command import Nginxws
from support.nginx import NginxNode, wait_for
from support.sshd import need

pytestmark = [pytest.mark.nginx]

#: Editors, and how each is left without saving.
EDITORS = {"vi": (["vi", "-u", "NONE"], b"\x1b:q!\r"), "nano": (["nano", "-G", "--ignorercfiles"], b"\x18")}


class Editor:
    """A real editor on a terminal of its own, with a file open."""

    def __init__(self, name: str, file: Path) -> None:
        argv, self._leave = EDITORS[name]
        self.mark = file.with_name(f".{file.name}.swp")
        self._terminal, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [need(argv[0]), *argv[1:], str(file)],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={"TERM": "xterm", "PATH": os.environ["PATH"], "HOME": str(file.parent.parent)},
            start_new_session=True,
        )
        os.close(theirs)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        wait_for(lambda: self.mark.exists() and self.mark.stat().st_size > 108, f"{name}'s swap file", 30)

    def _read(self) -> None:
        with contextlib.suppress(OSError):  # its terminal is gone when it ends
            while os.read(self._terminal, 65536):
                pass

    def leave(self) -> None:
        os.write(self._terminal, self._leave)
        self.process.wait(30)

    def close(self) -> None:
        self.process.kill()
        self.process.wait(10)
        self._reader.join(10)
        os.close(self._terminal)


@pytest.fixture
def edit(node: NginxNode) -> Iterator[Callable[[str], Editor]]:
    """``edit(name)``: that editor with the site open; it ends with the test."""
    with contextlib.ExitStack() as stack:
        yield lambda name: stack.enter_context(contextlib.closing(Editor(name, node.site)))


@pytest.mark.parametrize("name", EDITORS)
def test_an_open_file(
    local: Nginxws, node: NginxNode, backend: Backend, edit: Callable[[str], Editor], name: str
) -> None:
    editor = edit(name)
    with node.untouched():
        done = local("add-route", "/ws/", backend.address, "--lock-timeout", "1s", code=7)
    assert "open in an editor" in done.error
    assert f"process {editor.process.pid}, " in done.error
    assert str(editor.mark) in done.error
    assert "--ignore-editors" in done.hint
    local("add-route", "/ws/", backend.address, "--lock-timeout", "1s", "--ignore-editors")
    assert echoes(node.port)
    editor.leave()
    local("remove-route", "/ws/", "--lock-timeout", "1s")


def test_it_is_waited_for(
    local: Nginxws, node: NginxNode, backend: Backend, edit: Callable[[str], Editor]
) -> None:
    editor = edit("vi")
    process = local.start("add-route", "/ws/", backend.address, "--verbose")
    assert process.stderr is not None
    while b"waiting" not in (line := process.stderr.readline()):
        assert line
    assert b".swp" in line
    editor.leave()
    assert local.finish(process).code == 0
    assert echoes(node.port)


def test_a_swap_file_of_a_dead_editor(
    local: Nginxws, node: NginxNode, backend: Backend, edit: Callable[[str], Editor]
) -> None:
    editor = edit("vi")
    os.kill(editor.process.pid, signal.SIGKILL)
    editor.process.wait(10)
    left = editor.mark.read_bytes()
    local("add-route", "/ws/", backend.address, "--lock-timeout", "1s")
    assert editor.mark.read_bytes() == left, "it may hold what was typed and not saved"


@pytest.mark.parametrize(
    ("link", "code"),
    [
        ("me@{host}.{alive}:1700000000", 7),
        ("me@{host}.{alive}", 7),
        ("me@elsewhere.example.{dead}:1700000000", 7),
        ("me@{host}.{dead}:1700000000", 0),
        ("no lock of an editor that we know", 7),
    ],
)
def test_the_link_of_emacs(local: Nginxws, node: NginxNode, backend: Backend, link: str, code: int) -> None:
    """USER@HOST.PID:BOOT (GNU Emacs Lisp Reference Manual, File Locks); another host's pids aren't known."""
    dead = subprocess.Popen(["true"])
    dead.wait()
    words = {"host": socket.gethostname(), "alive": os.getpid(), "dead": dead.pid}
    mark = node.site.with_name(f".#{node.site.name}")
    mark.symlink_to(link.format(**words))
    done = local("add-route", "/ws/", backend.address, "--lock-timeout", "1s", code=code)
    assert mark.is_symlink()
    if code and link.startswith("me"):
        assert "me has the file open in an editor" in done.error
