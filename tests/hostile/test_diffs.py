"""Diffs of anybody's files: exact for patch(1), and no commands to a CI service."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence

import pytest
from hypothesis import given
from support import hostile
from support.hostile import Mint, mints
from support.streams import github_commands, printed

from nginxws.config.splice import Edit
from nginxws.diff import unified
from nginxws.report.text import show_diff

GITHUB = {"GITHUB_ACTIONS": "true"}
DIFFED = (
    b"a\n",
    b" ::add-mask::x\n",
    b"\t::set-env name=A::b\r\n",
    b"c ##[error]d\n",
    b"e\r::group::f\n",
    b"\xff\n",
)


@pytest.mark.parametrize(
    "tool", [["patch", "-p1", "--batch", "--quiet"], ["git", "apply"]], ids=["patch", "git"]
)
@pytest.mark.parametrize("environ", [{}, GITHUB], ids=["pipe", "github"])
@hostile.examples(12, deep=800)
@given(mint=mints)
def test_a_diff_in_a_pipe_stays_exact(
    tmp_path_factory: pytest.TempPathFactory, tool: Sequence[str], environ: dict[str, str], mint: Mint
) -> None:
    """GitHub's runner carries nothing of it out, and patch(1) makes of the old file the new one."""
    lines = [
        mint.choice([*DIFFED, mint.hostile().encode("utf-8", "replace")]) for _ in range(mint.randint(1, 9))
    ]
    before = b"".join(lines).replace(b"\0", b"")
    where = before.find(b"\n") + 1
    edits = [Edit(where, where, mint.choice(DIFFED) + b"::stop-commands::x\n")]
    folder = tmp_path_factory.mktemp("patch")
    name = re.sub(r"[\0/]|[\ud800-\udfff]", "_", mint.spoil("site.conf", 2))[:40]
    target = folder / "etc" / f"x{name}"
    target.parent.mkdir()
    target.write_bytes(before)
    shown = printed(lambda: show_diff(unified(before, edits, f"/etc/{target.name}")), environ=environ)
    commands = github_commands(shown.out)
    if environ:
        assert commands in ([], ["stop-commands"])
    assert shown.err == b""
    subprocess.run(tool, cwd=folder, input=shown.out, check=True, capture_output=True)
    assert target.read_bytes() == before[:where] + edits[0].text + before[where:]


def test_a_diff_for_other_services_is_exact_or_said_not_to_be() -> None:
    section = "\x1b[0Ksection_start:1:x\r\x1b[0K"
    diff = f"--- a/x\n+++ b/x\n@@ -0,0 +1,2 @@\n+a ##vso[task.setvariable variable=a]b\n+{section}\n"
    shown = printed(lambda: show_diff(diff), environ={"TF_BUILD": "True"})
    assert b"+a #\\x23vso[" not in shown.out
    assert b"+a \\x23#vso[" in shown.out
    assert b"section_start\\x3a1:x" in shown.out
    assert b"warning: the diff isn't exact" in shown.err
    assert printed(lambda: show_diff(diff)).out == diff.encode()
    plain = printed(lambda: show_diff("+section_start: ##\n"), environ={"TF_BUILD": "True"})
    assert (plain.out, plain.err) == (b"+section_start: ##\n", b"")
