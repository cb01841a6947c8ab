"""A real Chromium without a window, driven by Playwright; each tab is a person of its own."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, async_playwright

from support.nginx import wait_for

T = TypeVar("T")

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
PATIENCE = 30.0  # seconds for anything a page is waited for
# A browser that is root's and knows no network but loopback.
ARGUMENTS = (
    "--no-sandbox",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 780},
    "has_touch": True,
    "is_mobile": True,
    "device_scale_factor": 2,
}
DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}


def find_chromium() -> str | None:
    """The system's browser."""
    return next((path for name in PROGRAMS if (path := shutil.which(name))), None)


class Tab:
    """A page in a browser profile of its own; what it asked for and complained of is kept."""

    def __init__(self, chromium: Chromium, page: Page) -> None:
        self._chromium = chromium
        self.page = page
        self.sockets: list[str] = []  # addresses of all WebSockets it ever opened
        self.requests: list[str] = []
        self.complaints: list[str] = []
        page.on("websocket", lambda opened: self.sockets.append(opened.url))
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._heed)

    def _heed(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for something that Playwright does."""
        return self._chromium.do(work)

    def ask(self, script: str, argument: object = None) -> Any:
        """What an expression or function of the page's own language gives."""
        return self.do(self.page.evaluate(script, argument))

    def wait(self, script: str, argument: object = None) -> None:
        """Wait until an expression or function of the page's own language is true."""
        # Playwright's own wait_for_function calls eval() in the page, which the page's policy forbids.
        wait_for(lambda: self.ask(script, argument), script, PATIENCE)

    def find(self, role: Any, name: str) -> Locator:
        """An element as assistive technology finds it: by its role and its whole name."""
        return self.page.get_by_role(role, name=name, exact=True)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.do(self.page.keyboard.press(key))

    def type(self, text: str) -> None:
        self.do(self.page.keyboard.type(text))

    def picture(self, path: Path) -> None:
        """Keep what is to be seen."""
        self.do(self.page.screenshot(path=path, animations="disabled"))


class Chromium:
    """One browser; its event loop runs in a thread of its own, out of the way of the tests' loops."""

    def __init__(self, browser: Browser, loop: asyncio.AbstractEventLoop) -> None:
        self._browser = browser
        self._loop = loop

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the browser's loop; its result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(2 * PATIENCE)

    @contextmanager
    def tab(
        self, url: str, *, script: str | None = None, clock: bool = False, **options: Any
    ) -> Iterator[Tab]:
        """Open ``url`` as somebody new. ``options`` are those of Playwright's ``new_context``.

        ``script`` runs in the page before its own. With ``clock`` time stands still there until
        it is moved (``page.clock``).
        """
        context = self.do(self._browser.new_context(**{"locale": "en-GB", **DESKTOP, **options}))
        try:
            if clock:  # first: the script's timers are held too
                self.do(context.clock.install())
            if script is not None:
                self.do(context.add_init_script(script))
            yield self.do(self._open(context, url))
        finally:
            self.do(context.close())

    async def _open(self, context: BrowserContext, url: str) -> Tab:
        tab = Tab(self, await context.new_page())  # in the loop: its listeners are subscribed there
        await tab.page.goto(url)
        return tab


@contextmanager
def running(program: str) -> Iterator[Chromium]:
    """A browser until the block ends."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="browser")
    thread.start()

    def do(work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, loop).result(2 * PATIENCE)

    try:
        manager = async_playwright()
        playwright = do(manager.__aenter__())
        try:
            # What it leaves in its temporary folder goes with it.
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
                environment: dict[str, str | float | bool] = {**os.environ, "TMPDIR": folder}
                launching = playwright.chromium.launch(
                    executable_path=program, args=list(ARGUMENTS), env=environment
                )
                browser = do(launching)
                yield Chromium(browser, loop)
                do(browser.close())
        finally:
            do(manager.__aexit__())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
