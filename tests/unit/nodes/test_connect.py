"""Choosing a transport costs only what it needs."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from nginxws.errors import InvalidInput
from nginxws.nodes.connect import connect
from nginxws.nodes.local import LocalTransport
from nginxws.nodes.transport import Target


def test_local() -> None:
    with connect(Target.parse("local")) as transport:
        assert isinstance(transport, LocalTransport)
        assert transport.name == "local"


def test_local_where_there_is_no_posix(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as windows:
        windows.setattr(os, "name", "nt")
        with pytest.raises(InvalidInput, match="this machine can't be a node: ") as caught:
            connect(Target.parse("local"))
    assert caught.value.hint == "name a node with --node HOST, or use --file"


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    code = (
        "import sys; from nginxws.nodes.connect import connect; from nginxws.nodes.transport import Target; "
        "connect(Target.parse('local')).close(); "
        "import nginxws.nodes.ssh.transport; print({'paramiko', 'cryptography', 'invoke'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_no_posix_module_is_needed_to_load_the_ssh_side() -> None:
    # As on Windows, where these aren't there.
    code = (
        "import sys\n"
        "sys.modules.update(dict.fromkeys(('fcntl', 'pwd', 'grp', 'termios', 'resource', 'pty')))\n"
        "import nginxws.nodes.connect, nginxws.nodes.ssh.transport\n"
        "import nginxws.nodes.sudo, nginxws.nodes.prompt\n"
        "from nginxws.nodes.ssh.transport import load_paramiko; load_paramiko()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
