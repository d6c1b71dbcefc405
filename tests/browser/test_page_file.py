"""The page as a file: its own security rules, the client script it names, and that it opens from disk."""

import base64
import hashlib
import json
import re

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.chromium import CLIENT_SCRIPT, HERE, PAGE, Tabs
from tests.browser.phone_page import PhonePage, answered_call
from tests.interop.server_process import Server

SOURCE = PAGE.read_text(encoding="utf-8")


def _digest(algorithm: str, content: bytes) -> str:
    return f"{algorithm}-{base64.b64encode(hashlib.new(algorithm, content).digest()).decode()}"


def test_the_policy_allows_the_inline_script_and_no_other() -> None:
    (script,) = re.findall(r"<script>(.*?)</script>", SOURCE, re.DOTALL)
    (allowed,) = re.findall(r"'(sha256-[^']+)'", SOURCE)
    assert allowed == _digest("sha256", script.encode()), "put this hash into the page's Content-Security-Policy"
    assert "script-src 'self' file: https://cdn.socket.io 'sha256-" in SOURCE


def test_the_page_makes_no_markup_from_text() -> None:
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", SOURCE)
    assert not re.search(r"<[^>]+\s(on\w+|style)=", SOURCE)


def test_the_client_script_of_the_network_is_the_pinned_one() -> None:
    version = json.loads((HERE / "package.json").read_text())["devDependencies"]["socket.io-client"]
    assert f"https://cdn.socket.io/{version}/socket.io.min.js" in SOURCE


@pytest.mark.browser
def test_its_integrity_hash_is_that_of_the_package(browser: Browser) -> None:  # which installs the package
    assert _digest("sha384", CLIENT_SCRIPT.read_bytes()) in SOURCE


@pytest.mark.browser
def test_the_page_opened_from_disk_holds_a_call(tabs: Tabs, server: Server) -> None:
    page = tabs.open(f"{PAGE.as_uri()}?view=two")
    phones = PhonePage(page, "A"), PhonePage(page, "B")
    for phone in phones:
        expect(phone.field("server")).to_have_value("http://127.0.0.1:3001")
        phone.fill(server=server.url)
        phone.connect()
    answered_call(*phones)
    phones[0].click("end")
    phones[1].ended("completed")


@pytest.mark.browser
def test_fields_are_remembered(tabs: Tabs, server: Server) -> None:
    page = tabs.open(f"{server.url}/test-client")
    phone = PhonePage(page)
    phone.fill(userId="7401", channelName="room", receiverId="7402")
    phone.choose("websocket")
    phone.choose("video")
    page.get_by_role("button", name="Theme").click()
    page.reload()
    for name, kept in {"userId": "7401", "token": "dev:7401", "channelName": "room", "receiverId": "7402"}.items():
        expect(phone.field(name)).to_have_value(kept)
    for chosen in ("websocket", "video"):
        expect(phone.root.locator(f'input[value="{chosen}"]')).to_be_checked()
    expect(page.locator("html")).to_have_attribute("data-theme", "light")


REFUSED_STORAGE = """for (const name of ['localStorage', 'sessionStorage'])
  Object.defineProperty(window, name, { get() { throw new DOMException('refused', 'SecurityError'); } });"""


@pytest.mark.browser
def test_the_page_works_where_storage_is_refused(tabs: Tabs, server: Server) -> None:
    page = tabs.open(f"{server.url}/test-client?view=two", before=REFUSED_STORAGE)
    phones = PhonePage(page, "A"), PhonePage(page, "B")
    for phone in phones:
        phone.connect()
    answered_call(*phones)
    phones[0].click("end")


@pytest.mark.browser
def test_a_missing_client_script_is_explained(browser: Browser, server: Server) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.route(re.compile(r"socket\.io\.min\.js$"), lambda route: route.abort())
    page.goto(f"{server.url}/test-client")
    expect(page.get_by_role("alert").filter(has_text="could not be loaded")).to_be_visible()
    expect(page.get_by_role("button", name="Connect", exact=True)).to_be_disabled()
    context.close()


@pytest.mark.browser
def test_the_script_of_the_network_is_taken_when_there_is_no_local_one(browser: Browser, server: Server) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.route(re.compile("/test-client/socket.io.min.js$"), lambda route: route.abort())
    page.route(
        "https://cdn.socket.io/**",
        lambda route: route.fulfill(path=CLIENT_SCRIPT, headers={"Access-Control-Allow-Origin": "*"}),
    )
    page.goto(f"{server.url}/test-client")
    expect(page.locator("html")).to_have_attribute("data-ready", "yes")  # so the integrity hash holds as well
    context.close()
