"""add-route and remove-route with a manifest, as far as no node is needed."""

from __future__ import annotations

import errno
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nginxws.cli import manifest_edit, manifest_file
from nginxws.cli.manifest_edit import ManifestEdit
from nginxws.errors import ExitCode

Run = Callable[..., Any]
TEXT = "format = 1\n\n[nodes.lb1]\nserver = 'a.example'\n[nodes.lb2]\n"


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    found = tmp_path / "nginxws.toml"
    found.write_text(TEXT)
    return found


def test_what_was_given_becomes_keys(nginxws: Run, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And only that; of a fetched header what was written, never the secret."""
    (path.parent / "own").mkdir()
    below = path.parent / "below"
    below.mkdir()
    monkeypatch.chdir(below)
    monkeypatch.setenv("TOKEN", "s3cret")
    monkeypatch.setenv("NGINXWS_READ_TIMEOUT", "7200")
    words = ("--header", "X=1", "--host", "h.example", "--templates", "../own", "--probe", "warn")
    probe = ("--probe-header", "Cookie=@env:TOKEN", "--probe-expect", "200", "--probe-timeout", "90")
    ran = nginxws(
        "add-route", "/ws/", "a:1", "b:1 backup", *words, *probe, "--server", "b.example", "--no-apply"
    )
    assert (ran.code, ran.out, ran.err) == (0, f"{path}: written\n", "")
    assert path.read_text() == TEXT + (
        '\n[[routes]]\npath = "/ws/"\nbackends = ["a:1", "b:1 backup"]\n'
        'read_timeout = "2h"\nheader = ["X=1"]\nhost = "h.example"\ntemplates = "own"\n'
        'probe = "warn"\nprobe_header = ["Cookie=@env:TOKEN"]\n'
        'probe_expect = 200\nprobe_timeout = "90s"\nserver = "b.example"\n'
    )
    ran = nginxws("remove-route", "/ws/", "--no-apply", "--format", "json")
    shown = json.loads(ran.out)
    assert (shown["changed"], shown["manifest"]["changed"], shown["nodes"]) == (True, True, {})
    assert shown["manifest"]["diff"].startswith(f"--- a{path}\n+++ b{path}\n")
    assert path.read_text() == TEXT


def test_templates_far_away_keep_their_path(nginxws: Run, path: Path) -> None:
    assert nginxws("add-route", "/a/", "a:1", "--templates", str(path.parent), "--no-apply").code == 0
    assert f'templates = "{path.parent}"' in path.read_text()


def test_a_file_without_nodes_can_be_edited(nginxws: Run, path: Path) -> None:
    path.write_text("format = 1\n")
    ran = nginxws("add-route", "/ws/", "a:1", "--no-apply", "--dry-run", "--detailed-exitcode")
    assert (ran.code, path.read_text()) == (2, "format = 1\n")
    assert ran.out.startswith("--- a/nginxws.toml\n+++ b/nginxws.toml\n@@ -1 +1,5 @@\n")
    ran = nginxws("add-route", "/ws/", "a:1")
    assert ran.code == 1
    assert ran.err.startswith("error: nginxws.toml:1: no nodes")


@pytest.mark.parametrize("command", [("add-route", "/ws/", "a:1"), ("remove-route", "/ws/")])
@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--node", "lb1", "--node", "local"], 64, "local isn't a node of nginxws.toml"),
        (["--node", "local", "--no-apply"], 64, "local isn't a node of nginxws.toml"),
        (["--node", "lb7"], 64, "nginxws.toml: no node or label of the manifest is called lb7"),
        (["--no-manifest", "--no-apply"], 64, "this command works with a manifest"),
        (["--file", "nginxws.toml", "--no-apply"], 64, "--no-apply is about a manifest"),
    ],
)
def test_refused(
    nginxws: Run, path: Path, command: tuple[str, ...], words: list[str], code: int, message: str
) -> None:
    ran = nginxws(*command, *words)
    assert ran.code == code
    assert message in ran.err
    assert path.read_text() == TEXT


@pytest.mark.parametrize("command", [("add-route", "/ws/", "a:1"), ("remove-route", "/old/")])
def test_no_node_is_touched_for_a_file_that_cant_be_written(
    nginxws: Run, path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    """The nodes would have what the manifest doesn't say, and the next apply would take it away again."""
    path.write_text(f'{TEXT}[[routes]]\npath = "/old/"\nbackends = ["a:1"]\n')

    def refuse(*_: Any, **__: Any) -> Any:
        raise OSError(errno.EROFS, "Read-only file system")

    def never(*_: Any) -> Any:
        raise AssertionError("a node was asked for")

    monkeypatch.setattr(tempfile, "mkstemp", refuse)
    monkeypatch.setattr(manifest_edit, "links", never)
    ran = nginxws(*command)
    assert ran.code == 1
    assert ran.err.startswith(
        "error: nginxws.toml: cannot write it: Read-only file system\nhint: nothing was changed; "
    )


def test_all_that_is_wrong_in_it_is_said(nginxws: Run, path: Path) -> None:
    path.write_text("format = 1\nnods = 1\n[[routes]]\npath = '/a/'\nbackends = ['a']\n")
    ran = nginxws("add-route", "/ws/", "a:1", "--format", "json")
    error = json.loads(ran.out)["error"]
    assert (ran.code, error["kind"]) == (1, "ManifestError")
    assert [(one["line"], one["key"]) for one in error["problems"]] == [
        (2, "nods"),
        (5, "routes[0].backends[0]"),
    ]
    assert ran.err.startswith("error: nginxws.toml:2: unknown key nods\n")
    assert "line 5: routes[0].backends[0]: backend 'a': the port is missing" in ran.err


@pytest.fixture
def edit(path: Path) -> ManifestEdit:
    return ManifestEdit(manifest_file.read(path), TEXT + "# more\n")


def test_it_is_written_only_when_all_nodes_are_done(edit: ManifestEdit, path: Path) -> None:
    assert edit.settle(ExitCode.CONNECTION, dry_run=False) is ExitCode.CONNECTION
    assert (edit.held_back, edit.result(dry_run=False).changed, path.read_text()) == (True, False, TEXT)
    edit.held_back = False
    assert edit.settle(ExitCode.DONE, dry_run=True) is ExitCode.DONE
    assert (edit.result(dry_run=True).changed, path.read_text()) == (True, TEXT)
    assert edit.settle(ExitCode.DONE, dry_run=False) is ExitCode.DONE
    assert (edit.result(dry_run=False).changed, path.read_text()) == (True, edit.after)
    same = ManifestEdit(manifest_file.read(path), path.read_text())
    assert same.settle(ExitCode.ERROR, dry_run=False) is ExitCode.ERROR
    assert not same.held_back


def test_a_file_that_can_not_be_written_is_an_error(edit: ManifestEdit, path: Path) -> None:
    path.write_text("format = 1\n")
    assert edit.settle(ExitCode.DONE, dry_run=False) is ExitCode.LOCKED_OR_STALE
    result = edit.result(dry_run=False)
    assert result.error is not None
    assert result.as_json()["error"]["kind"] == "StaleError"
    assert result.error.detail is None
    assert edit.settle(ExitCode.DONE, dry_run=False, applied=True) is ExitCode.LOCKED_OR_STALE
    late = edit.result(dry_run=False).error
    assert late is not None
    assert late.detail == "the nodes have the change already, and the file doesn't say so"


def test_nothing_to_edit_is_said(nginxws: Run, path: Path) -> None:
    assert nginxws("remove-route", "/ws/", "--no-apply").out == "nginxws.toml: nothing to do\n"
    assert nginxws("remove-route", "/ws/", "--no-apply", "--quiet").out == ""


def test_the_diff_is_shown_once(edit: ManifestEdit, capsys: pytest.CaptureFixture[str]) -> None:
    edit.show_once()
    edit.show_once()
    assert capsys.readouterr().out.count("+# more") == 1
    assert manifest_edit.ManifestEdit(edit.file, TEXT).diff == ""
