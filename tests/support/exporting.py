"""An environment on loopback for exports: a real NGINX, a real WebSocket backend, their manifest."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from nginxws.environment.archive import Entry
from nginxws.environment.export.formats import export
from nginxws.environment.export.jobs import Ask
from nginxws.manifest.reading import parse
from support.backend import Backend
from support.nginx import NginxNode

_JPS = Path(__file__).parents[2] / "nginxws/environment/export/jps.schema.json"
DOMAIN = "chat.example.com"
PAGE = b'// the page\nconst wsUri = "ws://old.example.com/";\n'


@dataclass(frozen=True, slots=True)
class World:
    """A folder for an application, and the machines; ``manifest`` is the text of one that fits them."""

    folder: Path
    node: NginxNode
    backend: Backend

    @property
    def target(self) -> Path:
        return self.folder / "srv"

    @property
    def restarts(self) -> list[str]:
        """A line for every restart of the application."""
        log = self.folder / "restarts"
        return log.read_text().splitlines() if log.exists() else []

    def manifest(self, *, ssh: str = "local", path: str = "/ws/", route: str = "", app: str = "") -> str:
        return (
            f'format = 1\n[environment]\ndomain = "{DOMAIN}:{self.node.port}"\n'
            f'[nodes.lb1]\nssh = "{ssh}"\nserver = "{DOMAIN}"\nnginx_conf = "{self.node.conf}"\n'
            f'nginx_bin = "{self.node.binary}"\n'
            f'[apps.chat]\nssh = "{ssh}"\naddress = "127.0.0.1"\nport = {self.backend.port}\n'
            f'source = "chat"\ntarget = "{self.target}"\n{app}'
            f'restart = "echo again >>{self.folder}/restarts"\n'
            '[[apps.chat.websocket]]\nfile = "public/chat.js"\npattern = \'wsUri = "([^"]*)"\'\n'
            f'[[routes]]\npath = "{path}"\nbackends = ["app:chat"]\n{route}'
        )

    def ask(self, text: str | None = None, **more: object) -> Ask:
        manifest = parse(self.manifest() if text is None else text, "nginxws.toml")
        sources = {"chat": (Entry("public/chat.js", 0o644, PAGE), Entry("run.sh", 0o755, b"#!/bin/sh\n"))}
        return Ask(manifest, sources, **more)  # type: ignore[arg-type]

    def export(self, name: str, text: str | None = None, **more: object) -> str:
        return export(name, self.ask(text, **more))


def run_script(
    script: str, folder: Path, *arguments: str, shell: str = "dash", **env: str
) -> tuple[int, str]:
    """Exit code and output of a script in a shell such as ``busybox sh``."""
    file = folder / "environment.sh"
    file.write_text(script)
    done = subprocess.run(
        [*shell.split(), str(file), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, **env},
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout.decode()


def blocks_of(text: str) -> list[str]:
    """What managed blocks a configuration has, by their begin lines, without digests."""
    return re.findall(r"(?m)^\s*# nginxws: begin (\S+ \S+) [0-9a-f]{16}$", text)


def export_text(name: str, text: str, **more: object) -> str:
    """An export of a manifest without sources."""
    return export(name, Ask(parse(text, "nginxws.toml"), **more))  # type: ignore[arg-type]


def held(text: str) -> dict[str, Any]:
    """A Cloud Scripting manifest held to our schema; it must call only actions that it has."""
    document: dict[str, Any] = yaml.safe_load(text)
    jsonschema.validate(document, json.loads(_JPS.read_text()))
    for event, calls in document.items():
        if event.startswith("on"):
            assert {call for call in calls if isinstance(call, str)} <= set(document["actions"])
    return document
