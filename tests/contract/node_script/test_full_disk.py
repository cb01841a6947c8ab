"""A disk that gets full, and stays so, at the moment when a file is written in place."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.disks import PAGE, Hog, mount
from support.nginx import NginxNode, site_conf
from support.talking import Talk

from nginxws.errors import Restored
from nginxws.nodes.script import script

pytestmark = [pytest.mark.nginx, pytest.mark.root]

#: The script waits here for a file of that name.
ACTIVATION = "  [ -z \"$STOP\" ] || { undo activate ''; return; }\n"
WAIT = "  while [ ! -e '@GO@' ]; do nap; done\n"


@pytest.fixture
def disk(node: NginxNode) -> Iterator[Path]:
    """The configuration's own small disk, on which the site has a second name and fills its page."""
    folder = node.conf.parent
    text = site_conf(node.port)
    files = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    files[node.site.relative_to(folder)] = f"# {'x' * (PAGE - len(text) - 3)}\n{text}".encode()
    mount("-t", "tmpfs", "-o", f"size={64 * PAGE},mode=755", "tmpfs", str(folder))
    for name, data in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)
    os.link(node.site, folder / "second-name")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_nothing_is_given_up_that_the_way_back_needs(
    talk: Talk, node: NginxNode, disk: Path, tmp_path: Path
) -> None:
    """The new text needs a page more. The one that the old text has is never let go: it would be lost."""
    go, old, plan = tmp_path / "go", node.digests(), talk.plan()
    hogs: list[Hog] = []
    text = script().decode().replace(ACTIVATION, WAIT.replace("@GO@", str(go)) + ACTIVATION, 1)
    assert str(go) in text

    def fill(name: str, _words: str) -> None:
        if name == "activate":
            hogs.append(Hog(disk))
            go.touch()

    try:
        with pytest.raises(Restored) as caught:
            talk.transact(plan, text=text.encode(), on_step=fill)
    finally:
        for hog in hogs:
            hog.free()
    assert node.digests() == old
    assert f"{node.site}: cannot replace it (no room on the disk)" in (caught.value.detail or "")
    assert node.lock_is_free()
