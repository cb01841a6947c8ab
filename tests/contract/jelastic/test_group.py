"""A balancer of several nodes: what is true of one must be true of each."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pytest

from nginxws.errors import NodeError
from nginxws.providers.jelastic.balancer import Balancer, digests
from nginxws.providers.jelastic.calls import Platform, Ran


class Group:
    """Nodes whose files are below folders of their own; commands run in each of them."""

    env_name = "chat"

    def __init__(self, *roots: Path) -> None:
        self.roots = roots

    def run(self, _group: str, command: str, *, repeat: bool = True) -> tuple[Ran, ...]:
        assert repeat
        return tuple(self._run(number, root, command) for number, root in enumerate(self.roots))

    def _run(self, number: int, root: Path, command: str) -> Ran:
        there = command.replace("/node", str(root))
        done = subprocess.run(["/bin/sh", "-c", there], capture_output=True, text=True, check=False)
        return Ran(number, done.stdout.replace(str(root), "/node"), done.returncode)

    def sums(self, group: str, paths: Sequence[str]) -> tuple[dict[str, str], ...]:
        return Platform.sums(cast(Platform, self), group, paths)

    def read(self, _group: str, path: str) -> str:
        return Path(path.replace("/node", str(self.roots[0]))).read_text()


@pytest.fixture
def roots(tmp_path: Path) -> tuple[Path, Path]:
    made = tmp_path / "one", tmp_path / "two"
    for root in made:
        (root / "nginx" / "conf.d").mkdir(parents=True)
        main = "events {}\nhttp {\n    include conf.d/*.conf;\n    include /node/else.conf;\n"
        (root / "nginx" / "nginx.conf").write_text(main + "    include /node/gone.conf;\n}\n")
        (root / "nginx" / "conf.d" / "site.conf").write_text("server {\n    listen 80;\n}\n")
        (root / "else.conf").write_text("# elsewhere\n")
    return made


def group(roots: tuple[Path, Path]) -> Balancer:
    return Balancer(cast(Platform, Group(*roots)), "bl", "/node/nginx/nginx.conf")


def test_nodes_that_are_alike_are_one(roots: tuple[Path, Path]) -> None:
    found = group(roots).snapshot()
    assert sorted(found.texts()) == [
        "/node/else.conf",
        "/node/nginx/conf.d/site.conf",
        "/node/nginx/nginx.conf",
    ], "what is outside the folder is found, what isn't there is left out"


@pytest.mark.parametrize("name", ["nginx/conf.d/site.conf", "else.conf"])
def test_nodes_with_other_texts_are_refused(roots: tuple[Path, Path], name: str) -> None:
    (roots[1] / name).write_text("# other\n")
    with pytest.raises(NodeError, match="isn't the same on each node") as caught:
        group(roots).snapshot()
    assert caught.value.file == f"/node/{name}"


def test_nodes_with_other_files_are_refused(roots: tuple[Path, Path]) -> None:
    (roots[1] / "nginx" / "conf.d" / "more.conf").write_text("# more\n")
    with pytest.raises(NodeError, match=r"different files for .*conf\.d/\*\.conf"):
        group(roots).snapshot()


def test_a_file_that_one_node_lacks_is_unlike(roots: tuple[Path, Path]) -> None:
    balancer = group(roots)
    wanted = digests({"/node/else.conf": b"# elsewhere\n"})
    assert balancer.unlike(wanted) == []
    (roots[1] / "else.conf").unlink()
    assert balancer.unlike(wanted) == ["/node/else.conf"]
