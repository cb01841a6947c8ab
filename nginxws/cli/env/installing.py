"""NGINX on balancers that have none, and its server block: in the plan, and done when all was agreed to."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from nginxws.cli.desired import Desired, Seen
from nginxws.cli.env.nodes import Environment
from nginxws.cli.targets import Opening
from nginxws.errors import NginxMissing, NginxwsError, NodeError
from nginxws.provisioning.installing import Install
from nginxws.provisioning.types import Outcome
from nginxws.report.progress import Progress
from nginxws.report.text import show_warning

#: The file that holds the server block of an NGINX that nginxws installed (install.sh).
SITE = "nginxws-site.conf"


@dataclass(slots=True)
class Installing:
    """What is to be installed, and was. ``manager`` is the command line's, None where it says nothing.

    ``wanted`` are the balancers without NGINX, each with the package manager that is meant; ``done`` those
    that have it by now, with the one that was used. ``leaving`` are those whose server block, written
    with NGINX, goes again on the way down.
    """

    environment: Environment
    manager: str | None = None
    wanted: dict[str, str] = field(default_factory=dict)
    done: dict[str, str] = field(default_factory=dict)
    leaving: list[str] = field(default_factory=list)

    def judged(self, one: Seen, *, down: bool = False) -> Seen:
        """The balancer without an error where an NGINX that is missing isn't one."""
        error, name = one.outcome.error, one.link.name
        if down and one.now is not None and any(PurePosixPath(f.path).name == SITE for f in one.now.files):
            self.leaving.append(name)
        if not isinstance(error, NginxMissing):
            return one
        manager = self.manager or self.environment.manifest.nodes[name].install
        if not down and manager is None:
            error.hint = f"--install installs one; {error.hint}"
            return one
        if not down and self.environment.entry.tls:
            return replace(one, outcome=replace(one.outcome, error=_no_certificate(name)))
        if not down:
            self.wanted[name] = manager or ""
        return replace(one, outcome=replace(one.outcome, error=None))

    def run(self, one: Seen, desired: Desired, opening: Opening, progress: Progress) -> Seen:
        """Install where that is to be, and plan for the balancer then."""
        manager, name = self.wanted.get(one.link.name), one.link.name
        if manager is None:
            return one
        on_step = progress.on_node(name)
        try:
            with self.environment.install_link(name, opening) as link:
                self.done[name] = Install(link, manager, self.environment.site, on_step).run()
        except NginxwsError as error:
            error.node = error.node or name
            return replace(one, outcome=replace(one.outcome, error=error))
        (again,) = desired.see([one.link], progress, undo=False)
        return again

    def settled(self, outcome: Outcome, opening: Opening, progress: Progress) -> Outcome:
        """The outcome with what was installed: that stays, whatever became of the rest, for the next try.

        On the way down our server blocks go at its end.
        """
        if any(True for _ in outcome.errors):
            site = self.environment.site.name
            for name in self.done:
                show_warning(
                    f"{name}: NGINX was installed, and stays, with a server block for {site}",
                    "the next `env up` goes on from there; `env down` takes the server block out again",
                )
            return replace(outcome, installed=tuple(self.done.items()))
        for name in self.leaving:
            outcome = self._without_site(name, outcome, opening, progress)
        return replace(outcome, installed=tuple(self.done.items()))

    def _without_site(self, name: str, outcome: Outcome, opening: Opening, progress: Progress) -> Outcome:
        try:
            with self.environment.install_link(name, opening) as link:
                Install(link, "", self.environment.site, progress.on_node(name)).undo()
        except NginxwsError as error:
            error.node = error.node or name
            nodes = (replace(one, error=error) if one.node == name else one for one in outcome.nodes)
            return replace(outcome, nodes=tuple(nodes))
        return replace(outcome, sites_removed=(*outcome.sites_removed, name))


def _no_certificate(name: str) -> NodeError:
    """The server block that comes with NGINX is plain HTTP: with TLS, nobody would get an answer."""
    return NodeError(
        "there is no NGINX, and --install can't set one up for tls = true: TLS needs a certificate",
        node=name,
        hint="install NGINX with tls = false, get a certificate (certbot, say), then say tls = true; "
        "or install it and write its server block by hand",
    )
