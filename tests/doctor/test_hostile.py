"""Servers that say nothing, hang up, or send for ever: the command is done in time and says what it met."""

import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web

from onlycare_socket.cli.doctor import handshake, phone
from onlycare_socket.cli.doctor.exchange import MOST_BODY, Answer, Http
from onlycare_socket.cli.doctor.handshake import Reason
from tests.doctor.laravel import TOKEN, Laravel, writes
from tests.doctor.running import Doctor

OPEN = '0{"sid":"a","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1}'
Talk = Callable[[web.WebSocketResponse], Awaitable[None]]


def test_all_of_it_is_over_in_time_when_nobody_answers(laravel: Laravel, doctor: Doctor) -> None:
    laravel.nobody = writes(b"HTTP/1.1 200 OK\r\n\r\n", *[b" "] * 100, every=0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        found = doctor("--public-url", address, PORT=address.rpartition(":")[2], ONLYCARE_TOKEN=TOKEN)
    found.one("laravel", "fail", "no whole answer within 5 s", "firewall")
    found.one("port", "fail", "no whole answer within 5 s", "--url")
    found.one("public health", "fail", "no whole answer within 5 s", "DNS")
    assert {"public polling", "public websocket", "origins", "connect", "public connect"} <= found.named("skipped")


class Site:
    """A server whose WebSockets say what a test wants."""

    def __init__(self) -> None:
        self.url = ""
        self.talk: Talk = nothing

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Plays."""
        if request.path == "/endless":
            return await endless(request)
        websocket = web.WebSocketResponse()
        await websocket.prepare(request)
        await self.talk(websocket)
        await websocket.close()
        return websocket


async def nothing(websocket: web.WebSocketResponse) -> None:
    """Hangs up."""


def says(*messages: str | bytes) -> Talk:
    """Opens a session, takes the CONNECT, and sends these."""

    async def talk(websocket: web.WebSocketResponse) -> None:
        await websocket.send_str(OPEN)
        assert TOKEN in await websocket.receive_str()
        for message in messages:
            await (websocket.send_str(message) if isinstance(message, str) else websocket.send_bytes(message))
            if message == "2":
                assert await websocket.receive_str() == "3"

    return talk


async def endless(request: web.Request) -> web.StreamResponse:
    """Sends for as long as somebody reads."""
    response = web.StreamResponse()
    await response.prepare(request)
    try:
        while True:
            await response.write(b" " * 65_536)
    except ConnectionError:
        return response


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    """A server that a test drives."""
    site = Site()
    app = web.Application()
    app.router.add_get("/{path:.*}", site.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    site.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield site
    await runner.cleanup()


async def test_of_a_body_without_end_a_part_is_read(site: Site) -> None:
    async with Http() as http:
        answer = await http.ask(f"{site.url}/endless")
    assert isinstance(answer, Answer)
    assert MOST_BODY <= len(answer.body) < 2 * MOST_BODY


@pytest.mark.parametrize(
    ("talk", "mark", "text"),
    [
        (says("2", b"binary", "42[]", '40{"sid":"a"}'), "ok", "user 5 was let in"),
        (says('44{"message":"Invalid token"}'), "fail", "refused user 5: Invalid token"),
        (says('44{"message":"Authentication required"}'), "fail", "refused user 5: Authentication required"),
        (says('44{"message":"\\u001b[2Jno"}'), "fail", "refused user 5:  [2Jno"),
        (says("44" + "[" * 60_000), "fail", "refused user 5: without a message"),
        (says("44null"), "fail", "refused user 5: without a message"),
        (says(), "fail", "closed the connection without an answer"),
        (says("42" + "x" * 100_000), "fail", "closed the connection without an answer"),
        (nothing, "fail", "its first message is no open packet"),
    ],
)
async def test_what_a_connect_meets(talk: Talk, mark: str, text: str, site: Site) -> None:
    site.talk = talk
    async with Http() as http:
        finding = await phone.connects(http, "connect", site.url, TOKEN, "5")
    assert (finding.mark, text in finding.found) == (mark, True), finding
    assert bool(finding.advice) is (mark != "ok")


async def test_a_page_instead_of_a_websocket(site: Site) -> None:
    async with Http() as http:
        reason = await handshake.open_websocket(http, f"{site.url}/endless?")
    assert reason == Reason("answer", "the answer is 200 with application/octet-stream", 200)
