"""A server, a browser, and phones on pages that must not complain."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.chromium import Tabs, chromium, missing
from tests.browser.phone_page import PhonePage
from tests.interop.libraries import leave_out
from tests.interop.server_process import Server

TwoPhones = tuple[PhonePage, PhonePage]


# Not of the session: while Playwright's own event loop stands still in the main thread, no other test could run one.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium for the tests of one file."""
    if reason := missing():
        leave_out(reason)
    with chromium() as started:
        yield started


@pytest.fixture
def tabs(browser: Browser) -> Iterator[Tabs]:
    """Opens pages; the test fails if one of them complains and the test did not take the complaints."""
    tabs = Tabs(browser)
    yield tabs
    complaints = tabs.complaints()
    tabs.close()
    assert complaints == []


@pytest.fixture
def server() -> Iterator[Server]:
    """A development server as `make run` starts it, without the limit that would slow the tests down."""
    yield from _serve(Server("--dev", RATE_LIMIT="0"))


@pytest.fixture
def impatient_server() -> Iterator[Server]:
    """A development server on which a ring lasts two seconds."""
    yield from _serve(Server("--dev", RING_TIMEOUT="2"))


@pytest.fixture
def own_server() -> Iterator[Server]:
    """A development server that the test may stop and start."""
    yield from _serve(Server("--dev"))


def _serve(server: Server) -> Iterator[Server]:
    server.start()
    yield server
    server.close()


@pytest.fixture
def two_phones(tabs: Tabs, server: Server) -> TwoPhones:
    """Both phones of the two-phones view, connected with nothing typed."""
    page = tabs.open(f"{server.url}/test-client?view=two")
    page.get_by_role("button", name="Connect both").click()
    phones = PhonePage(page, "A"), PhonePage(page, "B")
    for phone in phones:
        phone.is_online()
    return phones


@pytest.fixture
def phone_at(tabs: Tabs) -> Callable[[Server, str], PhonePage]:
    """Opens phone a or b of a server on a page of its own, connected with nothing typed."""

    def open_phone(server: Server, which: str) -> PhonePage:
        page = tabs.open(f"{server.url}/test-client?phone={which}")
        phone = PhonePage(page, "A" if which == "a" else "B")
        phone.connect()
        return phone

    return open_phone


@pytest.fixture
def two_pages(phone_at: Callable[[Server, str], PhonePage], server: Server) -> TwoPhones:
    """Phone A on one page and phone B on another, both connected."""
    return phone_at(server, "a"), phone_at(server, "b")
