"""Applications in manifests: what is wrong with them, where, and what to do."""

from __future__ import annotations

import pytest

from nginxws.errors import ManifestError
from nginxws.manifest.apps import in_order
from nginxws.manifest.reading import parse

HEAD = 'format = 1\n[environment]\ndomain = "chat.example.com"\n[nodes.lb1]\n'
ROUTE = '[[routes]]\npath = "{}"\nbackend = "app:chat"\n'
FILE = "[[apps.{}.websocket]]\nfile = '{}'\nplaceholder = '@'\n"
CHAT = "[apps.chat]\nport = 1\ntarget = '/srv/chat'\n"


def problems(text: str) -> list[tuple[int, str, str, str]]:
    with pytest.raises(ManifestError) as caught:
        parse(text, "nginxws.toml")
    return [(one.line, one.key, one.message, one.hint or "") for one in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "line", "key", "message", "hint"),
    [
        # the models' own, with the line of the key that is to be changed
        ("[environment]\n", 1, "environment.domain", "environment.domain is missing", "chat.example.com"),
        (
            "[environment]\ndomain = 'a b'\n",
            2,
            "environment.domain",
            "environment.domain: domain 'a b' isn't",
            "",
        ),
        (
            "[environment]\ndomain = 'https://chat.example.com/'\n",
            2,
            "environment.domain",
            "environment.domain: domain 'https://chat.example.com/' isn't a host",
            "without scheme and path: 'chat.example.com'",
        ),
        (
            "[environment]\ndomain = 'chat.example.com/x'\n",
            2,
            "environment.domain",
            "environment.domain: domain 'chat.example.com/x' isn't a host",
            "without scheme and path: 'chat.example.com'",
        ),
        (
            "[environment]\ndomain = 'bücher.example'\n",
            2,
            "environment.domain",
            "environment.domain: domain 'b\\xfccher.example' isn't",
            "in punycode: xn--",
        ),
        (
            "[environment]\ndomain = 'a:x'\n",
            2,
            "environment.domain",
            "environment.domain: port 'x' isn't",
            "",
        ),
        (
            "[environment]\nprovider = 'jelastic'\ndomain = 'a'\n",
            2,
            "environment.provider",
            "environment.provider: needs [environment.jelastic]",
            "hoster",
        ),
        (
            "[environment]\ndomain='a'\n[environment.jelastic]\nhost='a'\n",
            4,
            "environment.jelastic.host",
            "unkn",
            "did you mean hoster?",
        ),
        (
            "[environment]\ndomain='a'\n[environment.jelastic]\nhoster='a.b'\nenv_name='e'\n"
            "[environment.jelastic.balancer]\ncont=1\n",
            7,
            "environment.jelastic.balancer.cont",
            "unknown key",
            "did you mean count?",
        ),
        ("[apps.chat]\n", 1, "apps.chat.port", "apps.chat.port is missing", "port = 8080"),
        (
            "[apps.chat]\nprt = 1\nport = 1\n",
            2,
            "apps.chat.prt",
            "unknown key apps.chat.prt",
            "did you mean port?",
        ),
        ("[apps.'a b']\nport = 1\n", 1, "apps.a b", "apps.a b: isn't a name", "letters"),
        (
            "[apps.chat]\nport = 1\naddress = 'a b'\n",
            3,
            "apps.chat.address",
            "apps.chat.address: address 'a b'",
            "",
        ),
        (
            "[apps.chat]\nport = 1\ntarget = '/a/../b'\n",
            3,
            "apps.chat.target",
            "apps.chat.target: '/a/../b' isn't",
            "/srv/chat",
        ),
        (
            "[apps.chat]\nsource = 'x'\nport = 1\n",
            2,
            "apps.chat.source",
            "apps.chat.source: needs a target",
            "add",
        ),
        (
            "[apps.chat]\nport = 1\nrestart = 'x'\nservice = 'y'\n",
            3,
            "apps.chat.restart",
            "apps.chat.restart: stands beside service",
            "say one of them",
        ),
        (
            "[apps.chat]\nport = 1\n" + FILE.format("chat", "x.js"),
            4,
            "apps.chat.websocket[0].file",
            "apps.chat.websocket[0].file: 'x.js' is relative, and there is no target that it is below",
            "add target",
        ),
        (
            CHAT + FILE.format("chat", "../x"),
            5,
            "apps.chat.websocket[0].file",
            "apps.chat.websocket[0].file: '../x' isn't a file of the application",
            "without ..",
        ),
        (
            CHAT + FILE.format("chat", "x/"),
            5,
            "apps.chat.websocket[0].file",
            "apps.chat.websocket[0].file: 'x/'",
            "",
        ),
        (
            CHAT + FILE.format("chat", "x") + "pattern = '(a)'\n",
            6,
            "apps.chat.websocket[0].placeholder",
            "apps.chat.websocket[0].placeholder: stands beside pattern",
            "say one of them",
        ),
        (
            CHAT + "[[apps.chat.websocket]]\nfile = 'x'\n",
            4,
            "apps.chat.websocket[0]",
            "apps.chat.websocket[0]: has neither pattern nor placeholder",
            "{{WS_URL}}",
        ),
        (
            CHAT + "[[apps.chat.websocket]]\npattern = '(a)'\n",
            4,
            "apps.chat.websocket[0].file",
            "apps.chat.websocket[0].file is missing",
            "chat.js",
        ),
        (
            CHAT + "[[apps.chat.websocket]]\nfile = 'x'\npattern = '('\n",
            6,
            "apps.chat.websocket[0].pattern",
            "apps.chat.websocket[0].pattern: isn't a regular expression: ",
            "docs.python.org",
        ),
        (
            CHAT + "[[apps.chat.websocket]]\nfile = 'x'\npattern = '(a)(b)'\n",
            6,
            "apps.chat.websocket[0].pattern",
            "apps.chat.websocket[0].pattern: must have one group",
            "wsUri",
        ),
        (
            CHAT + "[[apps.chat.websocket]]\nfile = 'x'\nplaceholder = '" + "x" * 1001 + "'\n",
            6,
            "apps.chat.websocket[0].placeholder",
            "apps.chat.websocket[0].placeholder: is empty or too long",
            "{{",
        ),
        (
            CHAT + FILE.format("chat", "x") + "path = '/a b'\n",
            7,
            "apps.chat.websocket[0].path",
            "apps.chat.websocket[0].path: '/a b' isn't a path of a URL",
            "/ws/",
        ),
        # what they can't know
        (
            HEAD + "[apps.chat]\nssh = 'deploy@10.0.0'\nport = 1\n",
            6,
            "apps.chat.ssh",
            "the address of chat '10.0.0' isn't an IP address",
            "add address",
        ),
        (
            HEAD + "[apps.chat]\nport = 1\nafter = ['sotre', 'chat.1']\n[apps.store]\nport = 2\n",
            7,
            "apps.chat.after[0]",
            "no application of the manifest is called sotre",
            "did you mean store?",
        ),
        (
            HEAD + "[apps.chat]\nport = 1\nafter = [\n'chat']\n",
            7,
            "apps.chat.after",
            "chat waits for itself",
            "leave one",
        ),
        (
            HEAD + CHAT + FILE.format("chat", "x"),
            8,
            "apps.chat.websocket[0]",
            "path is missing: chat has no route with a path",
            'path = "/ws/"',
        ),
        (
            HEAD + CHAT + FILE.format("chat", "x") + ROUTE.format("^/a$") + "match = 'regex'\n",
            8,
            "apps.chat.websocket[0]",
            "path is missing: chat has no route with a path",
            'path = "/ws/"',
        ),
        (
            HEAD + CHAT + FILE.format("chat", "x") + ROUTE.format("/a/") + ROUTE.format("/b/"),
            8,
            "apps.chat.websocket[0]",
            "path is missing: chat has several routes: /a/, /b/",
            'path = "/a/"',
        ),
        (
            "format = 1\n" + CHAT + FILE.format("chat", "x") + "path = '/'\n",
            5,
            "apps.chat.websocket",
            "the WebSocket address of chat needs [environment]",
            "domain",
        ),
        (
            HEAD + CHAT + "source = 'c'\n" + FILE.format("chat", "/srv/chat//current/x") + "path = '/'\n",
            10,
            "apps.chat.websocket[0].file",
            "'/srv/chat//current/x' is a file of a release",
            "relative",
        ),
        (
            HEAD + CHAT + "source = 'c'\n" + FILE.format("chat", "/srv/chat/releases/1/x") + "path = '/'\n",
            10,
            "apps.chat.websocket[0].file",
            "'/srv/chat/releases/1/x' is a file of a release",
            "relative",
        ),
        (
            HEAD
            + "[apps.a]\nssh = 'u@h'\nport = 1\ntarget = '/srv'\n[apps.b]\nssh = 'ssh://v@H:22'\nport = 2\n"
            "target = '/srv/'\n",
            12,
            "apps.b.target",
            "'/srv/' is the target of a on this node already",
            "own",
        ),
        (
            HEAD
            + CHAT
            + FILE.format("chat", "x")
            + "path = '/'\n"
            + FILE.format("chat", "./x")
            + "path = '/'\n",
            13,
            "apps.chat.websocket[1].file",
            "'/srv/chat/x' is named twice: line 9 names it already",
            "one address",
        ),
        (
            HEAD
            + "[apps.a]\nssh = 'h'\nport = 1\n"
            + FILE.format("a", "/x")
            + "path = '/'\n[apps.b]\nssh = 'h'\n"
            "port = 2\n" + FILE.format("b", "/x") + "path = '/'\n",
            16,
            "apps.b.websocket[0].file",
            "'/x' is named twice: line 9",
            "one address",
        ),
    ],
)
def test_what_is_wrong(text: str, line: int, key: str, message: str, hint: str) -> None:
    bare = not text.startswith("format")
    found = problems("format = 1\n" + text if bare else text)
    (this,) = (one for one in found if one[:2] == (line + bare, key))
    assert this[2].startswith(message)
    assert hint in this[3]


