"""The two-phones view: both ends of a call on one page, the keyboard alone, and the latency run."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.chromium import Tabs
from tests.browser.conftest import TwoPhones
from tests.browser.phone_page import PhonePage, answered_call, call
from tests.interop.server_process import Server

pytestmark = pytest.mark.browser

RUN = 50
A_MINUTE = 90_000


def test_a_whole_call_with_video_on_one_page(two_phones: TwoPhones) -> None:
    caller, receiver = two_phones
    answered_call(caller, receiver)
    caller.click("video")
    receiver.click("video-yes")
    for phone in two_phones:
        expect(phone.part("live-what")).to_contain_text("Video call")
    caller.click("end")
    receiver.ended("Remote user ended call")


def test_calls_go_both_ways(two_phones: TwoPhones) -> None:
    for caller, receiver in (two_phones, two_phones[::-1]):
        call(caller, receiver)
        receiver.click("reject")
        caller.ended("Rejected")


def test_leaving_the_view_hangs_up_the_second_connection(two_phones: TwoPhones) -> None:
    first, second = two_phones
    first.click("watch")
    expect(first.part("people").locator("li.on")).to_have_count(1)
    first.page.get_by_label("One phone").check(force=True)
    expect(second.root).to_have_count(0)
    expect(first.part("people").locator("li.on")).to_have_count(0)
    first.is_online()


def test_a_call_with_the_keyboard_alone(tabs: Tabs, server: Server) -> None:
    page = tabs.open(f"{server.url}/test-client?view=two")
    caller, receiver = PhonePage(page, "A"), PhonePage(page, "B")
    press = page.keyboard.press
    for key, phone in (("1", caller), ("2", receiver)):
        press(key)
        press("c")
        phone.is_online()
    press("1")
    press("d")
    expect(caller.field("receiverId")).to_be_focused()
    press("Enter")
    receiver.is_at("ringing")
    expect(caller.root.locator('[data-panel="dialling"]')).to_be_focused()  # the focus goes with the call
    expect(page.get_by_role("alert").filter(has_text="User 1001 is calling")).to_have_count(1)
    press("a")  # only phone B can accept
    caller.is_at("live")
    press("v")
    expect(receiver.part("video-yes")).to_be_visible()
    press("a")
    expect(caller.part("live-what")).to_contain_text("Video call")
    press("e")
    caller.ended("You ended the call")
    press("2")
    press("d")
    press("Enter")
    caller.is_at("ringing")
    press("Tab")  # from the dialling panel to its one button
    expect(receiver.part("cancel")).to_be_focused()
    press("r")  # only phone A can reject
    receiver.ended("Rejected")


def test_keys_can_be_switched_off_and_typing_is_never_a_command(tabs: Tabs, server: Server) -> None:
    page = tabs.open(f"{server.url}/test-client")
    phone = PhonePage(page)
    phone.field("receiverId").press("c")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    page.get_by_label("Use these single keys").uncheck()
    page.get_by_role("button", name="Close").click()
    expect(page.locator("#help")).to_be_hidden()
    page.keyboard.press("c")
    expect(phone.part("pill")).to_have_attribute("data-state", "off")


def test_fifty_rejects_are_measured_and_drawn(two_phones: TwoPhones, tmp_path: Path) -> None:
    caller, receiver = two_phones
    page = caller.page
    page.locator("#run").click()
    expect(caller.part("dial")).to_be_disabled()
    expect(page.locator("#run-progress")).to_have_text(f"Done: {RUN} rejects measured.", timeout=A_MINUTE)
    calls, p50, p95, p99, longest = page.locator("#figures dd").all_inner_texts()
    assert calls == str(RUN)
    milliseconds = [float(figure.removesuffix(" ms")) for figure in (p50, p95, p99, longest)]
    assert milliseconds == sorted(milliseconds)
    assert milliseconds[0] > 0
    chart = page.locator("#chart")
    expect(chart).to_have_attribute("aria-label", re.compile(rf"Distribution of {RUN} reject latencies: p50 .* ms"))
    assert chart.locator(".bin").count() > 0
    assert chart.locator(".mark-name").all_text_contents()[0].startswith("p50 ")
    with page.expect_download() as download:
        page.locator("#log-export").click()
    download.value.save_as(tmp_path / "run.json")
    assert len(json.loads((tmp_path / "run.json").read_text())["rejectLatencyMs"]) == RUN
    call(caller, receiver)  # and the phones are ordinary ones again
    receiver.click("reject")
    caller.ended("Rejected")


def test_a_run_can_be_stopped(two_phones: TwoPhones) -> None:
    page = two_phones[0].page
    page.locator("#run").click()
    expect(page.locator("#run-progress")).to_contain_text("of 50")
    page.locator("#run-stop").click()
    expect(page.locator("#run-progress")).to_contain_text("Stopped after")
    for phone in two_phones:
        expect(phone.part("dial")).to_be_enabled()
