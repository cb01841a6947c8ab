"""The chat's page and its connection: where it goes, how it comes back, what it does with what was said."""

from __future__ import annotations

import re
import shutil
from itertools import pairwise
from pathlib import Path

import pytest
from support.application import application
from support.browser import Chromium, Tab
from support.people import Join, Person

from nginxws.demo.page import FOLDER

pytestmark = pytest.mark.browser

# A network in the test's hands: it keeps every attempt, when it was, and what was sent.
OWN_NETWORK = """
globalThis.wires = [];
globalThis.WebSocket = class {
  at = Date.now();
  sent = [];
  constructor() { wires.push(this) }
  send(frame) { this.sent.push(JSON.parse(frame)) }
  close() { this.closed = true }
};
"""
FAILING = "setInterval(() => wires.at(-1)?.onclose({}), 10)"
HEAR = "(frame) => wires.at(-1).onmessage({ data: JSON.stringify(frame) })"
OPEN = f"(frame) => {{ wires.at(-1).onopen(); ({HEAR})(frame) }}"


def test_what_the_server_refuses_is_said(chat_url: str, join: Join, chromium: Chromium) -> None:
    with join(chat_url, "Ada") as ada:
        ada.tab.ask("(text) => { document.querySelector('#text').value = text }", "\u0001")
        ada.tab.press("Enter")
        ada.tab.wait(
            "document.querySelector('#said li:last-child')?.textContent === 'Not sent: the text is empty'"
        )
        assert ada.tab.ask("document.querySelector('#outbox').children.length") == 0
    with chromium.tab(chat_url) as tab:
        tab.ask("(name) => { document.querySelector('#name').value = name }", "\u0001")
        tab.press("Enter")
        tab.wait(
            "document.querySelector('#why').textContent === 'That name doesn’t work: the name is empty.'"
        )
        assert tab.ask("document.activeElement.id") == "name"


@pytest.mark.parametrize("written", ["ws://127.0.0.1:{port}/ws/", "ws://["])
def test_the_address_stands_in_one_place(chromium: Chromium, tmp_path: Path, written: str) -> None:
    folder = tmp_path / "chat"
    shutil.copytree(FOLDER, folder)
    script = folder / "chat.js"
    with application() as chat:
        address = written.format(port=chat.port)
        changed, count = re.subn(r'wsUri = "([^"]*)"', f'wsUri = "{address}"', script.read_text())
        assert count == 1
        script.write_text(changed)
        with application("--folder", str(folder)) as other, chromium.tab(f"http://{other.address}/") as tab:
            tab.type("Ada")
            tab.press("Enter")
            tab.wait("document.querySelector('#status').textContent !== 'Connecting …'")
            assert tab.ask("document.querySelector('#address').textContent") == address
            if address == "ws://[":
                assert tab.ask("document.querySelector('#status').textContent") == "Wrong address"
                assert tab.sockets == []
            else:
                tab.wait("document.querySelector('#app').dataset.is === 'connected'")
                assert tab.sockets == [address]
            assert tab.complaints == []


@pytest.mark.parametrize(("fails", "patience"), [(True, 0), (False, 10)])
def test_attempts_become_rarer_and_are_not_in_step(
    chat_url: str, chromium: Chromium, fails: bool, patience: int
) -> None:
    script = OWN_NETWORK + (FAILING if fails else "")
    with chromium.tab(chat_url, script=script, clock=True) as tab:
        tab.type("Ada")
        tab.press("Enter")
        tab.do(tab.page.clock.run_for(200_000))
        waits = [after - before - patience for before, after in pairwise(moments(tab))]
        assert len(waits) >= 7
        parts = [wait / min(30, 2**turn) for turn, wait in enumerate(waits)]
        for turn, part in enumerate(parts):
            slack = 0.3 / min(30, 2**turn)  # its clock looks four times a second
            assert 0.5 <= part <= 1 + slack
        assert len(set(parts)) > 1
        assert tab.ask("wires.slice(0, -1).every((wire) => wire.closed)") == (not fails)


