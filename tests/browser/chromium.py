"""Debian's Chromium, the official client script beside the page, and pages that may not complain."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

HERE: Final = Path(__file__).parent
WEB: Final = HERE.parents[1] / "web"
PAGE: Final = WEB / "test-client.html"
EXECUTABLE: Final = "chromium"
CLIENT_SCRIPT: Final = HERE / "node_modules/socket.io-client/dist/socket.io.min.js"

_ARGUMENTS: Final = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def missing() -> str | None:
    """Returns why the browser phone cannot be tested on this machine, or None; installs the client script if it can."""
    if shutil.which(EXECUTABLE) is None:
        return "chromium must be installed to test the browser phone"
    if not CLIENT_SCRIPT.exists():
        if shutil.which("npm") is None:
            return "npm must be installed to get the client script of the browser phone (tests/browser/package.json)"
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=HERE, check=True, capture_output=True)
    shutil.copyfile(CLIENT_SCRIPT, WEB / CLIENT_SCRIPT.name)
    return None


@contextmanager
def chromium() -> Iterator[Browser]:
    """Gives a started browser; raises FileNotFoundError where there is none."""
    path = shutil.which(EXECUTABLE)
    if path is None:
        raise FileNotFoundError(EXECUTABLE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_ARGUMENTS)
        yield browser
        browser.close()


class Tabs:
    """Opens pages, each in a browser context of its own, and remembers what they complained about."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        self._complaints: list[str] = []

    def open(
        self,
        url: str,
        *,
        width: int = 1280,
        height: int = 900,
        scheme: Literal["light", "dark"] = "light",
        before: str | None = None,
        **context: Any,
    ) -> Page:
        """Returns the page once its client script is there; `before` is a script that runs ahead of the page's own."""
        opened = self._browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, **context)
        self._contexts.append(opened)
        page = opened.new_page()
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self._complaints.append(f"uncaught: {error}"))
        if before is not None:
            page.add_init_script(before)
        page.goto(url)
        page.locator("html[data-ready=yes]").wait_for(timeout=15_000)
        return page

    def complaints(self, *, but: str = "(?!)") -> list[str]:
        """Returns errors and warnings of all pages so far, without those that match `but`, and forgets them."""
        kept = [complaint for complaint in self._complaints if not re.search(but, complaint)]
        self._complaints.clear()
        return kept

    def close(self) -> None:
        """Closes every page."""
        for context in self._contexts:
            context.close()

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._complaints.append(f"{message.type}: {message.text}")
