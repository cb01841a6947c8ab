"""The chat's page for everybody: keyboard, names for assistive technology, contrast, sizes, motion."""

from __future__ import annotations

from pathlib import Path

import pytest
from browser.legible import PALE, SMALL, TOO_WIDE
from support.application import application
from support.browser import PHONE, Chromium, Tab
from support.people import HERE, SAID, Join, enter

pytestmark = pytest.mark.browser

FOCUSED = "document.activeElement.id || document.activeElement.getAttribute('aria-label')"
HAS_RING = """() => {
  const style = getComputedStyle(document.activeElement);
  return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
}"""


def test_the_keyboard_is_enough(chat_url: str, join: Join, chromium: Chromium) -> None:
    with chromium.tab(chat_url) as tab, join(chat_url, "Grace") as grace:
        ada = enter(tab, "Ada")
        tab.wait("document.activeElement.id === 'text'")
        tab.type("one")
        tab.press("Shift+Enter")
        tab.type("two")
        tab.press("Tab")
        assert tab.ask(FOCUSED) == "Send"
        assert tab.ask(HAS_RING)
        tab.press("Enter")
        grace.hears("one\ntwo")
        assert tab.ask(FOCUSED) == "text"
        passed = []
        for _ in range(2):
            assert tab.ask(HAS_RING)
            tab.press("Shift+Tab")
            passed.append(tab.ask(FOCUSED))
        assert passed == ["log", "rename"]
        with join(chat_url, "Konrad"):
            ada.sees("Ada", "Grace", "Konrad")
            assert tab.ask(FOCUSED) == "rename"  # in a list that was made anew
        tab.press("Enter")  # another name
        tab.wait("document.activeElement.id === 'name'")
        assert tab.ask(HAS_RING)
        tab.type("Countess")  # in the place of the old one, which is selected
        tab.press("Enter")
        ada.is_("connected")
        grace.sees("Countess", "Grace")
        assert tab.ask(HERE) == ["Countess", "Grace"]  # oneself first
        ada.hears("one\ntwo")  # once
        assert tab.complaints == []


def test_everything_has_a_role_and_a_name(chat_url: str, chromium: Chromium) -> None:
    def there_is(tab: Tab, *wanted: tuple[str, str]) -> None:
        for role, name in wanted:
            assert tab.do(tab.find(role, name).count()) == 1, f"{role} {name!r}"

    with chromium.tab(chat_url) as tab:
        there_is(tab, ("form", "Join the chat"), ("heading", "Join the chat"))
        there_is(tab, ("textbox", "Your name"), ("button", "Join"))
        enter(tab, "Ada")
        there_is(tab, ("heading", "Chat"), ("region", "Messages"), ("log", "Conversation"))
        there_is(tab, ("region", "Here (1)"), ("button", "Change your name"))
        there_is(tab, ("textbox", "Message"), ("button", "Send"))
        assert tab.do(tab.page.get_by_role("status").inner_text()) == "Connected"
        assert tab.do(tab.page.get_by_role("main").count()) == 1
        assert tab.do(tab.page.get_by_role("textbox").count()) == 1
        assert tab.do(tab.page.get_by_role("button").count()) == 2
        assert tab.ask("document.documentElement.lang") == "en"


def test_it_can_be_read_and_touched(chromium: Chromium, pictures: Path) -> None:
    with (
        application() as chat,
        chromium.tab(f"http://{chat.address}/", **PHONE) as phone,
        chromium.tab(f"http://{chat.address}/") as desktop,
    ):
        tabs = {"phone": phone, "desktop": desktop}
        look(tabs, pictures, "join")
        people = [enter(tab, "Ada Lovelace, Countess of Love") for tab in tabs.values()]
        people[0].say("https://chat.example.com/" + "AnAddressWithoutAnySpace" * 10)
        people[1].say("That is long.")
        for tab in tabs.values():
            tab.wait(f"{SAID}.length === 2")
        look(tabs, pictures, "said")
        chat.stop()
        for person in people:
            person.is_("waiting")
            person.say("Is anybody there?")
            person.tab.wait("document.querySelector('#outbox').children.length === 1")
        look(tabs, pictures, "lost")


def look(tabs: dict[str, Tab], pictures: Path, state: str) -> None:
    """Everything must be legible, large enough and within the window, by day and by night."""
    for device, tab in tabs.items():
        assert tab.ask(SMALL) == []
        assert tab.ask(TOO_WIDE) == []
        for scheme in ("light", "dark"):
            tab.do(tab.page.emulate_media(color_scheme=scheme))
            found = tab.ask(PALE)
            assert found["pale"] == [], f"{state} {device} {scheme}"
            assert found["checked"] >= 5
            tab.picture(pictures / f"{state}-{device}-{scheme}.png")


def test_the_smallest_window_and_less_motion(chat_url: str, join: Join) -> None:
    tiny = {"width": 320, "height": 256}  # 1280 x 1024 at 400 % (WCAG 2.2, 1.4.10)
    animation = "getComputedStyle(document.querySelector('#said li:last-child')).animationName"
    with (
        join(chat_url, "Ada", viewport=tiny, reduced_motion="reduce") as ada,
        join(chat_url, "Grace", reduced_motion="no-preference") as grace,
    ):
        ada.say("hello")
        grace.tab.wait(f"{SAID}.at(-1) === 'hello'")
        ada.tab.wait(f"{SAID}.at(-1) === 'hello'")
        assert ada.tab.ask(animation) == "none"
        assert grace.tab.ask(animation) == "in"
        assert ada.tab.ask(TOO_WIDE) == []
        assert ada.tab.ask("document.documentElement.scrollHeight <= innerHeight")
        assert ada.tab.ask("document.querySelector('#log').clientHeight") > 40
