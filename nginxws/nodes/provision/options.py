"""How an application is changed on its node: its names there, its restart, its bounds of time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from nginxws.environment.wanted import WantedApp
from nginxws.errors import InvalidInput

#: It becomes a folder of the state, and part of a command line.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,62}")


@dataclass(frozen=True, slots=True)
class AppOptions:
    """Settings of one application on its node; empty means none, or found out there. Timeouts in seconds.

    ``target`` is the folder of the releases, ``keep`` of which stay. ``service`` is restarted by what
    manages services there, or else ``restart`` is run by sh; either has ``restart_timeout``.
    ``confirm_timeout`` is how long the node waits, changed and ready, for this side's word: all that the
    rest of the environment takes. ``ignore_editors``: edit files that somebody has open in an editor.
    """

    name: str
    target: str = ""
    keep: int = 3
    service: str = ""
    restart: str = ""
    restart_timeout: int = 60
    state_dir: str = ""
    who: str = ""
    message: str = ""
    lock_timeout: int = 30
    confirm_timeout: int = 30
    ignore_editors: bool = False

    def __post_init__(self) -> None:
        for what, name in (("name", self.name), ("service", self.service or "none")):
            if not _NAME.fullmatch(name):
                hint = "letters, digits and ._@- , beginning with a letter or digit; at most 63"
                raise InvalidInput(f"{name!r} can't be the {what} of an application", hint=hint)

    @classmethod
    def of(
        cls,
        wanted: WantedApp,
        *,
        state_dir: str = "",
        who: str = "",
        message: str = "",
        lock_timeout: int = 30,
        confirm_timeout: int = 30,
        restart_timeout: int = 60,
        ignore_editors: bool = False,
    ) -> AppOptions:
        """Those of an application as the manifest wants it. Raises InvalidInput for an impossible name."""
        return cls(
            name=wanted.name,
            target=wanted.target or "",
            keep=wanted.keep,
            service=wanted.service or "",
            restart=wanted.restart or "",
            restart_timeout=restart_timeout,
            state_dir=state_dir,
            who=who,
            message=message,
            lock_timeout=lock_timeout,
            confirm_timeout=confirm_timeout,
            ignore_editors=ignore_editors,
        )

    def parameters(self) -> Iterator[tuple[str, str]]:
        """The request parameters of the script that every request about an application takes."""
        yield "name", self.name
        yield "target", self.target
        yield "keep", str(self.keep)
        yield "service", self.service
        yield "restart", self.restart
        yield "restart-timeout", str(self.restart_timeout)
        yield "state", self.state_dir
        yield "who", " ".join(self.who.split())
        yield "message", " ".join(self.message.split())
        yield "lock-timeout", str(self.lock_timeout)
        yield "confirm-timeout", str(self.confirm_timeout)
        yield "ignore-editors", "yes" if self.ignore_editors else ""
