"""Listed routes as people and programs see them."""

from __future__ import annotations

import pytest

from nginxws.errors import ConfigError, ExitCode
from nginxws.inventory import ListedRoute
from nginxws.report.routes import NodeRoutes, as_json, show_routes

LONG = ListedRoute("/long/", "^~", ("10.0.0.5:8080", "b:1"), "managed", "a:80 (/n.conf:1)", "/n.conf", 9)
SHORT = ListedRoute("/s", "", (), "hand-written", "b:443 (/n.conf:20)", "/other.conf", 21)
BROKEN = NodeRoutes("lb2", error=ConfigError("no good", node="lb2", hint="mend it"))


def test_columns_line_up(capsys: pytest.CaptureFixture[str]) -> None:
    show_routes([NodeRoutes("lb1", [LONG, SHORT]), BROKEN], ExitCode.ERROR, "text", quiet=False)
    out, err = capsys.readouterr()
    assert out == (
        "lb1: ^~ /long/  10.0.0.5:8080, b:1  managed       /n.conf:9  in a:80\n"
        "lb1: /s         -                   hand-written  /other.conf:21  in b:443\n"
    )
    assert err == "error: lb2: no good\nhint: mend it\n"


def test_nothing_from_a_node_acts_on_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    evil = ListedRoute("/\x1b[2J\n/x", "~", ("\x07",), "drifted", "\x9b (x)", "/\udce9", 1)
    show_routes([NodeRoutes("lb1", [evil, SHORT])], ExitCode.DONE, "text", quiet=False)
    first, second = capsys.readouterr().out.splitlines()
    assert first == "lb1: ~ /\\x1b[2J /x  \\x07  drifted       /\\xe9:1  in \\x9b"
    assert second.index("hand-written") == first.index("drifted")


def test_the_json_form() -> None:
    document = as_json([NodeRoutes("lb1", [LONG]), BROKEN], ExitCode.ERROR)
    assert (document["changed"], document["failed"], document["msg"]) == (False, True, "lb2: no good")
    (route,) = document["nodes"]["lb1"]["routes"]
    assert (route["path"], route["match"], route["line"]) == ("/long/", "^~", 9)
    assert document["nodes"]["lb1"]["error"] is None
    assert document["nodes"]["lb2"]["routes"] == []
    assert document["nodes"]["lb2"]["error"]["hint"] == "mend it"
