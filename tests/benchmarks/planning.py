"""One measurement of planning, in a process of its own: ``planning.py ROUTES KIND WHAT`` prints JSON.

KIND is ``hand-written`` (the platform documentation's six lines) or ``managed`` (our default block between
its markers); WHAT is ``crossplane`` (its parser alone) or ``plan`` (one more route, planned and checked).
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from nginxws.config.blocks import digest
from nginxws.plan import Put
from nginxws.render import render
from nginxws.route import Route
from nginxws.snapshot import FileState, NginxInfo, Snapshot

_BACKEND = "10.0.0.5:8080"


def configuration(routes: int, kind: str) -> bytes:
    """A whole configuration with that many WebSocket routes in one server block."""
    block = _hand_written if kind == "hand-written" else _managed
    maps = ""
    if kind == "managed":
        maps = _between_markers("map websocket", render(Route.create("/x/", [_BACKEND])).maps or "", "")
    locations = "".join(block(f"/ws/{number}/") for number in range(routes))
    return (
        f"events {{}}\nhttp {{\n{maps}server {{\n    listen 80;\n    server_name chat.example.com;\n"
        f"{locations}    location / {{\n        return 200;\n    }}\n}}\n}}\n"
    ).encode()


def _hand_written(path: str) -> str:
    text = render(Route.create(path, [_BACKEND], preset="plain")).location
    return "".join(f"    {line}\n" for line in text.split("\n"))


def _managed(path: str) -> str:
    return _between_markers(f"route {path}", render(Route.create(path, [_BACKEND])).location, "    ")


def _between_markers(block_id: str, text: str, indent: str) -> str:
    body = "".join(f"{indent}{line}\n" for line in text.split("\n"))
    return (
        f"{indent}# nginxws: begin {block_id} {digest(body.encode())}\n"
        f"{body}{indent}# nginxws: end {block_id}\n"
    )


def parse_alone(file: Path) -> Callable[[], object]:
    """crossplane's own parser on the file."""
    import crossplane

    return lambda: crossplane.parse(str(file), single=True)


def plan_one_more(file: Path) -> Callable[[], object]:
    """Plan one more route on the file: tree, splice, proof, diff, and the crossplane gate."""
    from nginxws.deploy import check_plan
    from nginxws.planner import make_plan

    name = str(file)
    state = FileState(name, name, file.read_bytes())
    now = Snapshot("lb1", NginxInfo(conf=name, main=name), (state,))
    wanted = [Put(Route.create("/one/more/", [_BACKEND]))]

    def plan() -> str:
        made = make_plan(now, wanted)
        check_plan(now, made)
        return made.diff

    return plan


def main(routes: int, kind: str, what: str) -> None:
    """Measure once, after a small run that pays for imports."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "nginx.conf"
        prepare = parse_alone if what == "crossplane" else plan_one_more
        file.write_bytes(configuration(10, kind))
        prepare(file)()
        file.write_bytes(configuration(routes, kind))
        job = prepare(file)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        started = time.process_time()
        job()
        seconds = time.process_time() - started
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        size = file.stat().st_size
    mib = (after - before) / 1024
    print(json.dumps({"seconds": seconds, "peak_mib": mib, "bytes": size}))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