def test_a_problem_is_told_once() -> None:
    """Not again by each route that leads to the application."""
    text = HEAD + "[apps.chat]\nssh = '10.0.0'\nport = 1\n" + ROUTE.format("/a/") + ROUTE.format("/b/")
    assert [one[1] for one in problems(text)] == ["apps.chat.ssh"]
    text = HEAD + "[apps.chat]\nport = 'x'\n" + ROUTE.format("/a/") + ROUTE.format("/b/")
    assert [one[1] for one in problems(text)] == ["apps.chat.port"]
    text = (
        HEAD
        + "[apps.chat]\nport = 1\nsource = 'x'\n"
        + ROUTE.format("/a/")
        + "[apps.b]\nport=1\nafter=['chat']\n"
    )
    assert [one[1] for one in problems(text)] == ["apps.chat.source"]


def test_all_of_it_is_told() -> None:
    """What is wrong elsewhere hides nothing that can be known all the same."""
    wrong = HEAD.replace("domain", "tsl = 1\ndomain") + CHAT + FILE.format("chat", "x") + "[apps.b]\n"
    assert [one[1] for one in problems(wrong)] == ["environment.tsl", "apps.chat.websocket[0]", "apps.b.port"]
    lost = HEAD + CHAT + FILE.format("chat", "x") + ROUTE.format("/a/").replace("path", "pth")
    assert [one[1] for one in problems(lost)] == ["routes[0].path", "routes[0].pth"]


