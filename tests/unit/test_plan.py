"""A plan is plain data; its JSON is part of the contract."""

from __future__ import annotations

import hashlib
import json

from nginxws.plan import Drop, NodePlan, Put
from nginxws.planner import make_plan
from nginxws.route import Route
from nginxws.snapshot import FileState, NginxInfo, Snapshot

MAIN = "/etc/nginx/nginx.conf"
TEXT = b"http { server { location / { } } }\n"


def plan() -> NodePlan:
    now = Snapshot("lb1", NginxInfo(conf=MAIN, main=MAIN), (FileState(MAIN, MAIN, TEXT),))
    route = Route.create("/ws/", ["10.0.0.5:8080"], preset="plain")
    return make_plan(now, [Put(route), Drop("/x/")])


def test_the_json_form() -> None:
    made = plan()
    assert json.loads(json.dumps(made.as_json())) == {
        "changes": [
            {"action": "unchanged", "route": "/x/", "server": "", "where": "", "note": ""},
            {
                "action": "add",
                "route": "/ws/",
                "server": f":80 ({MAIN}:1)",
                "where": f"{MAIN}:2",
                "note": "",
            },
        ],
        "files": [
            {
                "path": MAIN,
                "before": hashlib.sha256(TEXT).hexdigest(),
                "after": hashlib.sha256(made.files[0].after).hexdigest(),
            }
        ],
        "diff": made.diff,
    }


def test_the_diff_is_that_of_all_files() -> None:
    made = plan()
    assert made.diff == "".join(file.diff for file in made.files)
    assert made.diff.startswith("--- a/etc/nginx/nginx.conf\n+++ b/etc/nginx/nginx.conf\n@@ -1 +1,")


def test_bulk_stays_out_of_messages() -> None:
    made = plan()
    assert "edits" not in repr(made)
    assert "base" not in repr(made)
