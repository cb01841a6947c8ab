"""What a node has now: the files its NGINX is made of, the program, and its processes.

Pure data. ``nodes/snapshot.py`` fills it from a balancer, ``files.py`` from
files on this machine; ``plan.py`` compares it with what is wanted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class FileState:
    """One configuration file, byte for byte.

    ``path`` is the name NGINX opened, ``real`` the same without symbolic links.
    ``mode`` is octal as ``stat`` prints it; ``links`` counts hard links.
    """

    path: str
    real: str
    data: bytes
    mode: str = "644"
    uid: int = 0
    gid: int = 0
    links: int = 1
    writable: bool = True

    @property
    def sha256(self) -> str:
        """Hex digest of the bytes."""
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True, slots=True)
class NginxInfo:
    """The NGINX program of a node and where it keeps its things."""

    binary: str = "nginx"
    conf: str = "/etc/nginx/nginx.conf"
    main: str = "/etc/nginx/nginx.conf"
    prefix: str = ""
    pid_file: str = ""
    default_conf: str = ""
    dash_v: str = ""


@dataclass(frozen=True, slots=True)
class Pending:
    """An interrupted transaction that the next command must undo first."""

    transaction: str
    who: str
    since: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything a plan needs to know of one node.

    ``test_failure`` holds NGINX's own words when its test fails already, before
    any change of ours. ``workers`` maps the pid of each worker to whether it is
    draining (an old worker that keeps its open sockets after a reload).
    ``recovered`` says what interrupted change was undone before this look: whose, and
    when it began; empty when there was none.
    """

    node: str
    nginx: NginxInfo
    files: tuple[FileState, ...]
    master: int = 0
    workers: Mapping[int, bool] = field(default_factory=lambda: MappingProxyType({}))
    user: str = ""
    tools: frozenset[str] = frozenset()
    sockets: tuple[str, ...] = ()
    state_dir: str = ""
    holder: str = ""
    test_failure: str | None = None
    pending: Pending | None = None
    recovered: str = ""

    @property
    def draining(self) -> int:
        """How many old workers still hold sockets."""
        return sum(self.workers.values())

    def texts(self) -> dict[str, bytes]:
        """Bytes of every file by the name NGINX opened it with."""
        return {file.path: file.data for file in self.files}