def moments(tab: Tab) -> list[float]:
    """When there were attempts, in seconds."""
    return [at / 1000 for at in tab.ask("wires.map((wire) => wire.at)")]


def test_whoever_does_not_want_to_wait_begins_anew(chat_url: str, chromium: Chromium) -> None:
    with chromium.tab(chat_url, script=OWN_NETWORK + FAILING, clock=True) as tab:
        tab.type("Ada")
        tab.press("Enter")
        tab.do(tab.page.clock.run_for(60_000))
        Person(tab).is_("waiting")
        before = len(moments(tab))
        tab.do(tab.find("button", "Try now").focus())
        tab.press("Enter")
        assert len(moments(tab)) == before + 1
        assert tab.ask("document.activeElement.id") == "text"
        tab.do(tab.page.clock.run_for(1_500))
        assert len(moments(tab)) == before + 2


def said(id: str, text: str, by: str = "Grace") -> dict[str, str]:
    return {"type": "message", "id": id, "from": by, "text": text, "at": "2026-01-01T12:00:00.000Z"}


def welcome(*history: dict[str, str]) -> dict[str, object]:
    return {"type": "welcome", "name": "Ada", "people": ["Ada"], "keeps": 3, "history": history}


def test_whoever_reads_what_was_is_left_in_peace(chat_url: str, chromium: Chromium) -> None:
    at_end = "(() => { const e = $('#log'); return e.scrollHeight - e.scrollTop - e.clientHeight < 2 })()"
    with chromium.tab(chat_url, script=OWN_NETWORK) as tab:
        tab.type("Ada")
        tab.press("Enter")
        tab.ask(OPEN, welcome(*(said(f"{n} of many", str(n)) for n in range(50))))
        tab.wait(at_end)
        tab.do(tab.find("region", "Messages").focus())
        tab.press("Home")
        tab.wait("$('#log').scrollTop === 0")
        tab.ask(HEAR, said("the-last", "last"))
        news = tab.find("button", "New messages ↓")
        assert tab.do(news.is_visible())
        assert tab.ask("$('#log').scrollTop") == 0
        tab.do(news.click())
        tab.wait(at_end)
        assert not tab.do(news.is_visible())
        tab.ask(HEAR, said("one-more", "one more"))  # whoever reads along, goes along
        tab.wait(at_end)
        assert not tab.do(news.is_visible())


def test_what_a_reconnect_brings(chat_url: str, chromium: Chromium) -> None:
    with chromium.tab(chat_url, script=OWN_NETWORK) as tab:
        tab.type("Ada")
        tab.press("Enter")
        ada = Person(tab)
        tab.ask(OPEN, welcome(said("first-id", "first"), said("other-id", "first")))
        ada.hears("first", "first")  # the same words, and not the same message
        ada.say("heard")
        ada.say("not heard")
        tab.wait("wires.at(-1).sent.length === 3")
        join, heard, not_heard = tab.ask("wires.at(-1).sent")
        tab.ask("wires.at(-1).onclose({})")
        tab.wait("wires.length === 2")
        tab.ask(OPEN, welcome(said("first-id", "first"), said(heard["id"], "heard", by="Ada")))
        ada.hears("first", "first", "heard")
        assert tab.ask("wires.at(-1).sent") == [join, not_heard]  # of the same session, under the same id
        tab.ask(HEAR, said(not_heard["id"], "not heard", by="Ada"))
        ada.hears("first", "first", "heard", "not heard")
        assert len(join["session"]) == 24
        assert ada.notes == []
        tab.ask("wires.at(-1).onclose({})")
        tab.wait("wires.length === 3")
        tab.ask(OPEN, welcome(*(said(f"{n} of many", str(n)) for n in range(3))))
        ada.hears("first", "first", "heard", "not heard", "0", "1", "2")
        assert ada.notes == ["Some messages were missed"]
        assert tab.complaints == []
