"""A balancer of the platform's kind with the chat behind it."""

from __future__ import annotations

from pathlib import Path

from support.command import Done, Nginxws
from support.nginx import NginxNode

SITE = """\
server {{
    listen 127.0.0.1:@PORT@;
    server_name chat.example.com;

    location / {{
        proxy_pass http://{application};
    }}
}}
"""


class Balancer:
    """A balancer with the chat behind it."""

    def __init__(self, node: NginxNode, home: Path, application: str) -> None:
        self.node = node
        self.application = application
        self._nginxws = Nginxws(home, ("--node", "local", *node.options()))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.node.port}/"

    def route(self, *options: str) -> Done:
        """Let nginxws add the chat's route, or change it."""
        return self._nginxws("add-route", "/ws/", self.application, *options, "--yes")
