"""Configuration files here: read losslessly, written all or not at all."""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path

import pytest

from nginxws import files
from nginxws.config.splice import Edit
from nginxws.errors import ConfigError, NodeError, RestoreFailed, StaleError
from nginxws.plan import FilePlan


def planned(path: Path, after: bytes) -> FilePlan:
    before = path.read_bytes()
    return FilePlan(str(path), str(path.resolve()), before, after, [Edit(0, len(before), after)])


def test_a_file_and_what_it_includes(tmp_path: Path) -> None:
    main, site = tmp_path / "nginx.conf", tmp_path / "sites" / "a.conf"
    site.parent.mkdir()
    main.write_bytes(b"http { include sites/*.conf; include missing.conf; }\r\n")
    site.write_bytes(b"server { # caf\xe9\n}")
    (tmp_path / "sites" / ".hidden.conf").write_text("server {")
    (tmp_path / "sites" / "folder.conf").mkdir()
    link = tmp_path / "sites" / "b.conf"
    link.symlink_to(main.parent / "elsewhere")
    (tmp_path / "elsewhere").write_bytes(b"# e\n")
    now = files.snapshot(str(main))
    assert now.node == str(main)
    assert now.nginx.conf == now.nginx.main == str(main)
    assert {state.path: state.data for state in now.files} == {
        str(main): main.read_bytes(),
        str(site): site.read_bytes(),
        str(link): b"# e\n",
    }
    assert {state.path: state.real for state in now.files}[str(link)] == str(tmp_path / "elsewhere")


def test_a_relative_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.conf").write_text("events { }")
    monkeypatch.chdir(tmp_path)
    now = files.snapshot("x.conf")
    assert now.node == "x.conf"
    assert now.files[0].path == str(tmp_path / "x.conf")


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        files.snapshot(str(tmp_path / "x.conf"))


def test_written_through_the_link_with_its_mode(tmp_path: Path) -> None:
    real, link = tmp_path / "real.conf", tmp_path / "link.conf"
    real.write_bytes(b"old")
    real.chmod(0o640)
    link.symlink_to(real)
    files.write([planned(link, b"new")])
    assert real.read_bytes() == b"new"
    assert link.is_symlink()
    assert real.stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.conf", "real.conf"]


def test_the_owner_stays_even_where_it_cant_be_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.conf"
    path.write_bytes(b"old")
    monkeypatch.delattr(os, "chown")
    files.write([planned(path, b"new")])
    assert path.read_bytes() == b"new"


def test_a_file_that_changed_meanwhile_stops_all(tmp_path: Path) -> None:
    one, two = tmp_path / "1", tmp_path / "2"
    one.write_bytes(b"1")
    two.write_bytes(b"2")
    plans = [planned(one, b"1 new"), planned(two, b"2 new")]
    two.write_bytes(b"else")
    with pytest.raises(StaleError) as caught:
        files.write(plans)
    assert caught.value.file == str(two)
    two.unlink()
    with pytest.raises(StaleError):
        files.write(plans)
    assert one.read_bytes() == b"1"


def test_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = tmp_path / "1", tmp_path / "2"
    one.write_bytes(b"1")
    two.write_bytes(b"2")
    rename = Path.replace

    def refuse(source: Path, target: Path) -> Path:
        if Path(target).name == "2":
            raise OSError(28, "No space left on device")
        return rename(source, target)

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(NodeError, match="No space left") as caught:
        files.write([planned(one, b"1 new"), planned(two, b"2 new")])
    assert caught.value.file == str(two)
    assert caught.value.hint
    assert (one.read_bytes(), two.read_bytes()) == (b"1", b"2")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "2"]


@pytest.mark.parametrize("stubborn", [False, True])
def test_an_interrupt_between_two_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stubborn: bool
) -> None:
    one, two = tmp_path / "1", tmp_path / "2"
    one.write_bytes(b"1")
    two.write_bytes(b"2")
    rename, calls = Path.replace, count()

    def interrupted(source: Path, target: Path) -> Path:
        number = next(calls)
        if number == 1:
            raise KeyboardInterrupt
        if number == 2 and stubborn:
            raise OSError(30, "Read-only file system")
        return rename(source, target)

    monkeypatch.setattr(Path, "replace", interrupted)
    plans = [planned(one, b"1 new"), planned(two, b"2 new")]
    if stubborn:
        with pytest.raises(RestoreFailed, match=str(one)):
            files.write(plans)
        return
    with pytest.raises(KeyboardInterrupt):
        files.write(plans)
    assert (one.read_bytes(), two.read_bytes()) == (b"1", b"2")
