"""``--file``: a configuration file here, no node, no reload; the same bytes afterwards."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from support.command import Nginxws
from support.nginx import site_conf

BACKEND = "10.0.0.5:8080"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A file as sites-available has them: http level, a server block."""
    path = tmp_path / "conf" / "site.conf"
    path.parent.mkdir()
    path.write_text(site_conf(8000))
    path.chmod(0o640)
    return path


@pytest.fixture
def on_file(command: Nginxws, site: Path) -> Nginxws:
    return command.at("--file", str(site))


def test_whole_life(on_file: Nginxws, site: Path) -> None:
    before = site.read_bytes()
    inspected = on_file("add-route", "/ws/", BACKEND, "--dry-run")
    assert site.read_bytes() == before
    assert inspected.err == ""
    on_file("add-route", "/ws/", BACKEND, "--dry-run", "--detailed-exitcode", code=2)

    done = on_file("add-route", "/ws/", BACKEND)
    assert f"{site}: /ws/: added in" in done.out
    after = site.read_bytes()
    assert patched(before, inspected.out, site.parent) == after, "the diff says exactly what was written"
    assert site.stat().st_mode & 0o7777 == 0o640

    assert "nothing to do" in on_file("add-route", "/ws/", BACKEND).out
    assert on_file("add-route", "/ws/", BACKEND, "--dry-run", "--detailed-exitcode").code == 0
    assert site.read_bytes() == after
    assert "managed" in on_file("list-routes").out

    on_file("remove-route", "/ws/")
    assert site.read_bytes() == before
    assert [path.name for path in site.parent.iterdir()] == ["site.conf"]


def patched(before: bytes, diff: str, folder: Path) -> bytes:
    """What patch(1) makes of it."""
    copy = folder.parent / "copy"
    copy.write_bytes(before)
    subprocess.run(["patch", "--quiet", str(copy)], input=diff.encode(), check=True)
    return copy.read_bytes()


def test_fragment_of_a_server(command: Nginxws, tmp_path: Path) -> None:
    """A file of locations alone (`default.d/*.conf`) has no server block: said so, and untouched."""
    path = tmp_path / "locations.conf"
    path.write_text("location / {\n    root html;\n}\n")
    done = command.at("--file", str(path))("add-route", "/ws/", BACKEND, code=1)
    assert str(path) in done.error
    assert done.hint
    assert path.read_text() == "location / {\n    root html;\n}\n"


def test_whole_configuration_with_includes(command: Nginxws, site: Path, tmp_path: Path) -> None:
    main = tmp_path / "nginx.conf"
    main.write_text("events {}\nhttp {\n    include conf/*.conf;\n}\n")
    before = site.read_bytes()
    nginxws = command.at("--file", str(main))
    nginxws("add-route", "/ws/", BACKEND)
    assert b"# nginxws: begin route /ws/" in site.read_bytes()
    assert main.read_text() == "events {}\nhttp {\n    include conf/*.conf;\n}\n"
    nginxws("remove-route", "/ws/")
    assert site.read_bytes() == before


@pytest.mark.parametrize(
    "text", ["server {\n", "server { listen 80; }}\n", "\ufeffserver {}\n", "http { ;; }\n"]
)
def test_file_that_is_not_nginx_configuration(command: Nginxws, tmp_path: Path, text: str) -> None:
    path = tmp_path / "broken.conf"
    path.write_text(text)
    done = command.at("--file", str(path))("add-route", "/ws/", BACKEND, code=1)
    assert f"{path}:1: " in done.error
    assert done.hint
    assert path.read_text() == text


def test_no_such_file(command: Nginxws, tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.conf")
    assert missing in command.at("--file", missing)("add-route", "/ws/", BACKEND, code=64).err


def test_file_and_node_exclude_each_other(on_file: Nginxws, site: Path) -> None:
    before = site.read_bytes()
    done = on_file("add-route", "/ws/", BACKEND, "--node", "local", code=64)
    assert "--file" in done.error
    assert site.read_bytes() == before


def test_symbolic_link_stays_one(command: Nginxws, site: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.conf"
    link.symlink_to(site)
    command.at("--file", str(link))("add-route", "/ws/", BACKEND)
    assert link.is_symlink()
    assert b"# nginxws: begin route /ws/" in site.read_bytes()


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_owner_is_kept(on_file: Nginxws, site: Path) -> None:
    os.chown(site, 1234, 2345)
    on_file("add-route", "/ws/", BACKEND)
    assert (site.stat().st_uid, site.stat().st_gid) == (1234, 2345)


def test_json(on_file: Nginxws, site: Path) -> None:
    result = on_file("add-route", "/ws/", BACKEND, "--format", "json").json
    assert (result["changed"], result["failed"], result["rc"]) == (True, False, 0)
    assert result["nodes"][str(site)]["applied"] is True
    assert result["nodes"][str(site)]["revision"] is None
