"""``nginxws env --provider jelastic``, against a platform on loopback: TLS, a real NGINX, real files."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.backend import Backend, echoes
from support.nginx import NginxNode
from support.platform_api import CREATE, DEPLOY, EXEC, INFO, RESTART, TOKEN, WRITE, PlatformApi
from support.schemas import hold

from nginxws.cli import run
from nginxws.cli.env import platform as env_platform
from nginxws.providers.jelastic import Patience, flow

pytestmark = pytest.mark.nginx
TLS = True  # as for every user: the manifest takes no other URL

PAGE = 'var wsUri = "ws://localhost:9/";  // café\nconnect(wsUri);\n'
ARCHIVE = 'archive = "https://files.example/chat-1.zip"\n'
MANIFEST = """format = 1

[environment]
domain = "chat.example.com"
connect = "127.0.0.1:{port}"

[environment.jelastic]
hoster = "platform.example"
env_name = "chat"
api = "{api}"
nginx_conf = "{conf}"
archive = "https://files.example/chat-1.zip"

[environment.jelastic.application]
type = "nodejs"

[apps.chat]
port = {backend}
ready_timeout = "1s"
{app}
[[apps.chat.websocket]]
file = "{page}"
pattern = 'wsUri = "([^"]*)"'

[[routes]]
path = "/ws/"
backend = "app:chat"
probe_timeout = "1s"
"""


@dataclass
class Ran:
    code: int
    out: str
    err: str

    def json(self, schema: str = "environment") -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)
        hold(found, schema)
        return found


@dataclass
class Account:
    """A folder with a manifest, and the account that it is for."""

    platform: PlatformApi
    node: NginxNode
    page: Path
    folder: Path
    backend: Backend
    capture: pytest.CaptureFixture[str]

    def __call__(self, *words: str, code: int = 0) -> Ran:
        self.capture.readouterr()
        got = run(["env", *words])
        ran = Ran(int(got), *self.capture.readouterr())
        assert TOKEN not in ran.out + ran.err
        assert ran.code == code, ran.out + ran.err
        return ran

    def write(self, app: str = "", **changes: str) -> None:
        text = MANIFEST.format(
            port=self.node.port,
            api=self.platform.url,
            conf=self.node.conf,
            backend=self.backend.port,
            page=self.page,
            app=app,
        )
        for old, new in changes.items():
            assert old in text
            text = text.replace(old, new)
        (self.folder / "nginxws.toml").write_text(text)

    def state(self) -> tuple[dict[str, str], str, list[str]]:
        """What stands on both nodes."""
        home = self.node.prefix / "home-cp"
        names = sorted(str(path.relative_to(home)) for path in home.rglob("*"))
        return self.node.digests(), self.page.read_text(), names


@pytest.fixture
def account(
    platform: PlatformApi,
    node: NginxNode,
    backend: Backend,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Account:
    for name in [name for name in os.environ if name.startswith("NGINXWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NGINXWS_JELASTIC_TOKEN", TOKEN)
    monkeypatch.setattr(env_platform, "PATIENCE", Patience(call=10, work=10, tries=2, pause=0.01, poll=0.02))
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    page = tmp_path / "chat.js"

    def unpack(_form: dict[str, str]) -> None:
        page.write_text(PAGE)

    platform.hooks[DEPLOY] = unpack
    node.start()
    made = Account(platform, node, page, folder, backend, capfd)
    made.write()
    return made


UP = ("up", "--provider", "jelastic", "--yes")


def deployed(account: Account) -> None:
    """The environment is there, with the application, and nothing of ours."""
    account.platform.made()
    account.page.write_text(PAGE)
    account.write(**{ARCHIVE: ""})


def test_from_nothing_to_a_chat_that_serves_and_back(account: Account) -> None:
    platform, before = account.platform, account.node.digests()
    planned = account("plan", "--provider", "jelastic", "--format", "json").json()
    assert (planned["changed"], planned["provider"]["create"], planned["provider"]["deploy"]) == (True,) * 3
    assert platform.changing() == []

    up = account(*UP)
    address = "ws://chat.example.com/ws/"
    for line in (
        "chat: the environment was made",
        "chat: chat-1.zip was deployed",
        f"chat: write {address} into {account.page}",
        "chat: restart the nodes of cp",
        f"{address}: live: ",
    ):
        assert line in up.out
    assert "waiting for the platform" in up.err
    assert account.page.read_text() == PAGE.replace("ws://localhost:9/", address)
    assert echoes(account.node.port)
    assert platform.restarted == ["cp"]
    order = [CREATE, DEPLOY, EXEC, EXEC, WRITE, RESTART, WRITE, EXEC, EXEC]
    assert platform.changing() == order, "marker, original, page, restart; balancer, reload; page is read"

    workers = set(account.node.workers())
    platform.calls.clear()
    again = account(*UP, "--format", "json").json()
    assert (again["changed"], again["environment"]["probes"][0]["status"]) == (False, 101)
    assert platform.changing() == []
    assert set(account.node.workers()) == workers
    account("plan", "--provider", "jelastic", "--detailed-exitcode")
    status = account("status", "--provider", "jelastic", "--format", "json").json("env-status")
    assert status["as_wanted"]
    assert status["nodes"]["bl"]["running"]
    assert status["provider"]["nodes"][0]["ssh"] == "ssh://100-7@gate.platform.example:3022"
    and_back(account, before)


def and_back(account: Account, before: dict[str, str]) -> None:
    """Down, twice; ``before`` is the balancer as it was."""
    down = account("down", "--provider", "jelastic", "--yes", "--format", "json").json()
    assert down["changed"]
    assert (down["apps"]["chat"]["result"], down["nodes"]["bl"]["result"]) == ("applied", "applied")
    assert account.state() == (before, PAGE, [".nginxws-deployed"])
    account.platform.calls.clear()
    assert not account("down", "--provider", "jelastic", "--yes", "--format", "json").json()["changed"]
    assert account.platform.changing() == []


def test_the_manifest_or_a_variable_may_name_the_provider(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NGINXWS_PROVIDER", "jelastic")
    assert "there is no such environment" in account("status").out + account("down", "--yes").out
    plan = account("plan", "--detailed-exitcode", code=2)
    assert "chat: the environment is to be made" in plan.out
    monkeypatch.delenv("NGINXWS_PROVIDER")
    account.write(**{"[environment.jelastic]": 'provider = "jelastic"\n\n[environment.jelastic]'})
    assert "is to be made" in account("plan").out
    assert {path for path, _form in account.platform.calls} == {"environment/control/rest/getenvs"}


def test_a_plan_shows_both_diffs_and_a_status_what_lacks(account: Account) -> None:
    deployed(account)
    plan = account("plan", "--provider", "jelastic", "--detailed-exitcode", code=2)
    assert '+var wsUri = "ws://chat.example.com/ws/";' in plan.out
    assert f"server 127.0.0.1:{account.backend.port}" in plan.out or "proxy_pass" in plan.out
    status = account("status", "--provider", "jelastic")
    assert "not as wanted" in status.out
    assert "/ws/: missing" in status.out
    assert account.platform.changing() == []


@pytest.mark.parametrize("trouble", ["proof", "reload", "port", "restart"])
def test_what_fails_leaves_everything_as_it_was(account: Account, tmp_path: Path, trouble: str) -> None:
    deployed(account)
    if trouble == "proof":
        account.write(**{ARCHIVE: "", 'probe_timeout = "1s"': 'probe_expect = 200\nprobe_timeout = "1s"'})
    elif trouble == "reload":
        (account.node.prefix / "bin" / "sudo").write_text("#!/bin/sh\nexit 1\n")
    elif trouble == "port":
        account.write(**{ARCHIVE: "", f"port = {account.backend.port}\n": "port = 1\n"})
    else:
        account.write(
            f'restart = "mkdir {tmp_path}/once 2>/dev/null || exit 0; echo it is stuck; exit 3"\n',
            **{ARCHIVE: ""},
        )
    before = account.state()
    ran = account(*UP, "--format", "json", code=4)
    found = ran.json()
    assert (found["changed"], found["failed"]) == (False, True)
    assert account.state() == before
    assert ("it is stuck" in ran.err) == (trouble == "restart")
    of_app = found["apps"]["chat"]["result"] == "restored"
    assert of_app == (trouble in ("port", "restart"))
    assert of_app != (found["nodes"]["bl"]["result"] == "restored")
    assert account.platform.restarted in (["cp", "cp"], [])


def test_an_interruption_in_the_proof_leaves_everything_as_it_was(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployed(account)
    before = account.state()

    def prove(*_all: object) -> None:
        assert account.state() != before
        raise KeyboardInterrupt

    monkeypatch.setattr(flow, "prove", prove)
    found = account(*UP, "--format", "json", code=130).json()
    assert found["nodes"]["bl"]["result"] == "interrupted"
    assert account.state() == before


def test_a_run_that_was_cut_off_before_its_restart_is_completed(account: Account) -> None:
    deployed(account)
    account(*UP)
    (record,) = (account.node.prefix / "home-cp" / ".nginxws-addresses").glob("*.record")
    settled = record.read_text()
    key, sums, rest = settled.split(" ", 2)
    record.write_text(f"{key} {sums},unread {rest}")
    account.platform.calls.clear()
    assert "restart it: a run was cut off" in account("plan", "--provider", "jelastic").out
    assert account(*UP, "--format", "json").json()["changed"]
    assert account.platform.changing() == [RESTART, EXEC]
    assert record.read_text() == settled
    assert not account(*UP, "--format", "json").json()["changed"]


def test_an_interrupted_wait_says_what_stays(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    def wait(*_all: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(flow, "until_running", wait)
    ran = account(*UP, code=130)
    assert "interrupted (the environment was created, and stays)" in ran.err
    assert "chat: the environment was made" in ran.out


def test_a_restart_that_fails_on_the_way_back_too_needs_a_human(account: Account) -> None:
    deployed(account)
    account.write('restart = "echo it is stuck; exit 3"\n', **{ARCHIVE: ""})
    ran = account(*UP, "--format", "json", code=5)
    assert ran.json()["apps"]["chat"]["result"] == "restore failed"
    assert "and so did its restore" in ran.err
    assert account.page.read_text() == PAGE


def test_what_somebody_else_wrote_meanwhile_is_left(account: Account) -> None:
    deployed(account)

    def other(_form: dict[str, str]) -> None:
        account.page.write_text("// theirs\n")

    account.platform.hooks[RESTART] = other
    (account.node.prefix / "bin" / "sudo").write_text("#!/bin/sh\nexit 1\n")
    assert "somebody else wrote the file meanwhile" in account(*UP, code=5).err
    assert account.page.read_text() == "// theirs\n"


def test_a_restart_without_an_answer_is_told_by_the_port(account: Account) -> None:
    deployed(account)
    account.platform.faults[RESTART] = ["reset-after"]
    assert "no answer to the restart" in account(*UP, "-v").err
    assert account.platform.restarted == ["cp"]


def test_a_service_is_restarted_by_the_nodes_own_means(account: Account) -> None:
    deployed(account)
    sudo = account.node.prefix / "bin" / "sudo"
    told = f'echo "$*" >>{account.node.prefix}/told\n'
    sudo.write_text(sudo.read_text().replace("[ ", f"{told}[ ", 1))
    account.write('service = "chat"\n', **{ARCHIVE: ""})
    ran = account(*UP, "--format", "json", code=5)
    assert "chat can't be restarted" in ran.err
    words = (account.node.prefix / "told").read_text().splitlines()
    assert words[-2:] == ["-n systemctl restart chat", "-n /sbin/service chat restart"]


def test_an_environment_without_the_applications_nodes(account: Account) -> None:
    deployed(account)
    account.platform.envs["chat"]["nodes"].pop()
    assert "no node of the group cp" in account(*UP, code=1).err
    assert account.platform.changing() == []


def test_an_application_may_have_a_command_of_its_own(account: Account, tmp_path: Path) -> None:
    deployed(account)
    told = tmp_path / "restarted"
    account.write(f'restart = "echo restarted >>{told}"\n', **{ARCHIVE: ""})
    account(*UP)
    account(*UP)
    assert told.read_text() == "restarted\n"
    assert account.platform.restarted == []


def test_a_placeholder_is_found_again_in_the_original(account: Account) -> None:
    deployed(account)
    account.page.write_text("connect('@@');\n")
    way = """pattern = 'wsUri = "([^"]*)"'"""
    changes = {ARCHIVE: "", way: 'placeholder = "@@"'}
    account.write(**changes)
    account(*UP)
    assert account.page.read_text() == "connect('ws://chat.example.com/ws/');\n"
    assert not account(*UP, "--format", "json").json()["changed"]
    account.write(**changes, **{'domain = "chat.example.com"': 'domain = "chat.example.net"'})
    account(*UP)
    assert account.page.read_text() == "connect('ws://chat.example.net/ws/');\n"
    account("down", "--provider", "jelastic", "--yes")
    assert account.page.read_text() == "connect('@@');\n"


def test_a_wrong_pattern_touches_nothing(account: Account) -> None:
    deployed(account)
    account.page.write_text(PAGE * 2)
    ran = account(*UP, code=1)
    assert "matches 2 times" in ran.err
    assert account.platform.changing() == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[apps.chat]", "[nodes.lb1]\n[apps.chat]", "no [nodes]"),
        ("[apps.chat]\n", '[apps.chat]\nssh = "10.0.0.5"\n', "the platform makes this node"),
        ("[apps.chat]\n", '[apps.chat]\naddress = "10.0.0.5"\n', "the platform tells this address"),
        ("[apps.chat]\n", '[apps.chat]\nsource = "chat"\ntarget = "/srv"\n', "can't be sent a source"),
        (f'{ARCHIVE}\n[environment.jelastic.application]\ntype = "nodejs"\n', "", "on which nodes chat runs"),
        ("platform.example", "127.0.0.1:1", "hoster"),
        ("https://localhost", "http://localhost", "isn't an https URL"),
    ],
)  # fmt: skip
def test_what_the_api_cannot_do_is_refused_first(account: Account, old: str, new: str, said: str) -> None:
    account.write(**{old: new})
    assert said in account(*UP, code=1).err
    assert account.platform.calls == []


def test_options_that_mean_ssh_are_refused(account: Account) -> None:
    assert "--install isn't possible" in account(*UP, "--install", code=64).err
    account.write(**{"[environment.jelastic": "[environment.other"})
    assert "environment.other" in account(*UP, code=1).err
    assert account.platform.calls == []


def test_an_error_tells_what_stays(account: Account) -> None:
    account.platform.faults[INFO] = ["refuse!"]
    found = account(*UP, "--format", "json", code=1).json()
    assert found["provider"]["create"]
    assert found["changed"]
    assert "the environment was created, and stays" in found["environment"]["error"]["message"]


def test_without_a_token_or_the_platform(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NGINXWS_JELASTIC_TOKEN", "wrong-token-0123456789")
    assert "doesn't accept the token" in account(*UP, code=6).err
    monkeypatch.setenv("SSL_CERT_FILE", os.devnull)
    assert "isn't trusted" in account("status", "--provider", "jelastic", code=6).err
    monkeypatch.delenv("NGINXWS_JELASTIC_TOKEN")
    assert "NGINXWS_JELASTIC_TOKEN" in account(*UP, code=6).err


def test_a_question_is_asked_and_agreement_is_to_what_was_shown(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nginxws.cli.change import ChangeSettings

    deployed(account)
    monkeypatch.setattr(ChangeSettings, "asks", property(lambda _self: True))
    answers: list[Callable[[], bool]] = [
        lambda: False,
        lambda: bool(account.page.write_text(PAGE + "more")),
        lambda: True,
    ]
    monkeypatch.setattr("click.confirm", lambda *_words, **_more: answers.pop(0)())
    asked = ("up", "--provider", "jelastic")
    ran = account(*asked, code=1)
    assert "not confirmed" in ran.err
    assert '+var wsUri = "ws://chat.example.com/ws/";' in ran.out
    assert account.platform.changing() == []
    account.write(**{ARCHIVE: ""})
    assert "changed since the plan was shown" in account(*asked, code=7).err
    assert account.page.read_text() == f"{PAGE}more"
    assert account.platform.changing() == []
    account(*asked)
    account(*asked)
    assert answers == [], "nothing to do, nothing to ask"
