"""``nginxws env``: the whole environment, its applications and its balancers, as one change."""

from __future__ import annotations

import click

from nginxws.cli.group import LazyGroup

#: Command name -> module of nginxws.cli that holds it, and its one-line help.
COMMANDS = {
    "up": ("env.up", "Bring the environment up: applications, addresses, routes; all of it or nothing."),
    "plan": ("env.plan", "Show what `env up` would change."),
    "status": ("env.status", "Say how each application and balancer stands."),
    "url": ("env.url", "Print the ws:// and wss:// addresses."),
    "down": ("env.down", "Take our part of the environment back, to the byte."),
    "export": ("env.export", "Write it for another tool: jps, cloud-init, compose, ansible, shell."),
}


@click.group(cls=LazyGroup, commands_in=COMMANDS)
def env() -> None:
    """Bring up a whole environment: applications, their WebSocket addresses, and the balancers' routes.

    The manifest says it all: [environment], [apps.NAME], [nodes.NAME] and [[routes]]. Every command works
    with all of them.

    \b
        nginxws env plan
        nginxws env up
        nginxws env url
    """
