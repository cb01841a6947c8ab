"""A machine without NGINX: this one's files with those of NGINX taken out, and a package source of its own.

What is written there stays there: it is an overlay on a small file system in memory. Its processes are in a
namespace of their own, which ends with its SSH server.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from support.disks import mount
from support.sshd import SshServer, need, running

_CONF = """\
events {}
http {
    access_log off;
    include /etc/nginx/conf.d/*.conf;
}
"""
_CONTROL = """\
Package: nginx
Version: 99.0-1
Architecture: all
Maintainer: nobody <nobody@example.com>
Description: the NGINX of the machine that the tests run on
"""


@dataclass(frozen=True, slots=True)
class Machine:
    """A running one. ``root`` is its file system as seen from here."""

    root: Path
    ssh: SshServer


@contextlib.contextmanager
def machine(folder: Path) -> Iterator[Machine]:
    """One until the end of the block, reached by SSH as root. Needs root."""
    nginx, sshd = need("nginx"), need("sshd")
    keys, disk = folder / "keys", folder / "disk"
    keys.mkdir(parents=True)
    disk.mkdir()
    with contextlib.ExitStack() as stack:
        mount("-t", "tmpfs", "none", str(disk))
        stack.callback(_unmount, disk)
        packages = disk / "packages"
        _package(packages, nginx)
        root = _root(disk, stack)
        shutil.copytree(packages, root / "packages")
        _take_nginx_out(root)
        source = root / "etc" / "apt"
        shutil.rmtree(source / "sources.list.d", ignore_errors=True)
        (source / "sources.list").write_text("deb [trusted=yes] file:/packages ./\n")
        # apt's own user may not read a folder of root's.
        (source / "apt.conf.d" / "99tests").write_text('APT::Sandbox::User "root";\n')
        words = ("--mount", "--pid", "--fork", "--kill-child", f"--mount-proc={root}/proc")
        within = (need("unshare"), *words, need("chroot"), str(root))
        # No PAM, and its log to us: all that it needs is in the folder of its keys.
        server = stack.enter_context(running(sshd, keys, (), "ed25519", within))
        yield Machine(root, server)


def _package(folder: Path, nginx: str) -> None:
    """A source of one package: the NGINX that is installed here, with a configuration of its own."""
    tree = folder / "tree"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN" / "control").write_text(_CONTROL)
    binary = tree / "usr" / "sbin" / "nginx"
    binary.parent.mkdir(parents=True)
    shutil.copy2(Path(nginx).resolve(), binary)
    for name in ("etc/nginx/conf.d", "var/log/nginx", "var/lib/nginx"):
        (tree / name).mkdir(parents=True)
    (tree / "etc" / "nginx" / "nginx.conf").write_text(_CONF)
    for mode in (tree, *(path for path in tree.rglob("*") if path.is_dir())):
        mode.chmod(0o755)
    _call("dpkg-deb", "--build", "-Znone", str(tree), str(folder / "nginx.deb"))
    shutil.rmtree(tree)
    described = _call("dpkg-deb", "--field", str(folder / "nginx.deb"))
    sums = _call("sha256sum", str(folder / "nginx.deb")).split()[0]
    size = (folder / "nginx.deb").stat().st_size
    (folder / "Packages").write_text(f"{described}Filename: ./nginx.deb\nSize: {size}\nSHA256: {sums}\n")


def _root(disk: Path, stack: contextlib.ExitStack) -> Path:
    upper, work, root = disk / "upper", disk / "work", disk / "root"
    for folder in (upper, work, root):
        folder.mkdir()
    mount("-t", "overlay", "overlay", "-o", f"lowerdir=/,upperdir={upper},workdir={work}", str(root))
    stack.callback(_unmount, root)
    home = disk / "home"  # without what this machine's root has in his profile
    home.mkdir(mode=0o700)
    for source, target in (("/dev", root / "dev"), (str(home), root / "root")):
        mount("--bind", source, str(target))
        stack.callback(_unmount, target)
    return root


def _take_nginx_out(root: Path) -> None:
    """NGINX's programs, its files, and what dpkg knows of it."""
    for name in ("usr/sbin/nginx", "usr/local/sbin/nginx"):
        (root / name).unlink(missing_ok=True)
    for name in ("etc/nginx", "var/lib/nginx", "var/log/nginx", "run/nginx.pid", "var/lib/nginxws"):
        path = root / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    status = root / "var" / "lib" / "dpkg" / "status"
    known = status.read_text(errors="surrogateescape").split("\n\n")
    kept = [one for one in known if not one.lstrip("\n").startswith(("Package: nginx", "Package: libnginx"))]
    status.write_text("\n\n".join(kept), errors="surrogateescape")
    shutil.rmtree(root / "run" / "systemd", ignore_errors=True)


def _unmount(folder: Path) -> None:
    _call("umount", "--lazy", str(folder))


def _call(*argv: str) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def see(root: Path) -> dict[str, str]:
    """The configuration of NGINX on a machine: text by path, nothing where there is none."""
    found = (root / "etc" / "nginx").rglob("*")
    return {str(path.relative_to(root)): path.read_text() for path in found if path.is_file()}
