"""A revision's message from git: real repositories, and folders without one."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from nginxws.cli.work_tree import describe


@pytest.fixture
def manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    who = {f"GIT_{role}_{what}": "a@b" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    alone = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
    for name, value in (who | alone | {"GIT_CEILING_DIRECTORIES": str(tmp_path)}).items():
        monkeypatch.setenv(name, value)
    folder = tmp_path / "team"
    folder.mkdir()
    path = folder / "nginxws.toml"
    path.write_text("format = 1\n")
    return path


def git(path: Path, *words: str) -> None:
    subprocess.run(["git", *words], cwd=path.parent, check=True, capture_output=True)


def commit(path: Path, message: str) -> str:
    git(path, "init", "-q")
    git(path, "add", path.name)
    git(path, "commit", "-q", "-m", message)
    words = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(words, cwd=path.parent, check=True, capture_output=True).stdout.decode().strip()


def test_a_clean_work_tree(manifest: Path) -> None:
    name = commit(manifest, "Add the chat\n\nMore about it")
    assert describe(manifest) == f"{name} Add the chat"
    (manifest.parent / "notes").write_text("not tracked")
    assert describe(manifest) == f"{name} Add the chat"


def test_a_dirty_one(manifest: Path) -> None:
    name = commit(manifest, "Add the chat")
    manifest.write_text("format = 1\n# more\n")
    assert describe(manifest) == f"{name} Add the chat +dirty"


def test_a_manifest_that_git_doesnt_know(manifest: Path) -> None:
    name = commit(manifest, "Add the chat")
    other = manifest.with_name("other.toml")
    other.write_text("")
    assert describe(other) == f"{name} Add the chat +dirty"


def test_a_subject_is_made_fit_for_a_terminal(manifest: Path) -> None:
    name = commit(manifest, "a \x1b[31m " + "b" * 500)
    text = describe(manifest)
    assert text.startswith(f"{name} a \\x1b[31m b")
    assert len(text) == 200


def test_no_repository_no_commit_and_no_git(manifest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert describe(manifest) == ""
    git(manifest, "init", "-q")
    assert describe(manifest) == ""
    monkeypatch.setenv("PATH", str(manifest.parent))
    assert describe(manifest) == ""


def test_nothing_that_the_repository_names_is_run(manifest: Path, tmp_path: Path) -> None:
    commit(manifest, "x")
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    trap.chmod(0o755)
    for key in ("core.fsmonitor", "gpg.program", "core.pager", "core.editor"):
        git(manifest, "config", key, str(trap))
    git(manifest, "config", "log.showSignature", "true")
    assert describe(manifest)
    assert not (tmp_path / "ran").exists()
