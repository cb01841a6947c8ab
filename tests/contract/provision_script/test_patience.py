"""A program that works for minutes is ended when its time is up, not only the shell that waits for it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from support.sshd import need
from support.talking import SHELLS

from nginxws.nodes.script import provision


@pytest.mark.parametrize("shell", SHELLS)
def test_what_takes_too_long_is_ended(tmp_path: Path, shell: str) -> None:
    words = SHELLS[shell]
    need(words[0])
    script = tmp_path / "script"
    program = "\nWORDS_FILE=words PATIENCE=1\nat_length sleep 300; echo $? >status\n"
    script.write_bytes(provision.script() + program.encode())
    subprocess.run([*words, str(script)], cwd=tmp_path, stdin=subprocess.DEVNULL, check=True, timeout=60)
    assert (tmp_path / "status").read_text() == "124\n"
    assert at_work_in(tmp_path) == []


def at_work_in(folder: Path) -> list[str]:
    """The processes whose working directory it is."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink() == folder:
                found.append((process / "cmdline").read_text().replace("\0", " "))
        except OSError:  # it is gone
            continue
    return found
