"""What is printed without a terminal: results on stdout, the rest on stderr; options from the environment."""

from __future__ import annotations

import pytest
from support.backend import Backend
from support.command import Nginxws
from support.nginx import NginxNode

pytestmark = [pytest.mark.nginx, pytest.mark.sshd]


def test_steps_are_told_with_verbose(nginxws: Nginxws, node: NginxNode, backend: Backend) -> None:
    done = nginxws("add-route", "/ws/", backend.address, "--verbose")
    steps = [line.removeprefix("node: ").partition(" (")[0] for line in done.err.splitlines()]
    told = ["connecting", "reading the configuration", "locking", "staging", "testing", "storing the undo"]
    told += ["activating", "reloading", "waiting for the new workers", "probing the route", "committing"]
    assert [step for step in steps if step in told] == told
    assert len(done.out.splitlines()) == 3
    assert "\x1b" not in done.out + done.err


def test_quiet_says_nothing_but_errors(nginxws: Nginxws, node: NginxNode, backend: Backend) -> None:
    done = nginxws("add-route", "/ws/", backend.address, "--quiet")
    assert (done.out, done.err) == ("", "")
    done = nginxws("add-route", "/ws", "127.0.0.1:1", "--quiet", "--server", "nobody.example", code=1)
    assert done.out == ""
    assert "nobody.example" in done.error


def test_options_from_the_environment(command: Nginxws, node: NginxNode, backend: Backend) -> None:
    target = {
        "NGINXWS_NODE": "local",
        "NGINXWS_NGINX_CONF": str(node.conf),
        "NGINXWS_NGINX_BIN": node.binary,
        "NGINXWS_STATE_DIR": str(node.state),
    }
    more = {"NGINXWS_HEADER": "X-One=1\nX-Two=two words", "NGINXWS_READ_TIMEOUT": "5m", "NGINXWS_QUIET": "1"}
    done = command("add-route", "/ws/", backend.address, env=target | more)
    assert (done.out, done.err) == ("", "")
    assert (backend.last_headers["x-one"], backend.last_headers["x-two"]) == ("1", "two words")
    assert "proxy_read_timeout 5m;" in node.site.read_text()
    assert "managed" in command("list-routes", env=target).out
    assert len(node.revisions()) == 1
