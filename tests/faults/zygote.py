"""Starts command lines fast: everything is imported once, each request forks.

A request is one JSON line: argv, the node script to use, and the step at which the
client is to stop. The answer is the child's pid; then, when it has ended, its exit
status. The child is the real command line; only the node script and the stop are
its own, or a ``break``: a driver of the client that is broken on purpose (``breaks.py``).
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nginxws.cli.add_route
import nginxws.cli.change
import nginxws.cli.remove_route
import nginxws.planner  # noqa: F401 (imported for its children)
from nginxws import cli, proving
from nginxws.nodes import local
from nginxws.nodes import script as node_script
from nginxws.nodes.ssh import transport as ssh


def _stop_before(owner: Any, name: str, hook: Path) -> None:
    """The first call of this function waits for ``hook``.go."""
    real: Callable[..., Any] = getattr(owner, name)

    def stop(*args: Any) -> Any:
        if not hook.with_suffix(".reached").exists():
            hook.with_suffix(".reached").touch()
            while not hook.with_suffix(".go").exists():
                time.sleep(0.005)
        return real(*args)

    setattr(owner, name, stop)


def _arrange(request: dict[str, Any]) -> None:
    text = Path(request["script"]).read_bytes()
    node_script.script = lambda: text
    if request["break"]:
        from faults.breaks import BREAKS

        BREAKS[request["break"]]()
    hook = Path(request["hook"])
    if request["step"] == "connect":
        _stop_before(local.LocalTransport, "run", hook)
        _stop_before(ssh, "authenticate", hook)
    elif request["step"] == "probe":
        _stop_before(proving.Proof, "decide", hook)


def child(request: dict[str, Any]) -> None:
    """Run one command line, as the console script does."""
    _arrange(request)
    out = os.open(request["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115 (the process's own)
    sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
    cli.main([str(word) for word in request["argv"]])


def main() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    ssh.load_paramiko()
    requests = os.fdopen(0, "r", closefd=False)
    for line in iter(requests.readline, ""):
        pid = os.fork()
        if pid == 0:
            try:
                child(json.loads(line))
            except SystemExit as end:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(end.code if isinstance(end.code, int) else 1)
            except BaseException:
                import traceback

                traceback.print_exc()
                sys.stderr.flush()
            os._exit(99)
        print(pid, flush=True)
        _pid, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
