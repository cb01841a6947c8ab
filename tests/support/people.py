"""People in the chat, each at a browser tab of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from support.browser import Chromium, Tab

STATE = "document.querySelector('#app').dataset.is"
SAID = "[...document.querySelectorAll('#said .message .text')].map((e) => e.textContent)"
HERE = "[...document.querySelectorAll('#people bdi')].map((e) => e.textContent)"
NOTES = "[...document.querySelectorAll('#said .note')].map((e) => e.textContent)"


class Person:
    """Somebody who has joined."""

    def __init__(self, tab: Tab) -> None:
        self.tab = tab

    def say(self, text: str) -> None:
        """Type a message, and send it with Enter."""
        self.tab.do(self.tab.find("textbox", "Message").focus())
        self.tab.type(text)
        self.tab.press("Enter")

    def is_(self, state: str) -> None:
        """Wait for a state of the connection."""
        self.tab.wait(f"{STATE} === '{state}'")

    def hears(self, *texts: str) -> None:
        """Wait for the last of these; all of them, and nothing else, must stand there, each once."""
        self.tab.wait(f"(last) => {SAID}.at(-1) === last", texts[-1])
        assert self.tab.ask(SAID) == list(texts)

    def sees(self, *names: str) -> None:
        """Wait until exactly these people are here."""
        self.tab.wait(f"(names) => {HERE}.sort().join() === names", ",".join(sorted(names)))

    @property
    def notes(self) -> list[str]:
        found: list[str] = self.tab.ask(NOTES)
        return found


Join = Callable[..., AbstractContextManager[Person]]
"""``join(url, name, **options)``: somebody in the chat, until the with statement ends."""


def enter(tab: Tab, name: str) -> Person:
    """Join with the keyboard alone: the page has put the focus where the name goes."""
    tab.wait("document.activeElement?.id === 'name'")
    tab.type(name)
    tab.press("Enter")
    person = Person(tab)
    person.is_("connected")
    return person


@contextmanager
def joined(chromium: Chromium, url: str, name: str, **options: Any) -> Iterator[Person]:
    """Open the chat and join; leaves at the end."""
    with chromium.tab(url, **options) as tab:
        yield enter(tab, name)
