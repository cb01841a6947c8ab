"""What is read of an application's source: a folder or an archive of this machine."""

from __future__ import annotations

import io
import os
import socket
import tarfile
from pathlib import Path

import pytest

from nginxws.environment import unpacking
from nginxws.errors import NginxwsError
from nginxws.provisioning.sources import read


def test_a_folder(tmp_path: Path) -> None:
    for name in (
        "run.sh",
        "public/chat.js",
        ".git/HEAD",
        "public/.chat.js.swp",
        "chat.js~",
        ".DS_Store",
        "#x#",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "run.sh").chmod(0o755)
    (tmp_path / "empty").mkdir()
    (tmp_path / "public" / "latest.js").symlink_to("chat.js")
    found = {entry.path: entry for entry in read(tmp_path, "chat")}
    assert set(found) == {"run.sh", "public/", "public/chat.js", "public/latest.js", "empty/"}
    assert found["public/chat.js"].data == b"public/chat.js"
    assert found["run.sh"].mode & 0o100
    assert found["public/latest.js"].link == "chat.js"


def test_an_archive(tmp_path: Path) -> None:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as tar:
        info = tarfile.TarInfo("chat.js")
        info.size = 2
        tar.addfile(info, io.BytesIO(b"hi"))
    (tmp_path / "chat.tar.gz").write_bytes(data.getvalue())
    (entry,) = read(tmp_path / "chat.tar.gz", "chat.tar.gz")
    assert (entry.path, entry.data) == ("chat.js", b"hi")


def refused(path: Path) -> NginxwsError:
    with pytest.raises(NginxwsError) as caught:
        read(path, "chat")
    assert caught.value.hint
    return caught.value


def test_what_isnt_there(tmp_path: Path) -> None:
    error = refused(tmp_path / "none")
    assert (error.file, error.message) == ("chat", "cannot read it: No such file or directory")


def test_what_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "is no file" in refused(Path("/dev/null")).message
    with socket.socket(socket.AF_UNIX) as listener:
        monkeypatch.chdir(tmp_path)  # the name of a socket is short
        (tmp_path / "app").mkdir()
        listener.bind("app/run.sock")
        assert "neither a file" in refused(tmp_path / "app").message


def test_a_link_that_leads_out(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    (tmp_path / "secret").symlink_to("/etc/passwd")
    assert "link" in refused(tmp_path).message


def test_a_name_that_isnt_text(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9")).write_text("")
    assert "can't be a name" in refused(tmp_path).message


def test_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "MAX_BYTES", 3)
    (tmp_path / "a").write_text("abcd")
    refused(tmp_path)
    refused(tmp_path / "a")
