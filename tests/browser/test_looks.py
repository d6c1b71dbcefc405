"""How the page looks and behaves for everybody: widths, contrast, no jumping, names for what can be operated."""

from collections.abc import Callable, Iterator
from typing import Any, Literal

import pytest
from playwright.sync_api import Page, expect

from tests.browser.chromium import HERE, Tabs
from tests.browser.phone_page import PhonePage, answered_call, call
from tests.interop.server_process import Server

pytestmark = pytest.mark.browser

CONTRAST = (HERE / "contrast.js").read_text(encoding="utf-8")
SHIFTS = """window.shifts = [];
new PerformanceObserver(list => list.getEntries().forEach(entry => window.shifts.push(
  { value: entry.value, of: entry.sources.map(source => source.node?.outerHTML?.slice(0, 120)) })))
  .observe({ type: 'layout-shift', buffered: true });"""

Visit = Callable[[str], None]


def _story(page: Page) -> Iterator[str]:
    """Leads the two-phones view through every state and names each."""
    caller, receiver = PhonePage(page, "A"), PhonePage(page, "B")
    yield "not connected"
    for phone in (caller, receiver):
        phone.connect()
        phone.part("fold-presence").evaluate("details => { details.open = true; }")  # folded on a phone screen
        phone.click("watch")
    yield "connected"
    call(caller, receiver)
    yield "ringing"
    receiver.click("accept")
    caller.is_at("live")
    caller.click("video")
    expect(receiver.part("video-yes")).to_be_visible()
    yield "live, video asked for"
    receiver.click("end")
    caller.ended()
    caller.part("fold-calls").locator("summary").click()
    caller.click("sync")
    expect(caller.part("calls").locator("li")).to_have_count(1)
    yield "ended"
    caller.fill(receiverId="1001")
    caller.click("dial")
    caller.says("(forbidden)")
    yield "refused"
    page.keyboard.press("Escape")
    page.locator("#help-open").click()
    yield "help"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_controls_have_contrast(tabs: Tabs, server: Server, scheme: Literal["light", "dark"]) -> None:
    page = tabs.open(f"{server.url}/test-client?view=two", scheme=scheme)
    for state in _story(page):
        poor: list[Any] = page.evaluate(CONTRAST)
        assert poor == [], state
    assert page.evaluate("getComputedStyle(document.body).colorScheme") == "light dark"


def test_the_theme_button_overrides_the_system(tabs: Tabs, server: Server) -> None:
    page = tabs.open(f"{server.url}/test-client", scheme="light")
    dark = "getComputedStyle(document.body).backgroundColor === 'rgb(14, 19, 18)'"
    assert not page.evaluate(dark)
    for _ in ("light", "dark"):
        page.locator("#theme").click()
    assert page.evaluate(dark)
    assert page.evaluate(CONTRAST) == []


@pytest.mark.parametrize("view", ["one", "two"])
def test_a_phone_screen_needs_no_sideways_scrolling(tabs: Tabs, server: Server, view: str) -> None:
    page = tabs.open(f"{server.url}/test-client?view={view}", width=360, height=740, has_touch=True)
    states = _story(page) if view == "two" else iter(["not connected"])
    for state in states:
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, state
        wide = page.evaluate(
            "[...document.querySelectorAll('main *')].filter(one => one.getBoundingClientRect().right > 360"
            " && !one.closest('.clip, .unseen, svg')).map(one => one.outerHTML.slice(0, 150))"
        )
        assert wide == [], state


def test_nothing_jumps_while_a_call_comes_and_goes(tabs: Tabs, server: Server) -> None:
    page = tabs.open(f"{server.url}/test-client?view=two", before=SHIFTS)
    caller, receiver = PhonePage(page, "A"), PhonePage(page, "B")
    heights = set()
    for phone in (caller, receiver):
        phone.connect()
    heights.add(_stage_height(receiver))
    answered_call(caller, receiver)
    heights.add(_stage_height(receiver))
    caller.click("video")
    expect(receiver.part("video-yes")).to_be_visible()
    heights.add(_stage_height(receiver))
    caller.click("end")
    receiver.ended()
    heights.add(_stage_height(receiver))
    assert len(heights) == 1
    assert page.evaluate("window.shifts.filter(shift => shift.value > 0.001)") == []


def _stage_height(phone: PhonePage) -> float:
    box = phone.part("stage").bounding_box()
    assert box is not None
    return box["height"]


def test_everything_operable_has_a_name(tabs: Tabs, server: Server) -> None:
    page = tabs.open(f"{server.url}/test-client?view=two")
    nameless = page.evaluate(
        """[...document.querySelectorAll('button, input, select, summary, a[href]')].filter(one => {
             const label = one.getAttribute('aria-label') || one.textContent.trim()
               || [...(one.labels ?? [])].map(label => label.textContent.trim()).join('');
             return !label;
           }).map(one => one.outerHTML)"""
    )
    assert nameless == []
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(one => one.id)")
    assert len(ids) == len(set(ids))


def test_focus_is_always_to_be_seen(tabs: Tabs, server: Server) -> None:
    page = tabs.open(f"{server.url}/test-client")
    seen = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        outline = page.evaluate(
            """(() => { const one = document.activeElement;
               const shown = one.matches('.segments input') ? one.closest('label') : one;
               return [one.outerHTML.slice(0, 80), getComputedStyle(shown).outlineStyle, one === document.body]; })()"""
        )
        if outline[2]:
            break
        assert outline[1] != "none", outline[0]
        seen.add(outline[0])
    assert len(seen) > 12


def test_the_dialog_takes_the_focus_and_gives_it_back(tabs: Tabs, server: Server) -> None:
    page = tabs.open(f"{server.url}/test-client")
    page.locator("#help-open").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    assert page.evaluate("document.getElementById('help').contains(document.activeElement)")
    page.keyboard.press("Escape")
    expect(page.locator("#help-open")).to_be_focused()


def test_a_ring_does_not_take_the_focus_from_someone_typing(tabs: Tabs, server: Server) -> None:
    page = tabs.open(f"{server.url}/test-client?view=two")
    caller, receiver = PhonePage(page, "A"), PhonePage(page, "B")
    for phone in (caller, receiver):
        phone.connect()
    receiver.field("userIds").focus()
    caller.part("dial").evaluate("button => button.click()")  # a click that takes no focus, as another page's would not
    receiver.is_at("ringing")
    expect(receiver.field("userIds")).to_be_focused()
    caller.click("cancel")
