"""One phone of the page, driven as a person does: by its buttons and fields."""

from collections.abc import Mapping
from typing import Final, Literal

from playwright.sync_api import Locator, Page, expect

Stage = Literal["idle", "dialling", "ringing", "live"]
PATIENCE: Final = 15_000
"""Milliseconds to wait for what the server or the page must do."""

expect.set_options(timeout=PATIENCE)


class PhonePage:
    """Phone A or B of one page."""

    def __init__(self, page: Page, name: Literal["A", "B"] = "A") -> None:
        self.page = page
        self.root = page.locator(f"#phone-{name}")

    def part(self, name: str) -> Locator:
        """Returns what the page itself calls by this name."""
        return self.root.locator(f'[data-el="{name}"]')

    def field(self, name: str) -> Locator:
        return self.root.locator(f'input[name="{name}"]')

    def fill(self, **fields: str) -> None:
        for name, text in fields.items():
            self.field(name).fill(text)

    def choose(self, value: str) -> None:
        """Chooses a transport (polling, websocket, upgrade) or a call type (audio, video)."""
        self.root.locator(f'input[type="radio"][value="{value}"]').check(force=True)

    def click(self, name: str) -> None:
        self.part(name).click()

    def connect(self) -> None:
        self.click("connect")
        self.is_online()

    def is_online(self) -> None:
        expect(self.part("pill")).to_have_attribute("data-state", "online")

    def is_at(self, stage: Stage) -> None:
        """Waits until this panel of the call is shown, and no other is."""
        expect(self.root.locator(".panel.shown")).to_have_attribute("data-panel", stage)

    def says(self, text: str) -> None:
        expect(self.part("notice")).to_contain_text(text)

    def ended(self, *words: str) -> None:
        """Waits until the phone is free and names how the last call ended in these words."""
        self.is_at("idle")
        for word in words:
            expect(self.part("last")).to_contain_text(word)


def call(caller: PhonePage, receiver: PhonePage) -> None:
    """Has one phone ring the other."""
    caller.click("dial")
    receiver.is_at("ringing")
    expect(caller.part("dial-state")).to_contain_text("Ringing on their phone")


def answered_call(caller: PhonePage, receiver: PhonePage) -> None:
    """Brings the two into a live call."""
    call(caller, receiver)
    receiver.click("accept")
    for phone in (caller, receiver):
        phone.is_at("live")


def packets(page: Page) -> list[Mapping[str, str]]:
    """Returns the packets listed on the page, oldest first: who, dir, name, late and brief of each."""
    rows: list[Mapping[str, str]] = page.locator("#packets li").evaluate_all(
        """rows => rows.map(row => Object.fromEntries(
             [...row.querySelectorAll('[data-el]')].map(part => [part.dataset.el, part.textContent])))"""
    )
    return rows
