"""The environment's tutorial does what it says: its files, commands and pictures, on two real machines."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.browser import PHONE, PROGRAMS, Chromium, find_chromium
from support.browser import running as browser_running
from support.command import STUCK
from support.nginx import NginxNode, free_port
from support.people import Person, joined
from support.sshd import SshServer, need, running
from support.walkthrough import Command, File, Lines, Picture, missing, replaced, steps

PAGE = "docs/environment-tutorial.md"
ROOT = Path(__file__).parents[2]
SITE, RESTART = "/etc/nginx/conf.d/chat.conf", "/srv/restart-chat"
URL = "http://chat.example.com/"
#: Bytes of a picture on a page.
SMALL = 150_000
#: What differs from run to run, and from machine to machine.
CHANGING = {
    r"\b[0-9a-f]{16}\b": "DIGEST",
    r"master \d+": "master PID",
    r"nginx/\d[\d.]*": "nginx/VERSION",
    r"before activation, in a mount namespace|after activation": "WHEN",
    r"NGINX \d[\d.]*": "NGINX VERSION",
}


class Machines:
    """A balancer and an application's node, reached by SSH; the page's names stand for what they are here."""

    def __init__(self, folder: Path, site: str, restart: str, servers: tuple[SshServer, SshServer]) -> None:
        self.work, self.srv, self.bin = (folder / name for name in ("work", "srv", "bin"))
        self.home = folder / "home"
        for one in (self.work, self.srv, self.bin, self.home):
            one.mkdir(mode=0o700)
        self.port = free_port()
        self.node = NginxNode(folder / "lb", need("nginx"), site="# replaced below\n")
        balancer, machine = servers
        python = f"env PYTHONPATH={ROOT} {sys.executable}"
        self.words = {
            "root@10.0.0.2": f"{balancer.user}@127.0.0.1:{balancer.port}",
            "root@10.0.0.5": f"{machine.user}@127.0.0.1:{machine.port}",
            "10.0.0.2:80": f"127.0.0.1:{self.node.port}",
            "10.0.0.5:8080": f"127.0.0.1:{self.port}",
            "10.0.0.5": "127.0.0.1",
            "8080": str(self.port),
            "listen 80": f"listen 127.0.0.1:{self.node.port}",
            "chat.example.com:80": f"chat.example.com:{self.node.port}",
            SITE: str(self.node.site),
            "/srv": str(self.srv),
        }
        self.node.site.write_text(self.real(site))
        self.program(self.srv / "restart-chat", self.real(restart).replace("python3", python))
        self.program(self.bin / "nginxws", f'#!/bin/sh\nexec {python} -m nginxws "$@"\n')
        self.program(self.bin / "python3", f'#!/bin/sh\nexec {python} "$@"\n')
        self.config = folder / "ssh_config"
        self.config.write_text(_ssh_config(servers))

    @staticmethod
    def program(path: Path, text: str) -> None:
        path.write_text(text)
        path.chmod(0o755)

    def real(self, text: str) -> str:
        """The page's text with what its names stand for."""
        return replaced(text, self.words)

    def plain(self, said: str) -> str:
        """What was said, in the page's names, without what changes from run to run."""
        names = {real: name for name, real in self.words.items() if name != "10.0.0.5"}
        return self.steady(replaced(said, names))

    @staticmethod
    def steady(text: str) -> str:
        for pattern, word in CHANGING.items():
            text = re.sub(pattern, word, text)
        return text

    def run(self, line: str) -> str:
        """What a command prints; it must succeed."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("NGINXWS_")}
        paths = {"conf": self.node.conf, "bin": self.node.binary}
        done = subprocess.run(
            ["sh", "-c", self.real(line)],
            cwd=self.work,
            env=kept
            | {f"NGINXWS_NGINX_{name.upper()}": str(path) for name, path in paths.items()}
            | {"NGINXWS_STATE_DIR": str(self.node.state), "NGINXWS_SSH_CONFIG": str(self.config)}
            | {"HOME": str(self.home), "PATH": f"{self.bin}:{os.environ['PATH']}"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=STUCK,
            check=False,
        )
        said = done.stdout.decode()
        assert done.returncode == 0, f"$ {line}\n{said}"
        return said

    def digests(self) -> dict[str, str]:
        """What both machines hold, but for what nginxws remembers and what the application logs."""
        files = {str(path): path.read_text() for path in self.srv.rglob("*") if path.is_file()}
        return self.node.digests() | {name: text for name, text in files.items() if "chat.log" not in name}

    def browser(self, program: str) -> str:
        """A browser whose DNS knows the balancer; on its own machine, nobody listens."""
        rules = f"MAP chat.example.com 127.0.0.1:{self.node.port}, MAP localhost 127.0.0.1:{free_port()}"
        script = self.bin / "chromium"
        self.program(script, f'#!/bin/sh\nexec {program} --host-resolver-rules="{rules}" "$@"\n')
        return str(script)

    def stop(self) -> None:
        """End the application, should it run, and NGINX."""
        self.run("rm -rf /srv/chat && /srv/restart-chat")
        self.node.stop()


def _ssh_config(servers: tuple[SshServer, SshServer]) -> str:
    keys = "".join(f"  IdentityFile {one.key}\n" for one in servers)
    known = " ".join(str(one.known_hosts) for one in servers)
    rest = "  IdentityAgent none\n  GlobalKnownHostsFile none\n  ConnectTimeout 15\n"
    return f"Host *\n{keys}  UserKnownHostsFile {known}\n{rest}"


@pytest.fixture
def page(pages: dict[str, str]) -> str:
    return pages[PAGE]


@pytest.fixture
def machines(tmp_path: Path, page: str) -> Iterator[Machines]:
    files = {one.path: one.text for one in steps(page) if isinstance(one, File)}
    with ExitStack() as stack:
        folders = [tmp_path / "ssh-lb", tmp_path / "ssh-app"]
        for folder in folders:
            folder.mkdir()
        one, two = (stack.enter_context(running(need("sshd"), folder, (), "ed25519")) for folder in folders)
        made = Machines(tmp_path, files[SITE], files[RESTART], (one, two))
        stack.callback(made.stop)
        made.node.start()
        yield made


@pytest.fixture
def chromium(machines: Machines) -> Iterator[Chromium]:
    with browser_running(machines.browser(find_chromium() or need(PROGRAMS[0]))) as browser:
        yield browser


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    kept = os.environ.get("NGINXWS_ARTIFACTS")
    folder = Path(kept) / "screenshots" if kept else tmp_path / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


class Camera:
    """Looks at the environment in a browser, as the page's pictures do. Each finds what the page says."""

    def __init__(self, chromium: Chromium, folder: Path) -> None:
        self.chromium, self.folder = chromium, folder
        self.taken: list[str] = []
        self.scenes: dict[str, Callable[[str], None]] = {
            "environment-other-address.png": self.lonely,
            "environment-chat.png": self.two_people,
        }

    def take(self, name: str) -> None:
        if name not in self.taken:  # two people make two pictures at once
            self.scenes[name](name)

    def keep(self, person: Person, name: str) -> None:
        person.tab.picture(self.folder / name)
        self.taken.append(name)

    def lonely(self, name: str) -> None:
        """The page is there, and its WebSocket doesn't open."""
        with self.chromium.tab(URL, viewport={"width": 960, "height": 320}) as tab:
            tab.wait("document.activeElement?.id === 'name'")
            tab.type("Ada")
            tab.press("Enter")
            ada = Person(tab)
            ada.is_("waiting")
            self.keep(ada, name)

    def two_people(self, name: str) -> None:
        """Two people, one at a desk, one with a phone."""
        desk, phone = {"width": 960, "height": 480}, PHONE | {"viewport": {"width": 390, "height": 560}}
        with (
            joined(self.chromium, URL, "Ada", viewport=desk) as ada,
            joined(self.chromium, URL, "Grace", **phone) as grace,
        ):
            ada.sees("Ada", "Grace")
            ada.say("Hello Grace, can you read this?")
            grace.hears("Hello Grace, can you read this?")
            grace.say("Word for word, Ada. On my phone.")
            ada.hears("Hello Grace, can you read this?", "Word for word, Ada. On my phone.")
            self.keep(ada, name)
            self.keep(grace, name.replace(".png", "-phone.png"))


