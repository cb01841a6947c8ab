"""The chat in a real browser: Chromium, in front of a real NGINX whose route nginxws itself has added."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser.site import SITE, Balancer
from support.application import application
from support.browser import PROGRAMS, Chromium, find_chromium, running
from support.nginx import NginxNode
from support.people import Join, joined
from support.sshd import need


@pytest.fixture(scope="session")
def chromium() -> Iterator[Chromium]:
    """One browser for all; each tab has a profile of its own."""
    program = find_chromium()
    if program is None:
        message = f"none of {', '.join(PROGRAMS)} is installed"
        if os.environ.get("NGINXWS_STRICT") == "1":
            pytest.fail(message)
        pytest.skip(message)
    with running(program) as browser:
        yield browser


@pytest.fixture
def balancer(tmp_path: Path) -> Iterator[Balancer]:
    """A running balancer, with the route that nginxws has put there, and a chat that nobody is in."""
    with application() as chat:
        node = NginxNode(tmp_path / "node", need("nginx"), site=SITE.format(application=chat.address))
        home = tmp_path / "home"
        home.mkdir(mode=0o700)
        try:
            node.start()
            found = Balancer(node, home, chat.address)
            found.route()
            yield found
        finally:
            node.stop()


@pytest.fixture(scope="module")
def chat_url() -> Iterator[str]:
    """The chat without a balancer, for what needs none."""
    with application() as chat:
        yield f"http://{chat.address}/"


@pytest.fixture
def join(chromium: Chromium) -> Join:
    """People who come to the chat by this browser."""
    return lambda url, name, **options: joined(chromium, url, name, **options)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots are kept: with what CI keeps, if it does."""
    kept = os.environ.get("NGINXWS_ARTIFACTS")
    folder = Path(kept) / "screenshots" if kept else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
