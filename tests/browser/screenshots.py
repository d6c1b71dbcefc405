"""Takes the pictures of the browser phone: `make screenshots`.

Five scenes, each in light, in dark and on a phone's screen, from a really started server, go to build/screenshots.
Those that the documents show are copied to docs/screenshots.
"""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

from playwright.sync_api import Page, expect

ROOT: Final = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # run as a script, this folder alone is on the path

from tests.browser.chromium import Tabs, chromium, missing  # noqa: E402
from tests.browser.phone_page import PhonePage, answered_call, call  # noqa: E402
from tests.interop.server_process import Server  # noqa: E402

Look = Literal["light", "dark", "phone"]
Scene = Callable[[Tabs, Server, Look], Page]

ALL: Final = ROOT / "build/screenshots"
SHOWN: Final = ROOT / "docs/screenshots"
IN_DOCUMENTS: Final = ("ringing-phone", "live-phone", "live-dark", "two-phones-light", "latency-light")

A_MINUTE: Final = 90_000
_SIZES: Final[dict[Look, tuple[int, int]]] = {"light": (1280, 912), "dark": (1280, 912), "phone": (360, 780)}


def _open(tabs: Tabs, server: Server, look: Look, query: str = "") -> Page:
    width, height = _SIZES[look]
    scheme: Literal["light", "dark"] = "dark" if look == "dark" else "light"
    return tabs.open(f"{server.url}/test-client{query}", width=width, height=height, scheme=scheme)


def _pair(tabs: Tabs, server: Server, look: Look) -> tuple[PhonePage, PhonePage]:
    """Phone A in a tab of its own that nobody sees, phone B in the one to be taken."""
    caller = PhonePage(tabs.open(f"{server.url}/test-client"), "A")
    receiver = PhonePage(_open(tabs, server, look, "?phone=b"), "B")
    for phone in (caller, receiver):
        phone.connect()
    if look == "phone":
        receiver.part("fold-connection").locator("summary").click()
    else:
        receiver.click("watch")
    return caller, receiver


def _both(tabs: Tabs, server: Server, look: Look) -> tuple[PhonePage, PhonePage]:
    page = _open(tabs, server, look, "?view=two")
    page.get_by_role("button", name="Connect both").click()
    phones = PhonePage(page, "A"), PhonePage(page, "B")
    for phone in phones:
        phone.is_online()
        if look == "phone":
            phone.part("fold-connection").locator("summary").click()
    return phones


def idle(tabs: Tabs, server: Server, look: Look) -> Page:
    return _open(tabs, server, look)


def ringing(tabs: Tabs, server: Server, look: Look) -> Page:
    caller, receiver = _pair(tabs, server, look)
    call(caller, receiver)
    expect(receiver.part("ring-left")).to_contain_text("27 s")
    return receiver.page


def live(tabs: Tabs, server: Server, look: Look) -> Page:
    caller, receiver = _pair(tabs, server, look)
    answered_call(caller, receiver)
    caller.click("video")
    expect(receiver.part("live-clock")).to_have_text("0:03")
    return receiver.page


def two_phones(tabs: Tabs, server: Server, look: Look) -> Page:
    caller, receiver = _both(tabs, server, look)
    for phone in (caller, receiver):
        if look != "phone":
            phone.click("watch")
    call(caller, receiver)
    expect(receiver.part("ring-left")).to_contain_text("27 s")
    return caller.page


def latency(tabs: Tabs, server: Server, look: Look) -> Page:
    page = _both(tabs, server, look)[0].page
    page.locator("#run").click()
    expect(page.locator("#run-progress")).to_contain_text("Done", timeout=A_MINUTE)
    if look == "phone":
        page.locator("#latency").evaluate("section => section.scrollIntoView()")
    return page


SCENES: Final[dict[str, Scene]] = {
    "idle": idle,
    "ringing": ringing,
    "live": live,
    "two-phones": two_phones,
    "latency": latency,
}


def take(scene: Scene, look: Look, tabs: Tabs, path: Path) -> None:
    """Writes one picture, from a server of its own."""
    server = Server("--dev", RATE_LIMIT="0")
    server.start()
    page = scene(tabs, server, look)
    page.screenshot(path=path, animations="disabled")
    tabs.close()
    server.close()


def main() -> None:
    for folder in (ALL, SHOWN):
        folder.mkdir(parents=True, exist_ok=True)
    with chromium() as browser:
        for name, scene in SCENES.items():
            for look in _SIZES:
                path = ALL / f"{name}-{look}.png"
                take(scene, look, Tabs(browser), path)
                print(path.relative_to(ROOT))
    for shown in IN_DOCUMENTS:
        shutil.copyfile(ALL / f"{shown}.png", SHOWN / f"{shown}.png")


if __name__ == "__main__":
    if reason := missing():
        sys.exit(reason)
    main()
