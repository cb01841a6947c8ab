"""The API's answers, and what comes instead of them: what is tried again, for how long, and what is shown."""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
import traceback
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from support.platform_api import CREATE, DEPLOY, ENVS, EXEC, INFO, READ, TOKEN, PlatformApi

from nginxws.errors import (
    AuthenticationFailed,
    ConnectionFailed,
    InvalidInput,
    NginxwsError,
    NodeError,
    ProtocolError,
)
from nginxws.providers.jelastic import Archive, Layer, Settings, Token, Wanted, bring_up, find_token, http
from nginxws.providers.jelastic import plan as outlook_of
from nginxws.providers.jelastic.http import Api

pytestmark = pytest.mark.nginx
MakeWanted = Callable[..., Wanted]
TLS = True
BARE = Wanted("chat.example.com", None)


@pytest.fixture
def api(settings: Settings) -> Api:
    assert settings.token is not None
    return Api(settings.base, settings.token, settings.patience)


# --- the platform of these tests is strict --------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "form", "said"),
    [
        (INFO, {}, "missing parameter: ['envName']"),
        (INFO, {"envName": "chat", "environment": "chat"}, "unknown parameter: ['environment']"),
        ("environment/control/rest/getenvinfos", {}, "no such method"),
        ("environment/file/rest/getenvs", {}, "no such method"),
        (INFO, {"envName": "other"}, "other is not found"),
        (CREATE, {"env": '{"shortdomain": "a", "tls": true}', "nodes": "[]"}, "odd keys"),
    ],
)
def test_the_platform_takes_only_what_is_documented(
    api: Api, platform: PlatformApi, path: str, form: dict[str, str], said: str
) -> None:
    with pytest.raises(NodeError) as caught:
        api.call(path, form, repeat=True)
    assert said in caught.value.message
    assert platform.count(path) == 1


def test_the_platform_takes_only_posts(platform: PlatformApi) -> None:
    import ssl

    context = ssl.create_default_context(cafile=str(platform.ca))
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{platform.url}/{ENVS}?session={TOKEN}", context=context, timeout=10)
    caught.value.close()
    assert caught.value.code == 405


# --- what is tried again --------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["reset-before", "reset-after", "502", "truncated"])
def test_a_look_is_tried_again(api: Api, platform: PlatformApi, fault: str) -> None:
    platform.faults[ENVS] = [fault, fault]
    assert api.call(ENVS, {}, repeat=True)["infos"] == []
    assert platform.count(ENVS) == 3


@pytest.mark.parametrize("fault", ["reset-before", "502", "truncated"])
def test_not_for_ever(api: Api, platform: PlatformApi, fault: str) -> None:
    platform.faults[ENVS] = [f"{fault}!"]
    with pytest.raises(ConnectionFailed, match=f"no answer of localhost:{platform.port} to {ENVS}"):
        api.call(ENVS, {}, repeat=True)
    assert platform.count(ENVS) == 3


@pytest.mark.parametrize(
    ("fault", "error", "said"),
    [
        ("not-json", ProtocolError, "isn't the platform's"),
        ("no-result", ProtocolError, "isn't the platform's"),
        ("deep", ProtocolError, "isn't the platform's"),
        ("302", ProtocolError, "answered 302"),
        ("500", ProtocolError, "answered 500"),
        ("refuse", NodeError, r"\(result 99\): no, \[token\]\\x1b"),
    ],
)
def test_an_answer_is_an_answer(
    api: Api, platform: PlatformApi, fault: str, error: type[NginxwsError], said: str
) -> None:
    platform.faults[ENVS] = [fault]
    with pytest.raises(error, match=said) as caught:
        api.call(ENVS, {}, repeat=True)
    assert [path for path, _form in platform.calls] == [ENVS], "neither tried again nor followed"
    assert caught.value.hint


