"""Plans from texts: the node's files as bytes, what is wanted, and what comes of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from nginxws.errors import NginxwsError
from nginxws.plan import NodePlan, Put, Wanted
from nginxws.planner import make_plan
from nginxws.route import Route
from nginxws.snapshot import FileState, NginxInfo, Snapshot

MAIN = "/etc/nginx/nginx.conf"
SITE = b"""events { }
http {
    server {
        listen 80;
        server_name a.example;
        location / { root /srv; }
    }
}
"""
TWO = b"""server { listen 80; server_name a.example; location / { root /a; } }
server { listen 8080; server_name b.example; location / { root /b; } }
"""


def snapshot(files: bytes | dict[str, bytes], **nginx: Any) -> Snapshot:
    texts = {MAIN: files} if isinstance(files, bytes) else files
    main = next(iter(texts))
    states = tuple(FileState(path, path, data) for path, data in texts.items())
    return Snapshot("lb1", NginxInfo(conf=main, main=main, **nginx), states)


def put(path: str = "/ws/", *backends: str, options: dict[str, Any] | None = None, **want: Any) -> Put:
    return Put(Route.create(path, backends or ["10.0.0.5:8080"], **(options or {})), **want)


def plan(files: bytes | dict[str, bytes], *wanted: Wanted) -> NodePlan:
    return make_plan(snapshot(files), wanted)


def after(files: dict[str, bytes], *wanted: Wanted) -> dict[str, bytes]:
    return files | {file.path: file.after for file in plan(files, *wanted).files}


def steps(data: bytes, *steps: Sequence[Wanted]) -> bytes:
    """The main file after one plan after another."""
    for wanted in steps:
        data = after({MAIN: data}, *wanted)[MAIN]
    return data


def actions(result: NodePlan) -> list[str]:
    return [change.action for change in result.changes]


def marker(data: bytes, path: str = "/ws/", number: int = 0) -> str:
    """``file:line`` of a route's begin marker in the main file."""
    begin = f"# nginxws: begin route {path} ".encode()
    lines = [n for n, line in enumerate(data.split(b"\n"), start=1) if line.strip().startswith(begin)]
    return f"{MAIN}:{lines[number]}"


def failure(files: bytes | dict[str, bytes], *wanted: Wanted) -> NginxwsError:
    with pytest.raises(NginxwsError) as caught:
        plan(files, *wanted)
    assert caught.value.hint
    return caught.value
