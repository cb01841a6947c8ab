"""Starts command lines fast: everything is imported once, each request forks.

A request is one JSON line: argv, the node script to use, and the step at which to
stop. The answer is the child's pid; then, when it has ended, its exit status. The
child is the real command line; only the node script and the probe are its own.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

import nginxws.cli.add_route
import nginxws.cli.change
import nginxws.nodes.local
import nginxws.nodes.ssh.transport
import nginxws.planner  # noqa: F401 (imported for its children)
from nginxws import cli, proving
from nginxws.nodes import script as node_script


def child(request: dict[str, str | list[str]]) -> None:
    """Run one command line, as the console script does."""
    text = Path(str(request["script"])).read_bytes()
    node_script.script = lambda: text
    if request["probe_hook"]:
        hook = Path(str(request["probe_hook"]))
        decide = proving.Proof.decide

        def stop_then_decide(self: proving.Proof) -> str | None:
            hook.with_suffix(".reached").touch()
            while not hook.with_suffix(".go").exists():
                time.sleep(0.005)
            return decide(self)

        proving.Proof.decide = stop_then_decide  # type: ignore[method-assign]  # this process is the test's
    out = os.open(str(request["output"]), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115 (the process's own)
    sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
    cli.main([str(word) for word in request["argv"]])


def main() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
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
