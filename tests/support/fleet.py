"""Three balancers and the manifest that names them: two on this machine, one reached by SSH."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from support.command import Done, Nginxws
from support.nginx import NginxNode


class Fleet:
    """Nodes ``lb1``, ``lb2`` and, by SSH, ``lb3``; the folder of their manifest."""

    def __init__(self, folder: Path, nodes: Sequence[NginxNode], ssh: str, command: Nginxws) -> None:
        self.manifest = folder / "nginxws.toml"
        self.nodes = {f"lb{number}": node for number, node in enumerate(nodes, start=1)}
        self._ssh = ssh
        self._command = command

    def write(self, *routes: str) -> None:
        """The manifest with these routes: each the lines of its table."""
        lines = ["format = 1"]
        for name, node in self.nodes.items():
            lines += [
                f"[nodes.{name}]",
                f'ssh = "{self._ssh if name == "lb3" else "local"}"',
                f'nginx_conf = "{node.conf}"',
                f'nginx_bin = "{node.binary}"',
                f'state_dir = "{node.state}"',
            ]
        self.manifest.write_text("\n".join([*lines, *(f"[[routes]]\n{route}" for route in routes)]) + "\n")

    def __call__(self, command: str, *words: str, code: int = 0, env: dict[str, str] | None = None) -> Done:
        """Run a command with the manifest; the exit code must be ``code``."""
        return self._command(command, *words, "--manifest", str(self.manifest), code=code, env=env)

    def start(self, command: str, *words: str) -> subprocess.Popen[bytes]:
        """A running command with the manifest."""
        return self._command.start(command, *words, "--manifest", str(self.manifest))

    def digests(self) -> dict[str, dict[str, str]]:
        """Every file of every node's configuration."""
        return {name: node.digests() for name, node in self.nodes.items()}

    def workers(self) -> dict[str, set[int]]:
        """The pids of every node's workers that serve."""
        return {
            name: {pid for pid, draining in node.workers().items() if not draining}
            for name, node in self.nodes.items()
        }

    def revisions(self) -> list[int]:
        """How many revisions each node keeps."""
        return [len(node.revisions()) for node in self.nodes.values()]


def route(path: str, *backends: str, **more: str) -> str:
    """The lines of one route; ``more`` are values as TOML has them."""
    listed = ", ".join(f'"{one}"' for one in backends)
    return "\n".join(
        [f'path = "{path}"', f"backends = [{listed}]", *(f"{key} = {value}" for key, value in more.items())]
    )