def test_each_circle_is_told_once() -> None:
    afters = {"a": "'b'", "b": "'c'", "c": "'b'", "d": "'d'", "e": "'a', 'd'", "f": ""}
    tables = [f"[apps.{name}]\nport = 1\nafter = [{after}]\n" for name, after in afters.items()]
    found = problems("format = 1\n" + "".join(tables))
    assert [(line, key, message) for line, key, message, _hint in found] == [
        (7, "apps.b.after", "b, c wait for each other"),
        (13, "apps.d.after", "d waits for itself"),
    ]


def test_what_is_right() -> None:
    other = "[apps.other]\nssh = 'h:2222'\nport = 1\ntarget = '/srv/chat'\nafter = ['chat']\n"
    text = (
        HEAD
        + CHAT.replace("port", "ssh = 'h'\nport")
        + FILE.format("chat", "a.js")
        + FILE.format("chat", "/etc/x").replace("placeholder = '@'", "pattern = '[[a](b)'")
        + FILE.format("chat", "b.js")
        + "path = '/other?x=1'\n"
        + other
        + FILE.format("other", "/etc/x")
        + "path = '/ws/'\n"
        + ROUTE.format("/ws/")
        + "server = 'a'\n"
        + ROUTE.format("/ws/")
        + "server = 'b'\n"
    )
    manifest = parse(text, "m")
    assert in_order(manifest) == (["chat", "other"], [])
    domains = ("a.b:80", "[fd00::5]", "[fd00::5]:81", "10.0.0.1")
    for domain in domains:
        assert parse(HEAD.replace("chat.example.com", domain), "m").environment is not None
