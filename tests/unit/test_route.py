"""Routes: defaults, what is refused, and what follows from the options."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nginxws.backend import Backend
from nginxws.errors import ExitCode, InvalidInput
from nginxws.route import Balance, Match, Route, Slashless

ONE = ["10.0.0.5:8080"]
TWO = ["10.0.0.5:8080", "10.0.0.6:8080"]


def test_defaults() -> None:
    route = Route.create("/ws/", ONE)
    assert route == Route("/ws/", (Backend("10.0.0.5", 8080),))
    assert (route.match, route.modifier) == (Match.PRIORITY, "^~")
    assert (route.read_timeout, route.send_timeout, route.connect_timeout) == (3600, 3600, None)
    assert route.upstream_name is None
    assert route.target == "http://10.0.0.5:8080"
    assert route.locations == (("^~", "/ws/"),)


def test_options_take_values_and_enums() -> None:
    route = Route.create(
        "/ws/", TWO, match=Match.PREFIX, slashless="alias", balance=Balance.RANDOM, read_timeout=5
    )
    assert (route.match, route.slashless, route.balance) == (Match.PREFIX, Slashless.ALIAS, Balance.RANDOM)
    assert route.read_timeout == 5
    assert route.locations == (("", "/ws/"), ("=", "/ws"))


@pytest.mark.parametrize(
    ("match", "path", "modifier"),
    [("priority", "/a", "^~"), ("prefix", "/a", ""), ("exact", "/a", "="), ("regex", "^/a$", "~")],
)
def test_modifier(match: str, path: str, modifier: str) -> None:
    assert Route.create(path, ONE, match=match).locations == ((modifier, path),)


@pytest.mark.parametrize(
    ("arguments", "options", "word"),
    [
        (("ws", ONE), {}, "start"),
        (("/ws/", []), {}, "needs a backend"),
        (("/ws/", [*ONE, *ONE]), {}, "twice"),
        (("/ws/", ["a:1", "https://b:1"]), {}, "TLS"),
        (("/ws/", ["a:1 backup"]), {}, "nothing would serve"),
        (("/ws/", ["a:1 backup", "b:1 down"]), {}, "nothing would serve"),
        (("/ws/", ["a:1", "b:1 backup"]), {"balance": "ip-hash"}, "backup"),
        (("/ws/", ["a:1", "b:1 backup"]), {"balance": "random"}, "backup"),
        (("/ws/", ONE), {"match": "best"}, "unknown match"),
        (("/ws/", ONE), {"balance": "hash"}, "unknown balance"),
        (("/ws/", ONE), {"slashless": "x\n"}, "unknown slashless"),
        (("/ws/", ONE), {"preset": "fancy"}, "unknown preset"),
        (("/ws/", ONE), {"read_timeout": 0}, "read timeout"),
        (("/ws/", ONE), {"send_timeout": -1}, "send timeout"),
        (("/ws/", ONE), {"connect_timeout": 10**9}, "connect timeout"),
        (("/ws", ONE), {"slashless": "alias"}, "ends in"),
        (("/", ONE), {"slashless": "redirect"}, "ends in"),
        (("/ws/", ONE), {"slashless": "alias", "match": "exact"}, "needs priority or prefix matching"),
        (("^/ws/", ONE), {"slashless": "alias", "match": "regex"}, "needs priority or prefix matching"),
        (("/ws/", ONE), {"headers": [("Connection", "x")]}, "handshake"),
        (("/ws/", ONE), {"headers": [("X", "$evil")]}, "variable"),
        (("/ws/", ONE), {"headers": [("host", "a")], "host": "b"}, "twice"),
        (("/ws/", ONE), {"tls_name": "a.b"}, "TLS"),
        (("/ws/", ONE), {"tls_ca": "/a"}, "TLS"),
        (("/ws/", ["https://10.0.0.5"]), {"tls_ca": "/a"}, "without a name"),
        (("/ws/", ["https://a", "https://b"]), {"tls_ca": "/a"}, "without a name"),
        (("/ws/", ["https://a"]), {"tls_name": "10.0.0.1"}, "host name"),
        (("/ws/", TWO), {"preset": "plain"}, "six lines"),
        (("/ws/", ["a:1 max_fails=2"]), {"preset": "plain"}, "six lines"),
        (("/ws/", ["https://a"]), {"preset": "plain"}, "six lines"),
        (("/ws/", ONE), {"preset": "plain", "read_timeout": 3600}, "six lines"),
        (("/ws/", ONE), {"preset": "plain", "connect_timeout": 1}, "six lines"),
        (("/ws/", ONE), {"preset": "plain", "headers": [("A", "b")]}, "six lines"),
        (("/ws/", ONE), {"preset": "plain", "host": "a"}, "six lines"),
        (("/ws/", ONE), {"preset": "plain", "balance": "random"}, "six lines"),
        (("/ws/", ONE), {"preset": "plain", "slashless": "alias"}, "six lines"),
    ],
)
def test_create_refuses(arguments: tuple[str, list[str]], options: dict[str, Any], word: str) -> None:
    with pytest.raises(InvalidInput, match=word) as caught:
        Route.create(*arguments, **options)
    assert caught.value.code is ExitCode.USAGE
    assert caught.value.hint


def test_plain_defaults() -> None:
    route = Route.create("/ws/", ONE, preset="plain")
    assert (route.match, route.read_timeout, route.send_timeout) == (Match.PREFIX, None, None)
    assert Route.create("/ws/", ONE, preset="plain", match="priority").modifier == "^~"


@pytest.mark.parametrize(
    ("backends", "options", "name"),
    [
        (["https://a.b"], {}, "a.b"),
        (["https://a.b.", "https://A.B:8443"], {}, "a.b"),
        (["https://a", "https://b"], {}, None),
        (["https://a", "https://10.0.0.1"], {}, None),
        (["https://10.0.0.1"], {}, None),
        (["https://unix:/a"], {}, None),
        (["https://10.0.0.1"], {"tls_name": "X.y"}, "x.y"),
        (["a.b:80"], {}, None),
    ],
)
def test_server_name(backends: list[str], options: dict[str, str], name: str | None) -> None:
    assert Route.create("/", backends, **options).server_name == name  # type: ignore[arg-type]  # options are data


def test_upstream_name_says_path_and_content() -> None:
    name = Route.create("/chat/v2/", TWO).upstream_name
    assert name is not None
    assert name.startswith("nginxws_chat_v2_")
    assert Route.create("/chat/v2", TWO).upstream_name == name
    assert Route.create("/chat/v2", TWO, read_timeout=1).upstream_name == name
    assert Route.create("/", TWO).upstream_name == f"nginxws_root_{name[-8:]}"
    assert Route.create("/" + "Long/" * 40, TWO).upstream_name == f"nginxws_{('long_' * 7)[:32]}_{name[-8:]}"
    others = [
        Route.create("/chat/v2/", TWO[::-1]),
        Route.create("/chat/v2/", [TWO[0], TWO[1] + " weight=2"]),
        Route.create("/chat/v2/", TWO, balance="ip-hash"),
        Route.create("/chat/v2/", [TWO[0] + " weight=1"]),
    ]
    names = {other.upstream_name for other in others}
    assert len(names | {name}) == len(others) + 1


def test_upstream_name_is_stable() -> None:
    assert Route.create("/ws/", TWO).upstream_name == "nginxws_ws_4a62a38d"


def test_target_names_the_upstream() -> None:
    route = Route.create("/ws/", ["wss://a", "wss://b"])
    assert route.target == f"https://{route.upstream_name}"


@given(
    st.text(max_size=40).map(lambda text: f"/{text}")
    | st.from_regex(r"/[A-Za-z0-9._~/!&()*+,=:@-]*", fullmatch=True)
)
def test_accepted_paths_are_harmless(path: str) -> None:
    try:
        route = Route.create(path, TWO)
    except InvalidInput:
        return
    assert not set(path) & set(" \t\r\n;{}$\"'\\#%?")
    assert path.isascii()
    assert (route.upstream_name or "").replace("_", "").isalnum()


def test_import_is_light() -> None:
    program = (
        "import sys, nginxws.route\n"
        "heavy = {'jinja2', 'crossplane', 'hashlib', 'ipaddress', 'paramiko', 'click'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    # What measures coverage imports more than the program does.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
