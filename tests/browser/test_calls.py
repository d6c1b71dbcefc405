"""Calls between two pages, each in its own browser context, against a real server."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.chromium import Tabs
from tests.browser.conftest import TwoPhones
from tests.browser.phone_page import PhonePage, answered_call, call, packets
from tests.interop.server_process import Server

pytestmark = pytest.mark.browser

OUT_OF_REACH = "503|ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE|ERR_INTERNET_DISCONNECTED|WebSocket"
"""What Chromium itself writes to the console while a server is stopping or away."""


def test_a_whole_call_between_two_pages(two_pages: TwoPhones) -> None:
    caller, receiver = two_pages
    answered_call(caller, receiver)
    expect(caller.part("live-clock")).to_have_text(re.compile(r"^0:0\d$"))
    receiver.click("end")
    caller.ended("Ended with 1002", "Remote user ended call", "completed")
    receiver.ended("Ended with", "You ended the call")
    assert caller.part("last").locator(".mono").inner_text() == receiver.part("last").locator(".mono").inner_text()


def test_the_caller_sees_the_order_of_events(two_pages: TwoPhones) -> None:
    caller, receiver = two_pages
    answered_call(caller, receiver)
    receiver.click("end")
    caller.ended()
    heard = [row["name"] for row in packets(caller.page) if row["dir"] == "in" and "call:" in row["name"]]
    assert heard == ["ack call:initiate", "call:ringing", "call:accepted", "call:ended"]


@pytest.mark.parametrize("transport", ["polling", "websocket", "upgrade"])
def test_each_transport_carries_a_call(tabs: Tabs, server: Server, transport: str) -> None:
    page = tabs.open(f"{server.url}/test-client?view=two")
    phones = PhonePage(page, "A"), PhonePage(page, "B")
    for phone in phones:
        phone.choose(transport)
        phone.connect()
        expect(phone.part("pill")).to_contain_text("polling" if transport == "polling" else "websocket")
    answered_call(*phones)
    phones[0].click("end")
    phones[1].ended("completed")


def test_a_reject_tells_the_caller_the_reason(two_pages: TwoPhones) -> None:
    caller, receiver = two_pages
    call(caller, receiver)
    receiver.part("reason").fill("In a meeting")
    receiver.click("reject")
    caller.ended("Rejected", "In a meeting", "declined")
    receiver.ended("Rejected", "You rejected the call")


def test_a_cancel_stops_the_ring(two_pages: TwoPhones) -> None:
    caller, receiver = two_pages
    call(caller, receiver)
    expect(receiver.page).to_have_title(re.compile("is calling"))
    caller.click("cancel")
    receiver.ended("Cancelled", "Caller ended call", "cancelled")
    caller.ended("Cancelled", "You cancelled the call")
    expect(receiver.page).to_have_title("OnlyCare test phone")


def test_a_ring_that_nobody_answers_times_out(
    phone_at: Callable[[Server, str], PhonePage], impatient_server: Server
) -> None:
    caller, receiver = phone_at(impatient_server, "a"), phone_at(impatient_server, "b")
    call(caller, receiver)
    caller.ended("No answer", "no_answer")
    receiver.ended("No answer", "Timeout")


def test_an_offline_receiver_rings_once_connected(tabs: Tabs, server: Server) -> None:
    page = tabs.open(f"{server.url}/test-client?view=two")
    caller, receiver = PhonePage(page, "A"), PhonePage(page, "B")
    caller.connect()
    caller.fill(receiverId="7301")
    caller.click("dial")
    expect(caller.part("dial-state")).to_contain_text("No phone of theirs is connected")
    receiver.fill(userId="7301")
    receiver.connect()
    receiver.is_at("ringing")
    receiver.click("accept")
    caller.is_at("live")
    caller.click("end")


def test_a_third_phone_hears_busy(phone_at: Callable[[Server, str], PhonePage], tabs: Tabs, server: Server) -> None:
    caller, receiver = phone_at(server, "a"), phone_at(server, "b")
    answered_call(caller, receiver)
    third = PhonePage(tabs.open(f"{server.url}/test-client"))
    third.fill(userId="7302", receiverId="1001")
    third.connect()
    third.click("dial")
    third.ended("Busy", "User is busy")
    caller.is_at("live")
    caller.click("end")


DIAL_AS_IT_RINGS = """() => {
    const view = page.views[0], engine = view.phone.manager.engine
    engine.on('packet', function ring(packet) {
        if (!String(packet.data).includes('call:incoming')) return // news of others, a heartbeat
        engine.off('packet', ring)
        view.dial()
    })
}"""


def test_two_who_dial_each_other_end_in_one_call(two_pages: TwoPhones) -> None:
    first, second = two_pages
    # Held up on its way, the second phone's initiate cannot arrive before the first one rings.
    second.page.evaluate(DIAL_AS_IT_RINGS)
    first.click("dial")
    second.is_at("ringing")
    second.says("answer that call")
    second.click("accept")
    for phone in two_pages:
        phone.is_at("live")
    first.click("end")
    second.ended("completed")


def test_all_devices_ring_and_the_first_to_answer_has_the_call(
    two_pages: TwoPhones, tabs: Tabs, server: Server
) -> None:
    caller, receiver = two_pages
    other = PhonePage(tabs.open(f"{server.url}/test-client?phone=b"), "B")
    other.connect()
    call(caller, receiver)
    other.is_at("ringing")
    receiver.click("accept")
    other.ended("Answered on another device", "answered_elsewhere")
    caller.is_at("live")
    receiver.is_at("live")
    receiver.click("end")
    caller.ended("completed")


def test_video_is_asked_for_and_answered(two_pages: TwoPhones) -> None:
    caller, receiver = two_pages
    answered_call(caller, receiver)
    caller.click("video")
    expect(caller.part("video")).to_be_disabled()
    receiver.click("video-no")
    caller.says("They declined video")
    expect(caller.part("live-what")).to_contain_text("Audio call")
    receiver.click("video")
    caller.click("video-yes")
    receiver.says("They accepted video")
    for phone in two_pages:
        expect(phone.part("live-what")).to_contain_text("Video call")
        expect(phone.part("video")).to_be_disabled()
    caller.click("end")
    receiver.ended()


def test_a_live_call_outlives_a_restart_of_nobody_but_the_network(tabs: Tabs, two_pages: TwoPhones) -> None:
    caller, receiver = two_pages
    answered_call(caller, receiver)
    caller.page.context.set_offline(True)
    caller.page.evaluate(
        "page.views[0].phone.manager.engine.close()"
    )  # what a lost network does after the ping timeout
    expect(caller.part("pill")).to_have_attribute("data-state", "waiting")
    caller.is_at("live")
    expect(caller.part("end")).to_be_disabled()
    caller.page.context.set_offline(False)
    caller.is_online()
    caller.click("end")
    receiver.ended("completed")
    assert tabs.complaints(but=OUT_OF_REACH) == []


def test_phones_come_back_after_a_restart_of_the_server(
    tabs: Tabs, phone_at: Callable[[Server, str], PhonePage], own_server: Server
) -> None:
    caller, receiver = phone_at(own_server, "a"), phone_at(own_server, "b")
    caller.click("watch")
    own_server.stop()
    for phone in (caller, receiver):
        expect(phone.part("pill")).to_have_attribute("data-state", "waiting")
    own_server.start()
    for phone in (caller, receiver):
        phone.is_online()
    expect(caller.part("people").locator("li.on")).to_have_count(1)
    answered_call(caller, receiver)
    caller.click("end")
    receiver.ended("completed")
    assert tabs.complaints(but=OUT_OF_REACH) == []


def test_a_reloaded_page_takes_up_its_live_call(two_pages: TwoPhones) -> None:
    caller, receiver = two_pages
    answered_call(caller, receiver)
    caller.page.reload()
    caller.connect()
    caller.part("fold-calls").locator("summary").click()
    caller.click("sync")
    caller.is_at("live")
    expect(caller.part("calls").locator("li").first).to_contain_text("accepted")
    caller.click("end")
    receiver.ended("completed")


def test_presence_is_watched(phone_at: Callable[[Server, str], PhonePage], server: Server) -> None:
    watcher, watched = phone_at(server, "a"), phone_at(server, "b")
    watcher.fill(userIds="1002, 7303")
    watcher.click("watch")
    expect(watcher.part("people").locator("li")).to_have_text([re.compile("1002.*online"), re.compile("7303.*offline")])
    watched.click("connect")
    expect(watcher.part("people").locator("li.on")).to_have_count(0)
    watched.connect()
    expect(watcher.part("people").locator("li.on")).to_contain_text("1002")


def test_a_refused_token_is_named(tabs: Tabs, server: Server) -> None:
    phone = PhonePage(tabs.open(f"{server.url}/test-client"))
    phone.fill(token="dev:somebody-else")
    phone.click("connect")
    phone.says("Refused: Invalid token")
    expect(phone.part("pill")).to_have_attribute("data-state", "off")
    assert tabs.complaints(but="WebSocket is closed before") == []  # the client drops its half-made upgrade


def test_a_refused_command_shows_the_error_and_its_code(two_pages: TwoPhones) -> None:
    caller, _ = two_pages
    caller.fill(receiverId="1001")
    caller.click("dial")
    caller.says("(forbidden)")
    caller.ended("forbidden")
