"""The corpus through the runner, as users start it; and that the runner notices what is wrong."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from corpus import runner
from corpus.agreement import compare
from corpus.runner import examine, main
from corpus.splicing import check_reversible
from corpus.tokens import Broken, check_identical
from nginxws.config import splice
from nginxws.config.document import parse

HERE = Path(__file__).parent
RUN = HERE / "run"

BACKSLASH = "it drops a backslash that ends a comment"
LUA = "its Lua lexing knows no long brackets, and not every *_by_lua_block"
EXPLAINED = {
    "backslash-comments.conf": [BACKSLASH],
    "comment-at-the-end.conf": ["it forgets a comment that ends the file without a line feed"],
    "comments.conf": [BACKSLASH],
    "foreign-space.conf": ["it takes form feeds, no-break spaces and the like for white space"],
    "lua-ssl.conf": [LUA],
    "oddities.conf": ["it ends a word at }", "it reads on after ${name}, white space included"],
    "openresty.conf": [LUA],
}


def run(*arguments: str | Path) -> tuple[int, dict[str, Any]]:
    command = [sys.executable, str(RUN), *map(str, arguments), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)


def test_the_corpus_is_well() -> None:
    status, result = run(HERE / "files")
    assert result["rows"] == []
    files = sum(1 for path in (HERE / "files").rglob("*") if path.is_file())
    assert files >= 60
    assert {result[key] for key in ("files", "identical", "agree", "reversible")} == {files}
    assert (status, result["refused"], result["crashed"], result["changed"]) == (0, 0, 0, 0)
    assert result["servers"] > 60
    assert result["explained"] == EXPLAINED


def test_what_must_be_refused_is() -> None:
    status, result = run(HERE / "refused")
    assert status == 0
    assert result["refused"] == result["files"] == sum(1 for _ in (HERE / "refused").iterdir())
    reasons = {row["file"]: row["refused"] for row in result["rows"]}
    assert reasons["bom.conf"] == "line 1: the file starts with a UTF-8 byte order mark"
    assert reasons["unterminated-quote.conf"] == 'line 3: this " is never closed'
    assert all(reasons.values())


@pytest.fixture(scope="module")
def two_megabytes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One server with 10,000 WebSocket locations."""
    path = tmp_path_factory.mktemp("large") / "large.conf"
    locations = "".join(
        f"        location /ws/{number}/ {{\n"
        f"            proxy_pass http://10.0.{number // 250}.{number % 250}:8080;\n"
        "            proxy_http_version 1.1;\n"
        "            proxy_set_header Upgrade $http_upgrade;\n"
        '            proxy_set_header Connection "upgrade";\n'
        "        }\n"
        for number in range(10_000)
    )
    path.write_text(f"events {{}}\nhttp {{\n    server {{\n        listen 80;\n{locations}    }}\n}}\n")
    return path


@pytest.mark.no_cover
def test_two_megabytes_are_well(two_megabytes: Path) -> None:
    row = examine(two_megabytes, "large.conf")
    assert row.well, row.problems


@pytest.mark.no_cover
def test_two_megabytes_are_parsed_faster_than_by_crossplane(two_megabytes: Path) -> None:
    import crossplane

    data = two_megabytes.read_bytes()
    ours = best_of_three(lambda: parse(data, "large.conf"))
    theirs = best_of_three(lambda: crossplane.parse(str(two_megabytes), single=True))
    assert ours < 0.25 * theirs  # a tenth, on a quiet machine


def best_of_three(work: Callable[[], object]) -> float:
    """Seconds of processor time: the least, for what a busy machine adds isn't the work's."""
    times = []
    for _ in range(3):
        begin = time.process_time()
        work()
        times.append(time.process_time() - begin)
    return min(times)