@pytest.mark.parametrize(
    ("path", "answer", "said"),
    [
        (ENVS, {"infos": None}, "no infos"),
        (INFO, {"env": {}}, r"no env\.status"),
        (INFO, {"env": {"status": 1}, "nodes": [{"id": "1"}]}, r"no nodes\[\]\.id"),
        (EXEC, {}, "no responses"),
        (EXEC, {"responses": []}, "no responses"),
        (EXEC, {"responses": ["done"]}, r"no responses\[\]\.out"),
        (EXEC, {"responses": [{"out": "cut off"}]}, r"no responses\[\]\.out"),
        (READ, {"body": None}, "no body"),
    ],
)
def test_an_answer_that_is_not_as_documented_changes_nothing(
    platform: PlatformApi,
    settings: Settings,
    wanted: MakeWanted,
    path: str,
    answer: dict[str, Any],
    said: str,
) -> None:
    platform.made()
    platform.odd[path] = answer
    with pytest.raises(ProtocolError, match=said):
        bring_up(settings, wanted())
    assert platform.changing() == []


def test_newer_answers_have_objects_where_others_have_texts(
    platform: PlatformApi, settings: Settings
) -> None:
    platform.made()
    node = {"id": 5, "nodeGroup": "bl", "intIP": "10.0.0.5", "nodeType": None}
    platform.odd[INFO] = {"env": {"status": 1, "domain": {"name": "x"}, "uid": "9"}, "nodes": [node]}
    found = bring_up(settings, BARE).environment
    assert (found.domain, found.uid) == ("chat.platform.example", 0)
    assert found.addresses("bl") == ("10.0.0.5",)
    platform.odd[INFO] = {"env": {"status": 1}}
    assert bring_up(settings, BARE).environment.nodes == ()


