"""NGINX put on a balancer that has none, and a server block of the environment's own name.

The driver of the provisioning script's ``install``, ``add-site`` and ``drop-site`` requests. Packages are the
only thing that isn't taken back: what was installed stays, which is said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from nginxws.errors import NodeError
from nginxws.nodes.frames import Done, Frame, shortened
from nginxws.nodes.limits import WORKING
from nginxws.nodes.session import Session

#: Gets a step's name and its words.
OnStep = Callable[[str, str], None]

#: Seconds that a package manager may take.
PATIENCE = 900


@dataclass(frozen=True, slots=True)
class Site:
    """A server block of our own: ``listen PORT; server_name NAME;``. Both are checked by the manifest."""

    name: str
    port: int


@dataclass(frozen=True, slots=True)
class Installed:
    """What came of `install`. ``manager`` is empty when there was an NGINX already."""

    manager: str
    version: str


def install(session: Session, manager: str, on_step: OnStep) -> Installed:
    """Install NGINX and start it, where there is none. Raises NodeError with the package manager's words."""
    done = _ask(session, "install", [("manager", manager), ("patience", str(PATIENCE))], on_step)
    if done.code == "present":
        return Installed("", "")
    used, _, version = done.text.partition("\n")
    return Installed(used.strip(), version.rpartition("version: ")[2].strip())


def add_site(session: Session, site: Site, on_step: OnStep, *, reload_timeout: int = 30) -> str:
    """Write the server block into a file of its own, test it and reload; returns the file's path.

    Raises NodeError, and the file isn't there then.
    """
    return _ask(session, "add-site", _site(site, reload_timeout), on_step).text.strip()


def drop_site(session: Session, site: Site, on_step: OnStep, *, reload_timeout: int = 30) -> str:
    """Take that file away again; returns its path, empty when there is none.

    Raises NodeError, also when somebody has edited it: it stays as it is then.
    """
    done = _ask(session, "drop-site", _site(site, reload_timeout), on_step)
    return done.text.strip() if done.code == "dropped" else ""


def _site(site: Site, reload_timeout: int) -> list[tuple[str, str]]:
    return [
        ("site-name", site.name),
        ("site-port", str(site.port)),
        ("reload-timeout", str(reload_timeout)),
    ]


def _ask(session: Session, word: str, parameters: Iterable[tuple[str, str]], on_step: OnStep) -> Done:
    def on_frame(frame: Frame) -> None:
        if frame.kind == "step":
            name, _, words = frame.text.partition(" ")
            on_step(name, words)

    session.request(word, parameters)
    done = session.frames(on_frame, silence=WORKING)
    if done.outcome == "ok":
        return done
    message, hint = _REFUSALS.get(done.code, (f"the node refused: {done.code}", None))
    first, _, rest = done.text.strip().partition("\n")
    raise NodeError(message.format(first), node=session.node, detail=shortened(rest) or None, hint=hint)


_REFUSALS = {
    "not-root": (
        "only root can install NGINX",
        "log in as root, or say sudo = true for this node (or --sudo)",
    ),
    "no-manager": (
        "it has no package manager like {}",
        "--install auto takes apt, dnf or apk; with another one, install NGINX by hand",
    ),
    "failed": (
        "NGINX couldn't be installed ({})",
        "the package manager's words stand above; try its command on the node by hand",
    ),
    "not-started": (
        "NGINX was installed, but doesn't start: {}",
        "look at its error log; is its port taken?",
    ),
    "test": ("NGINX refuses: {}", "its own words stand above; the new server block isn't there any more"),
    "no-folder": (
        "{} includes neither conf.d/*.conf nor http.d/*.conf: there is no place for a server block",
        "write one by hand, and name it with server = in the manifest",
    ),
    "site-there": ("{} is there already", "it was written by `nginxws env up`; see what is in it"),
    "edited": ("{} was edited by hand, so it stays", "remove it by hand when it isn't needed any more"),
    "no-nginx": ("{}", "say --install, or install it by hand"),
    "no-room": ("cannot write {} (disk full or read-only, or no permission)", "free some space; try --sudo"),
    "site": ("{} can't be a server's name and port", "see domain in the manifest's [environment]"),
}
