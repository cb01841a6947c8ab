"""NGINX put on balancers that have none, before anything else is changed."""

from __future__ import annotations

from dataclasses import dataclass

from nginxws.errors import NginxwsError
from nginxws.nodes.link import NodeLink
from nginxws.nodes.provision import install
from nginxws.nodes.provision.install import Site
from nginxws.nodes.reading import OnStep


@dataclass(frozen=True, slots=True)
class Install:
    """One balancer without NGINX. ``link`` runs the provisioning script, ``manager`` may be ``auto``.

    ``site`` is the server block of the environment's own name.
    """

    link: NodeLink
    manager: str
    site: Site
    on_step: OnStep

    def run(self) -> str:
        """Install, and write the server block; what was used: ``apt``. Raises NodeError, ConnectionFailed."""
        done = install.install(self.link.session(), self.manager, self.on_step)
        if done.manager:
            self._add_site(done.manager)
        return done.manager

    def _add_site(self, manager: str) -> None:
        try:
            install.add_site(self.link.session(), self.site, self.on_step)
        except NginxwsError as error:  # the next run finds an NGINX, and writes none
            error.message += f"; NGINX was installed by {manager}, and stays"
            by_hand = f"write a server block for {self.site.name}, port {self.site.port}, by hand"
            error.hint = f"{error.hint}; then {by_hand}" if error.hint else by_hand
            raise

    def undo(self) -> None:
        """The server block out again, on the way down; NGINX itself stays. Raises as `run`."""
        install.drop_site(self.link.session(), self.site, self.on_step)
