"""The packet list: what it shows, filters, copies and exports, and what it never shows."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.chromium import Tabs
from tests.browser.conftest import TwoPhones
from tests.browser.phone_page import PhonePage, call, packets
from tests.interop.server_process import Server

pytestmark = pytest.mark.browser

SECRET = "dev:1001:a-device-nobody-should-read"


@pytest.fixture
def after_a_reject(two_phones: TwoPhones) -> TwoPhones:
    caller, receiver = two_phones
    caller.fill(agoraToken="agora-token-nobody-should-read")
    call(caller, receiver)
    receiver.click("reject")
    caller.ended()
    return two_phones


def test_packets_show_time_round_trip_and_age(after_a_reject: TwoPhones) -> None:
    rows = packets(after_a_reject[0].page)
    named = {(row["who"], row["dir"], row["name"]): row for row in rows}
    assert re.fullmatch(r"\d+\.\d ms", named["A", "in", "ack call:initiate"]["late"])
    assert re.fullmatch(r"-?\d+ ms old", named["B", "in", "call:incoming"]["late"])
    assert named["B", "out", "call:reject"]["late"] == ""
    assert all(re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3}", row["time"]) for row in rows)
    assert [row["time"] for row in rows] == sorted(row["time"] for row in rows)


def test_every_kind_of_packet_is_there(after_a_reject: TwoPhones) -> None:
    names = {row["name"] for row in packets(after_a_reject[0].page)}
    assert {"open", "CONNECT", "probing", "upgraded", "call:initiate", "call:ringing", "call:rejected"} <= names
    assert {"call:reject", "ack call:reject", "call:reject:confirmed", "user:online"} <= names


def test_the_filter_narrows_what_is_listed_copied_and_exported(after_a_reject: TwoPhones, tmp_path: Path) -> None:
    page = after_a_reject[0].page
    page.locator("#log-filter").fill("call:reject")
    page.locator("#log-dir").select_option("out")
    assert [row["name"] for row in packets(page)] == ["call:reject"]
    expect(page.locator("#log-count")).to_have_text(re.compile(r"^1 of \d+$"))

    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("#log-copy").click()
    expect(page.locator("#log-count")).to_have_text("Copied 1")
    line = page.evaluate("navigator.clipboard.readText()").split("\t")
    assert line[1:4] == ["B", "out", "call:reject"]

    with page.expect_download() as download:
        page.locator("#log-export").click()
    assert re.fullmatch(r"onlycare-packets-[\w-]+\.json", download.value.suggested_filename)
    download.value.save_as(tmp_path / "packets.json")
    (packet,) = json.loads((tmp_path / "packets.json").read_text())["packets"]
    assert packet["name"] == "call:reject"
    assert packet["phone"] == "B"

    page.locator("#log-filter").fill("nothing has this text")
    expect(page.locator("#packets")).to_have_text("No packet matches the filter.")


def test_a_packet_opens_to_its_whole_payload(after_a_reject: TwoPhones) -> None:
    page = after_a_reject[0].page
    page.locator("#log-filter").fill("call:incoming")
    page.locator("#packets summary").click()
    payload = json.loads(page.locator("#packets pre").inner_text())
    assert payload["callerId"] == "1001"
    assert payload["callType"] == "audio"


def test_no_token_is_ever_shown_copied_or_exported(tabs: Tabs, server: Server, tmp_path: Path) -> None:
    page = tabs.open(f"{server.url}/test-client?view=two")
    caller, receiver = PhonePage(page, "A"), PhonePage(page, "B")
    caller.fill(token=SECRET, agoraToken=SECRET)
    caller.connect()
    receiver.connect()
    call(caller, receiver)
    receiver.click("reject")
    caller.ended()
    assert SECRET not in page.locator("#packets").inner_text()
    assert page.locator("#packets").inner_text().count(f"({len(SECRET)} characters)") >= 2
    assert caller.field("token").get_attribute("type") == "password"
    with page.expect_download() as download:
        page.locator("#log-export").click()
    download.value.save_as(tmp_path / "packets.json")
    assert SECRET not in (tmp_path / "packets.json").read_text()


def test_the_list_is_bounded(tabs: Tabs, server: Server) -> None:
    page = tabs.open(f"{server.url}/test-client")
    page.evaluate(
        "for (let i = 0; i < LOG_LIMIT + 500; i += 1)"
        " page.log.add('A', 'note', `entry ${i}`, { text: 'x'.repeat(9000) })"
    )
    expect(page.locator("#packets li").last.locator(".name")).to_have_text("entry 2499")
    assert page.locator("#packets li").count() == 2000
    assert page.evaluate("page.log.entries.length") == 2000
    assert page.evaluate("Math.max(...page.log.entries.map(entry => entry.text.length))") < 4100


def test_text_from_others_is_never_markup(tabs: Tabs, server: Server) -> None:
    markup = "<img src=x onerror=alert(1)>"
    page = tabs.open(f"{server.url}/test-client?view=two")
    caller, receiver = PhonePage(page, "A"), PhonePage(page, "B")
    caller.connect()
    receiver.connect()
    caller.fill(channelName=markup)
    call(caller, receiver)
    receiver.part("reason").fill(markup)
    receiver.click("reject")
    caller.ended(markup)
    assert page.locator("img").count() == 0
