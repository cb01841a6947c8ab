"""``add-route`` to a loopback node over SSH against the script that an operator would write."""

from __future__ import annotations

import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from support.backend import Backend, echo_backend
from support.nginx import NginxNode, debian_nginx
from support.sshd import SshServer, need, running

#: Uploads, tests, swaps and reloads, as fast as ssh goes. It proves nothing and undoes nothing.
SCRIPT = """\
#!/bin/sh
set -e
ssh -F {config} node "cat > {site}.new
mv {site}.new {site}
{nginx} -t -c {conf}
{nginx} -c {conf} -s reload" < {new}
"""


@dataclass(frozen=True, slots=True)
class Pushed:
    """Medians in seconds, of whole processes."""

    rounds: int
    script: float
    add_route: float
    remove_route: float

    @property
    def ratio(self) -> float:
        """How much longer the proved way takes."""
        return self.add_route / self.script


def measure(nginxws: Path, rounds: int) -> Pushed:
    """Both ways in turn, ``rounds`` times, after one round that doesn't count."""
    nginx = debian_nginx()
    if nginx is None:
        raise SystemExit("this benchmark needs the system's nginx")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.chmod(0o755)
        keys = folder / "ssh"
        keys.mkdir()
        node = NginxNode(folder / "nginx", nginx)
        node.start()
        stack.callback(node.stop)
        server = stack.enter_context(running(need("sshd"), keys, (), "ed25519"))
        backend = stack.enter_context(echo_backend())
        return _rounds(nginxws, rounds, node, server, backend)


def _rounds(nginxws: Path, rounds: int, node: NginxNode, server: SshServer, backend: Backend) -> Pushed:
    new = node.prefix / "new.conf"
    new.write_bytes(node.site.read_bytes())
    script = node.prefix / "push.sh"
    script.write_text(
        SCRIPT.format(config=server.config, site=node.site, nginx=node.binary, conf=node.conf, new=new)
    )
    target = ["--node", "node", "--ssh-config", str(server.config), *node.options()]
    ways = {
        "script": ["sh", str(script)],
        "add": [str(nginxws), "add-route", "/ws/", backend.address, *target],
        "remove": [str(nginxws), "remove-route", "/ws/", *target],
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds + 1):
        for name, argv in ways.items():
            times[name].append(timed(argv))
    medians = {name: statistics.median(taken[1:]) for name, taken in times.items()}
    return Pushed(rounds, medians["script"], medians["add"], medians["remove"])


def timed(argv: Sequence[str]) -> float:
    """Seconds that a program takes; it must succeed."""
    started = time.perf_counter()
    done = subprocess.run(argv, capture_output=True, stdin=subprocess.DEVNULL, check=False)
    seconds = time.perf_counter() - started
    if done.returncode != 0:
        raise SystemExit(f"{argv[0]}: exit {done.returncode}: {done.stderr.decode()}")
    return seconds