@pytest.mark.nginx
@pytest.mark.sshd
@pytest.mark.browser
def test_the_walk_through(machines: Machines, page: str, chromium: Chromium, pictures: Path) -> None:
    camera = Camera(chromium, pictures)
    before, master = machines.digests(), machines.node.master
    wrong = []
    for step in steps(page):
        match step:
            case Lines(text):
                with (machines.work / "nginxws.toml").open("a") as manifest:
                    manifest.write(machines.real(text) + "\n")
            case Command(line, shown):
                if trouble := missing(machines.steady(shown), machines.plain(machines.run(line))):
                    wrong.append(f"$ {line}\n{trouble}")
            case Picture(name):
                camera.take(name)
                assert name in camera.taken
    assert not wrong, "\n".join(wrong)
    assert machines.digests() == before
    assert machines.node.master == master


def test_pictures_are_small_and_shown(pages: dict[str, str]) -> None:
    links = [link for text in pages.values() for link in re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text)]
    shown = {Path(link).name for link in links}
    for picture in (ROOT / "docs" / "images").iterdir():
        data = picture.read_bytes()
        assert data.startswith(b"\x89PNG\r\n"), picture.name
        assert len(data) < SMALL, f"{picture.name}: {len(data)} bytes"
        assert picture.name in shown, f"{picture.name} is on no page"


def test_what_was_not_said_is_found() -> None:
    said = "one\ntwo\nthree\n"
    for shown in (said, "...\nthree\n", "one\n...\n", "one\n...\nthree\n", "...\n"):
        assert not missing(shown, said), shown
    for shown in (
        "",
        "one\n",
        "one\n...\ntwo\n",
        "...\none\n...\none\n...\n",
        "one\ntwo\nthree\n...\nfour\n",
    ):
        assert missing(shown, said), shown
