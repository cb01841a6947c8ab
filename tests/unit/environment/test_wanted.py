"""What a manifest wants of the environment: applications in order, files, addresses."""

from __future__ import annotations

import pytest

from nginxws.environment.wanted import Url, WantedFile, urls, wanted_apps, written_address
from nginxws.errors import InvalidInput
from nginxws.manifest.model import Manifest
from nginxws.manifest.reading import parse

WHOLE = """format = 1
[environment]
domain = "chat.example.com"
[nodes.lb1]
[apps.chat]
ssh = "deploy@10.0.0.5:2222"
port = 8080
source = "chat"
target = "/srv//chat/"
restart = "systemctl restart chat"
after = ["store"]
[[apps.chat.websocket]]
file = "./public/chat.js"
pattern = 'wsUri = "([^"]*)"'
[[apps.chat.websocket]]
file = "//etc/chat.conf"
placeholder = "{{WS_URL}}"
path = "/other/"
[apps.store]
address = "[fd00::5]"
port = 81
target = "/srv/store"
keep = 1
service = "store"
ready_timeout = "2m"
[[apps.store.websocket]]
file = "a.js"
placeholder = "ü"
path = "/ws/"
[apps.here]
ssh = "local"
port = 82
[[routes]]
path = "/ws/"
backends = ["app:chat weight=2", "app:store backup"]
[[routes]]
path = "/static/"
backend = "10.0.0.9:80"
"""


def read(text: str) -> Manifest:
    return parse(text, "nginxws.toml")


def test_the_applications() -> None:
    store, chat, here = wanted_apps(read(WHOLE))
    assert (chat.name, chat.host, chat.port, chat.after) == ("chat", "10.0.0.5", 8080, ("store",))
    assert (chat.source, chat.target, chat.keep) == ("chat", "/srv/chat", 3)
    assert (chat.service, chat.restart, chat.ready_timeout) == (None, "systemctl restart chat", 30)
    assert chat.files == (
        WantedFile(
            "public/chat.js",
            b'wsUri = "([^"]*)"',
            None,
            "ws://chat.example.com/ws/",
            in_source=True,
            on_node="/srv/chat/current/public/chat.js",
        ),
        WantedFile(
            "//etc/chat.conf",
            None,
            b"{{WS_URL}}",
            "ws://chat.example.com/other/",
            in_source=False,
            on_node="/etc/chat.conf",
        ),
    )
    assert (store.name, store.host, store.service, store.ready_timeout) == (
        "store",
        "[fd00::5]",
        "store",
        120,
    )
    assert (store.source, store.keep, store.files[0].on_node) == (None, 1, "/srv/store/a.js")
    assert (store.files[0].in_source, store.files[0].placeholder) == (False, "ü".encode())
    assert (here.host, here.files, here.target) == ("127.0.0.1", (), None)


def test_after_changes_the_order_no_more_than_it_must() -> None:
    def order(*afters: str) -> list[str]:
        names = "abcd"
        tables = [f"[apps.{name}]\nport = 1\n{more}\n" for name, more in zip(names, afters, strict=True)]
        return [app.name for app in wanted_apps(read("format = 1\n" + "".join(tables)))]

    assert order("", "", "", "") == ["a", "b", "c", "d"]
    assert order("after = ['d']", "", "", "") == ["b", "c", "d", "a"]
    assert order("after = ['b', 'c']", "after = ['d']", "", "") == ["c", "d", "b", "a"]


@pytest.mark.parametrize(
    ("domain", "tls", "ws", "wss"),
    [
        ("chat.example.com", "false", "ws://chat.example.com/ws/", None),
        ("chat.example.com:8080", "false", "ws://chat.example.com:8080/ws/", None),
        ("chat.example.com", "true", "ws://chat.example.com/ws/", "wss://chat.example.com/ws/"),
        ("chat.example.com:8443", "true", "ws://chat.example.com/ws/", "wss://chat.example.com:8443/ws/"),
        ("[fd00::5]", "true", "ws://[fd00::5]/ws/", "wss://[fd00::5]/ws/"),
        ("[fd00::5]:8443", "true", "ws://[fd00::5]/ws/", "wss://[fd00::5]:8443/ws/"),
        ("10.0.0.1", "true", "ws://10.0.0.1/ws/", "wss://10.0.0.1/ws/"),
    ],
)
def test_the_addresses(domain: str, tls: str, ws: str, wss: str | None) -> None:
    manifest = read(WHOLE.replace('"chat.example.com"', f'"{domain}"\ntls = {tls}'))
    assert urls(manifest) == (Url("chat", "/ws/", ws, wss),)
    assert written_address(manifest, "/ws/") == (wss or ws)
    assert wanted_apps(manifest)[1].files[0].value == (wss or ws)


def test_without_applications_every_route_has_an_address() -> None:
    text = (
        'format = 1\n[environment]\ndomain = "a.b"\n[nodes.lb1]\n[nodes.lb2]\n[defaults]\nmatch = "regex"\n'
    )
    text += '[[routes]]\npath = "/a/"\nbackend = "x:1"\nmatch = "exact"\nnodes = ["lb1"]\n'
    text += '[[routes]]\npath = "/a/"\nbackend = "x:1"\nmatch = "exact"\nnodes = ["lb2"]\n'
    text += '[[routes]]\npath = "^/b[0-9]"\nbackend = "x:1"\nprobe_path = "/b1?x=1"\n'
    text += '[[routes]]\npath = "^/c[0-9]"\nbackend = "x:1"\n'
    found = urls(read(text))
    assert [(one.app, one.ws) for one in found] == [(None, "ws://a.b/a/"), (None, "ws://a.b/b1")]


def test_a_route_to_an_application_that_is_a_regular_expression() -> None:
    text = 'format = 1\n[environment]\ndomain = "a.b"\n[nodes.lb1]\n[apps.x]\nport = 1\n'
    route = '[[routes]]\npath = "^/c[0-9]"\nbackend = "app:x"\nmatch = "regex"\n'
    assert urls(read(text + route)) == ()
    (found,) = urls(read(text + route + 'probe_path = "/c1"\n'))
    assert (found.app, found.path) == ("x", "/c1")


def test_without_an_environment_there_are_no_addresses() -> None:
    manifest = read("format = 1\n[apps.x]\nport = 1\n")
    assert [app.host for app in wanted_apps(manifest)] == ["x"]
    for ask in (urls, lambda manifest: written_address(manifest, "/")):
        with pytest.raises(InvalidInput, match=r"no \[environment\]") as caught:
            ask(manifest)
        assert "domain" in (caught.value.hint or "")