def test_text_report_names_files_and_reasons(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.conf").write_bytes(b"server {")
    (tmp_path / "odd.conf").write_bytes(b"#\\\n")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "good").write_bytes(b"server { listen 80; }\n")
    assert main([str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "files 3 · identical 2 · agree 2 · reversible 2 · refused 1 · crashed 0 · changed 0 · servers 1",
        'bad.conf: refused: line 1: a "}" is missing: the file ends inside this block',
        f"odd.conf: agrees, but for crossplane: {BACKSLASH}",
    ]


def test_links_and_git_folders_are_left_out_and_any_name_is_fine(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "config").write_bytes(b"x")
    name = os.fsdecode(b"caf\xe9 \n.conf")
    (tmp_path / name).write_bytes(b"a;")
    (tmp_path / "link.conf").symlink_to(tmp_path / name)
    (tmp_path / "loop").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe.conf")
    status, result = run(tmp_path)
    assert (status, result["files"], result["identical"]) == (0, 1, 1)


def test_large_and_unreadable_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.conf"
    path.write_bytes(b"a;" * 100)
    monkeypatch.setattr(runner, "MAX_BYTES", 199)
    assert examine(path, "a.conf").refused == "larger than 0 MiB"
    assert examine(tmp_path / "gone.conf", "gone.conf").refused == "unreadable: No such file or directory"


def test_a_crash_is_a_row_and_status_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.conf").write_bytes(b"a;")
    monkeypatch.setattr(runner, "compare", lambda path, document: 1 // 0)
    row = examine(tmp_path / "a.conf", "a.conf")
    assert row.crashed == "ZeroDivisionError: integer division or modulo by zero"
    assert main([str(tmp_path)]) == 1


def test_a_changed_byte_is_a_row_and_status_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.conf").write_bytes(b"server { listen 80; }")

    def broken(data: bytes) -> None:
        raise Broken("put in and taken out, the file is another one")

    monkeypatch.setattr(runner, "check_reversible", broken)
    row = examine(tmp_path / "a.conf", "a.conf")
    assert (row.changed, row.reversible, row.well) == (True, False, False)
    assert main([str(tmp_path), "--json"]) == 1


def test_a_folder_is_needed(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as caught:
        main([str(tmp_path / "none")])
    assert caught.value.code == 2


# --- the checks can fail --------------------------------------------------------------------------------


def test_spans_that_do_not_tile_are_noticed() -> None:
    data = b"# c\na b { c; }\nd;"
    for attribute, value in (
        ("start", 5),
        ("end", 13),
        ("_head_end", 6),
        ("_words", (b"a",)),
        ("_children", []),
    ):
        document = parse(data, "f")
        setattr(document.directives[0], attribute, value)
        with pytest.raises(Broken):
            check_identical(document)
    for comments in ([], [*parse(data, "f").comments, *parse(b"  # c\n", "f").comments]):
        document = parse(data, "f")
        document.comments = comments
        with pytest.raises(Broken):
            check_identical(document)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (b"a b;", b"a c;"),
        (b"a b;", b'a "b";'),
        (b"a;\nb;", b"a; b;"),
        (b"a;", b"a {}"),
        (b"a; #b", b"a; #c\n"),
        (b"a; ${b}c;", b"a; ${b}d;"),
        (b"a 'b\\'';", b'a "b\\\'";'),
        (b"a{}", b"a{"),
        (b"init_by_lua_block { --[[ } ]] x }", b"init_by_lua_block2 { x }"),
    ],
)
def test_what_crossplane_sees_otherwise_is_noticed(tmp_path: Path, ours: bytes, theirs: bytes) -> None:
    path = tmp_path / "f.conf"
    path.write_bytes(theirs)
    # The neutral copy is made of ours, so only constructs known for it may be excused.
    agreement = compare(path, parse(ours, "f"))
    assert agreement.difference or agreement.excuses
    assert bool(agreement.excuses) == (b"${" in ours or b"#" in ours or b"--" in ours)


QUIRKS = [
    (b"a ${b} c;\nd;\n", "it reads on after ${name}"),
    (b"a b}c;\n", "it ends a word at }"),
    (b"a b\xc2\xa0c;\n", "no-break spaces"),
    (b"a \x0c;\n", "form feeds"),
    (b"# a\rb;\nc;\n", "lone carriage return"),
    (b"a; # b", "without a line feed"),
    (b"# b\\\r\na;\r\n", "backslash that ends a comment"),
    (b"a b\\${c;}\n", "takes \\${ for a variable"),
    (b"init_by_lua_block { x = [[ } ' ]] }\n", "long brackets"),
    (b"exit_worker_by_lua_block { x = '}' }\n", "not every *_by_lua_block"),
]


@pytest.mark.parametrize(("data", "excuse"), QUIRKS)
def test_known_departures_of_crossplane_are_named(tmp_path: Path, data: bytes, excuse: str) -> None:
    path = tmp_path / "f.conf"
    path.write_bytes(data)
    agreement = compare(path, parse(data, "f"))
    assert agreement.difference == ""
    assert any(excuse in named for named in agreement.excuses)


def test_a_splice_that_loses_bytes_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    data = b"server {\n    listen 80;\n}\n"
    assert check_reversible(data).servers == 1
    monkeypatch.setattr(splice.Splicer, "apply", lambda self: self.document.data.replace(b"80", b"81"))
    with pytest.raises(Broken):
        check_reversible(data)


def test_broken_markers_are_a_problem_not_a_crash() -> None:
    result = check_reversible(b"server {\n# nginxws: begin route /a 0123456789abcdef\n}\n")
    assert result.servers == 1
    assert len(result.problems) == 1
    assert "no end" in result.problems[0]


# --- how it is started --------------------------------------------------------------------------------


def test_without_nginxws_it_says_so_or_takes_the_venv(tmp_path: Path) -> None:
    script = tmp_path / "tests" / "corpus" / "run"
    script.parent.mkdir(parents=True)
    shutil.copy(RUN, script)
    bare = [sys.executable, "-I", "-S", str(script), "some-folder"]
    done = subprocess.run(bare, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "hint: " in done.stderr
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "venv: $2"\n')
    python.chmod(0o755)
    done = subprocess.run(bare, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "venv: some-folder\n")
