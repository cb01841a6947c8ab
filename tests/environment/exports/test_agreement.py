"""The script's own reading of NGINX configuration against nginxws's: the same bytes, or a refusal."""

from __future__ import annotations

import base64
import re
import subprocess
from pathlib import Path

import pytest
from support.exporting import export_text

from nginxws.config.tree import load
from nginxws.errors import NginxwsError
from nginxws.files import DiskReader
from nginxws.plan import Put
from nginxws.planner import make_plan
from nginxws.route import Route
from nginxws.snapshot import FileState, NginxInfo, Snapshot

TESTS = Path(__file__).parents[2]
FILES = sorted((TESTS / "corpus" / "files").glob("*.conf"))
SITES = sorted((TESTS / "cases" / "splice").glob("*.conf"))
BACKENDS = ["10.0.0.5:8080", "10.0.0.6:8080"]


def manifest(conf: Path) -> str:
    return (
        'format = 1\n[environment]\ndomain = "x.example.com"\n'
        f'[nodes.lb1]\nssh = "local"\nnginx_bin = "true"\nnginx_conf = "{conf}"\n'
        f'[[routes]]\npath = "/a-new-route/"\nbackends = {BACKENDS}\n'
    )


def by_nginxws(conf: Path) -> bytes | None:
    """What nginxws makes of the file, None if it refuses."""
    tree = load(str(conf), DiskReader())
    states = tuple(FileState(name, name, file.document.data) for name, file in tree.files.items())
    now = Snapshot("lb1", NginxInfo(conf=str(conf), main=str(conf)), states)
    try:
        plan = make_plan(now, [Put(Route.create("/a-new-route/", BACKENDS))])
    except NginxwsError:
        return None
    return next(file.after for file in plan.files)


def by_script(conf: Path, folder: Path, shell: str) -> bytes | None:
    script = folder / "environment.sh"
    script.write_text(export_text("shell", manifest(conf)))
    done = subprocess.run(
        [*shell.split(), str(script), "plan", "lb1"], capture_output=True, check=False, timeout=60
    )
    if done.returncode != 0:
        assert b"nginxws: error: " in done.stderr
        return None
    lines = [line.split() for line in done.stdout.splitlines() if line.startswith(b"file ")]
    assert len(lines) == 1, done.stdout
    return base64.b64decode(lines[0][2])


@pytest.mark.parametrize("source", [*FILES, *SITES], ids=lambda path: path.stem)
def test_the_same_or_a_refusal(source: Path, tmp_path: Path) -> None:
    conf = tmp_path / "nginx.conf"
    data = source.read_bytes()
    if not re.search(rb"(?m)^http\b", data):
        conf.write_bytes(b"http {\n" + data + b"\n}\n")
    else:
        conf.write_bytes(data)
    shell = "dash" if len(source.stem) % 2 else "busybox sh"
    ours = by_script(conf, tmp_path, shell)
    if ours is not None:
        theirs = by_nginxws(conf)
        assert theirs is not None, "the script edits what nginxws refuses"
        assert ours == theirs


def test_most_are_the_same(tmp_path: Path) -> None:
    """A script that refused everything would pass the test above."""
    conf = tmp_path / "nginx.conf"
    done = 0
    for source in SITES:
        conf.write_bytes(b"http {\n" + source.read_bytes() + b"\n}\n")
        done += by_script(conf, tmp_path, "dash") is not None
    assert done >= 4