def test_an_answer_has_an_end(api: Api, platform: PlatformApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MAX_ANSWER", 100_000)
    platform.faults[ENVS] = ["huge!"]
    with pytest.raises(ConnectionFailed, match="more than 100000 bytes"):
        api.call(ENVS, {}, repeat=False)


@pytest.mark.parametrize("fault", ["slow", "drip"])
def test_a_call_ends_in_time(quick: Settings, platform: PlatformApi, fault: str) -> None:
    platform.faults[ENVS] = [f"{fault}!"]
    started = time.monotonic()
    assert quick.token is not None
    with pytest.raises(ConnectionFailed, match=r"no answer within 0\.4 s"):
        Api(quick.base, quick.token, quick.patience).call(ENVS, {}, repeat=False)
    assert 0.3 < time.monotonic() - started < 10


def test_pauses_grow_and_are_never_the_same() -> None:
    patience = http.Patience(tries=6, pause=1.0, longest_pause=4.0)
    for longest, pause in zip((1, 2, 4, 4, 4), patience.pauses(), strict=True):
        assert longest / 2 <= pause <= longest
    assert list(patience.pauses()) != list(patience.pauses())


# --- calls that must not be carried out twice -----------------------------------------------------


@pytest.mark.parametrize(("fault", "calls"), [("reset-after", 1), ("truncated", 1), ("reset-before", 2)])
def test_an_environment_is_looked_for_before_it_is_made_again(
    platform: PlatformApi, settings: Settings, fault: str, calls: int
) -> None:
    platform.faults[CREATE] = [fault]
    assert bring_up(settings, BARE).created
    assert platform.count(CREATE) == calls
    assert list(platform.envs) == ["chat"]


def test_an_environment_that_appears_late_is_the_one(platform: PlatformApi, settings: Settings) -> None:
    platform.faults[CREATE] = ["reset-after", ""]
    hidden: list[object] = []

    def hide(_form: dict[str, str]) -> None:
        """The account doesn't tell of it until it is asked for again, which is refused then."""
        if platform.count(CREATE) == 1 and platform.envs:
            hidden.append(platform.envs.pop("chat"))
        elif hidden and platform.count(CREATE) == 2:
            platform.made()

    platform.hooks[ENVS] = platform.hooks[CREATE] = hide
    assert bring_up(settings, BARE).created
    assert platform.count(CREATE) == 2


@pytest.mark.parametrize("fault", ["reset-before!", "502!"])
def test_an_environment_is_not_made_for_ever(platform: PlatformApi, settings: Settings, fault: str) -> None:
    platform.faults[CREATE] = [fault]
    with pytest.raises(ConnectionFailed):
        bring_up(settings, BARE)
    assert platform.count(CREATE) == 2


def test_a_refused_environment_is_not_asked_for_again(platform: PlatformApi, settings: Settings) -> None:
    platform.faults[CREATE] = ["refuse"]
    with pytest.raises(NodeError, match="result 99"):
        bring_up(settings, BARE)
    assert platform.count(CREATE) == 1


def test_the_inner_result_counts(platform: PlatformApi, settings: Settings) -> None:
    def taken(_form: dict[str, str]) -> None:
        platform.made()

    platform.hooks[CREATE] = taken
    with pytest.raises(NodeError, match=r"result 4080\): the name is in use"):
        bring_up(settings, BARE)


@pytest.mark.parametrize("fault", ["reset-before", "reset-after", "502"])
def test_an_application_is_not_deployed_twice_in_a_run(
    platform: PlatformApi, settings: Settings, fault: str
) -> None:
    platform.made()
    platform.faults[DEPLOY] = [fault]
    settings = replace(settings, archive=Archive("https://files.example/chat.zip"))
    with pytest.raises(ConnectionFailed, match="whether the application was deployed isn't known"):
        bring_up(settings, BARE)
    assert platform.count(DEPLOY) == 1
    assert bring_up(settings, BARE).deployed, "the next run makes it certain"
    assert not bring_up(settings, BARE).deployed


# --- the token, and whom it is told ---------------------------------------------------------------


@pytest.mark.parametrize(
    "fault", ["refuse", "500", "not-json", "reset-before!", "truncated!", "slow!", "302"]
)
def test_no_error_shows_the_token(platform: PlatformApi, quick: Settings, fault: str) -> None:
    platform.faults[ENVS] = [fault]
    steps: list[tuple[str, str]] = []
    with pytest.raises(NginxwsError) as caught:
        bring_up(quick, BARE, on_step=lambda *words: steps.append(words))
    error = caught.value
    shown = [str(error), repr(error), error.hint, error.detail, repr(steps), repr(quick)]
    shown += traceback.format_exception(error)
    assert platform.calls[0][1]["session"] == TOKEN, "it was sent"
    assert all(TOKEN not in (text or "") for text in shown)


def test_no_result_shows_the_token(
    platform: PlatformApi, settings: Settings, wanted: MakeWanted, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    result, outlook = bring_up(settings, wanted()), outlook_of(settings, wanted())
    shown = [
        repr(result),
        json.dumps(result.as_json()),
        repr(outlook),
        json.dumps(outlook.as_json()),
        caplog.text,
    ]
    assert all(TOKEN not in text for text in shown)
    assert TOKEN.encode() not in b"".join(
        path.read_bytes() for path in platform.node.prefix.rglob("*") if path.is_file()
    )


def test_a_token_that_is_not_accepted(platform: PlatformApi, settings: Settings) -> None:
    settings = replace(settings, token=Token("wrong" * 4))
    with pytest.raises(AuthenticationFailed, match="result 702"):
        bring_up(settings, BARE)
    assert len(platform.calls) == 1


def test_an_untrusted_platform_gets_no_token(
    platform: PlatformApi, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(ConnectionFailed, match="its certificate isn't trusted"):
        bring_up(settings, BARE)
    assert platform.calls == []


@contextmanager
def proxy(seen: list[bytes]) -> Iterator[int]:
    """A proxy that takes one CONNECT, and notes all that it can read."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def pump(source: socket.socket, target: socket.socket) -> None:
            while data := source.recv(65536):
                seen.append(data)
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

        def serve() -> None:
            client, _address = server.accept()
            with client:
                head = client.recv(65536)
                seen.append(head)
                host, _, port = head.split()[1].decode().partition(":")
                with socket.create_connection((host, int(port)), 10) as target:
                    client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                    back = threading.Thread(target=pump, args=(target, client))
                    back.start()
                    pump(client, target)
                    back.join(10)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        thread.join(10)


def test_a_proxy_is_asked_and_sees_nothing(
    platform: PlatformApi, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bytes] = []
    with proxy(seen) as port:
        monkeypatch.setenv("https_proxy", f"http://user:p%40ss@127.0.0.1:{port}")
        monkeypatch.setenv("no_proxy", "")
        assert api.call(ENVS, {}, repeat=False)["infos"] == []
    assert seen[0].startswith(f"CONNECT localhost:{platform.port} ".encode())
    assert b"Proxy-Authorization: Basic dXNlcjpwQHNz" in seen[0]
    assert TOKEN.encode() not in b"".join(seen)


def test_the_variable_comes_before_the_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []

    def get_password(service: str, user: str) -> str | None:
        asked.append((service, user))
        return "from-the-keyring"

    monkeypatch.setitem(sys.modules, "keyring", SimpleNamespace(get_password=get_password))
    assert find_token("h.example", "MINE", {"MINE": f" {TOKEN}\n"}).reveal() == TOKEN
    assert asked == []
    assert find_token("h.example", "MINE", {}).reveal() == "from-the-keyring"
    assert asked == [("nginxws-jelastic", "h.example")]


@pytest.mark.parametrize("kind", ["none", "broken", "empty"])
def test_without_a_token_it_is_said_where_one_goes(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def get_password(_service: str, _user: str) -> str | None:
        if kind == "broken":
            raise RuntimeError("locked")
        return None

    module = None if kind == "none" else SimpleNamespace(get_password=get_password)
    monkeypatch.setitem(sys.modules, "keyring", module)
    with pytest.raises(AuthenticationFailed, match=r"no access token for h\.example") as caught:
        find_token("h.example", environ={})
    assert "NGINXWS_JELASTIC_TOKEN" in (caught.value.hint or "")


@pytest.mark.parametrize("text", ["short", "with a space in it", "line\nbreaks-in-it", "ü" * 20])
def test_what_is_no_token_is_not_quoted(text: str) -> None:
    with pytest.raises(AuthenticationFailed) as caught:
        Token(text)
    assert text not in str(caught.value) + str(caught.value.hint)


def test_a_token_is_neither_shown_nor_stored() -> None:
    import pickle

    token = Token(TOKEN)
    assert TOKEN not in f"{token} {token!r} {[token]}"
    with pytest.raises(TypeError):
        pickle.dumps(token)


@pytest.mark.parametrize(
    "change",
    [
        {"hoster": "no host"},
        {"env_name": "Chat!"},
        {"env_name": "-chat"},
        {"api": "http://app.example.com/1.0"},
        {"api": "https://user@app.example.com/1.0"},
        {"api": "https:///1.0"},
        {"api": "https://app.example.com/1.0?session=x"},
    ],
)
def test_settings_that_cannot_be(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        Settings(**{"hoster": "platform.example", "env_name": "chat", **change})


def test_where_the_api_is() -> None:
    assert Settings("platform.example", "chat").base == "https://app.platform.example/1.0"
    assert (
        Settings("platform.example", "chat", api="http://127.0.0.1:1/1.0/").base == "http://127.0.0.1:1/1.0"
    )


@pytest.mark.parametrize("url", ["ftp://a/b.zip", "https:///b.zip", "https://me:secret@a/b.zip"])
def test_archives_that_cannot_be(url: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Archive(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("layer", [("b l", "nginx"), ("bl", "ng;nx"), ("", "nginx")])
def test_layers_that_cannot_be(layer: tuple[str, str]) -> None:
    with pytest.raises(InvalidInput):
        Layer(*layer)
