"""What the user may say about a node: how its NGINX is found, reloaded and locked, how a route is proved."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from nginxws.revision import Kind


@dataclass(frozen=True, slots=True)
class NodeOptions:
    """Settings of one node; empty means: find out on the node. Timeouts in seconds.

    ``max_draining`` is how many generations of old workers a reload may leave draining; 0: any number.
    ``keep`` revisions stay on the node. ``digest`` is the sha256 of the manifest behind a change.
    """

    nginx_bin: str = ""
    nginx_conf: str = ""
    state_dir: str = ""
    reload_command: str = ""
    who: str = ""
    message: str = ""
    lock_timeout: int = 30
    reload_timeout: int = 30
    confirm_timeout: int = 30
    keep: int = 20
    max_draining: int = 0
    ignore_editors: bool = False
    digest: str = ""
    kind: Kind = "apply"

    def parameters(self) -> Iterator[tuple[str, str]]:
        """The request parameters of the node script that every request takes."""
        yield "bin", self.nginx_bin
        yield "conf", self.nginx_conf
        yield "state", self.state_dir
        yield "reload", self.reload_command
        yield "who", " ".join(self.who.split())
        yield "message", " ".join(self.message.split())
        yield "lock-timeout", str(self.lock_timeout)
        yield "reload-timeout", str(self.reload_timeout)
        yield "confirm-timeout", str(self.confirm_timeout)
        yield "keep", str(self.keep)
        yield "max-draining", str(self.max_draining)
        yield "ignore-editors", "yes" if self.ignore_editors else ""
        yield "digest", self.digest
        yield "kind", self.kind


ProbeMode = Literal["required", "warn", "off"]


@dataclass(frozen=True, slots=True)
class ProbePolicy:
    """How routes are proved. ``timeout`` is in seconds; empty fields follow the plan."""

    mode: ProbeMode = "required"
    path: str | None = None
    host: str | None = None
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)  # may hold secrets
    expect: int = 101
    url: str | None = None
    timeout: float = 5.0
