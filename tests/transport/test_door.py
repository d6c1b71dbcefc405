"""The first bytes of a connection: what goes straight to picows, and that all else is answered as without the door."""

import asyncio

import pytest
from aiohttp import web

from onlycare_socket.transport.handover import hand_over

from .harness import WITHIN, Harness, serving

LINES = {
    "Host": "127.0.0.1",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455 section 1.3


def request(query: str = "EIO=4&transport=websocket", path: str = "/socket.io/", **changed: str | None) -> bytes:
    """An upgrade request with some headers changed, added or, with None, left out."""
    lines = LINES | {name.replace("_", "-"): value for name, value in changed.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value is not None)
    return f"GET {path}?{query} HTTP/1.1\r\n{head}\r\n".encode()


@pytest.fixture
def through_aiohttp(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths of upgrades that aiohttp handed over, and of requests that it answered."""
    paths: list[str] = []

    def noted(asked: web.Request, *rest: object) -> web.StreamResponse:
        paths.append(asked.path)
        return hand_over(asked, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr("onlycare_socket.transport.picowssocket.hand_over", noted)
    return paths


async def answer(server: Harness, *sent: bytes) -> bytes:
    """The head of the answer to what was sent in these pieces."""
    reader, writer = await server.raw()
    for piece in sent:
        writer.write(piece)
        await asyncio.sleep(0.01)
    return await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), WITHIN)


async def test_a_plain_upgrade_never_meets_aiohttp(picows: Harness, through_aiohttp: list[str]) -> None:
    reader, writer = await picows.raw()
    writer.write(request())
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), WITHIN)
    assert head.startswith(b"HTTP/1.1 101 ")
    assert ACCEPT in head
    assert b'0{"sid"' in await asyncio.wait_for(reader.read(1000), WITHIN)
    assert through_aiohttp == []
    assert picows.sockets.sessions == 1


async def test_in_pieces_it_is_the_same_by_aiohttp(picows: Harness, through_aiohttp: list[str]) -> None:
    whole = request()
    head = await answer(picows, whole[:40], whole[40:])
    assert head.startswith(b"HTTP/1.1 101 ")
    assert ACCEPT in head
    assert through_aiohttp == ["/socket.io/"]


async def test_what_comes_with_the_head_is_not_lost(picows: Harness) -> None:
    reader, writer = await picows.raw()
    connect = b"40"
    writer.write(request() + bytes((0x81, 0x80 | len(connect))) + b"\0\0\0\0" + connect)
    got = b""
    async with asyncio.timeout(WITHIN):
        while b'40{"sid"' not in got:
            got += await reader.read(1000)


async def test_a_session_that_polls_is_upgraded_through_it(picows: Harness, through_aiohttp: list[str]) -> None:
    sid = await picows.open_polling()
    head = await answer(picows, request(f"EIO=4&transport=websocket&sid={sid}"))
    assert head.startswith(b"HTTP/1.1 101 ")
    assert through_aiohttp == []


@pytest.mark.parametrize(
    ("sent", "status", "refused"),
    [
        (request("EIO=3&transport=websocket"), 400, "unsupported_version"),
        (request("EIO=4&transport=carrier"), 400, "unknown_transport"),
        (request("EIO=4&transport=websocket&sid=nobody"), 400, "unknown_session"),
        (request("EIO=4&transport=websocket&j=1"), 400, "bad_request"),
        (request(Upgrade="h2c"), 400, "bad_request"),
        (request(Connection="keep-alive"), 400, "bad_request"),
        (request(Sec_WebSocket_Key="short"), 400, "bad_request"),
        (request(Sec_WebSocket_Key=None), 400, "bad_request"),
        (request(Sec_WebSocket_Version="8"), 426, "upgrade_required"),
        (request(Origin="https://elsewhere.example"), 403, "forbidden"),
    ],
)
async def test_a_refusal_is_answered_once_and_by_aiohttp(
    picows: Harness, sent: bytes, status: int, refused: str
) -> None:
    assert (await answer(picows, sent)).startswith(b"HTTP/1.1 %d " % status)
    assert picows.sockets.counters.refused == {refused: 1}
    assert picows.sockets.sessions == 0


async def test_other_paths_are_none_of_its_business(picows: Harness, through_aiohttp: list[str]) -> None:
    assert (await answer(picows, request(path="/engine.io/"))).startswith(b"HTTP/1.1 101 ")
    assert through_aiohttp == ["/engine.io/"]
    assert (await answer(picows, request(path="/nowhere"))).startswith(b"HTTP/1.1 404 ")


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [(None, "127.0.0.1"), ("198.51.100.7", "198.51.100.7"), ("6.6.6.6, 198.51.100.7", "198.51.100.7")],
)
async def test_the_proxy_is_believed_as_in_aiohttp(picows: Harness, forwarded: str | None, address: str) -> None:
    await answer(picows, request(X_Forwarded_For=forwarded))
    [session] = picows.sockets._engine.sessions.values()
    assert session.address == address


async def test_the_other_engine_has_no_door(through_aiohttp: list[str]) -> None:
    async with serving(websocket_engine="aiohttp") as server:
        assert (await answer(server, request())).startswith(b"HTTP/1.1 101 ")
        assert server.sockets.sessions == 1


async def test_silent_connections_end_with_the_server() -> None:
    async with serving() as server:
        reader, _ = await server.raw()
        await server.until(lambda: len(server.listener._watch.connections) == 1)
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        await asyncio.wait_for(reader.readexactly(1), WITHIN)


async def test_nothing_is_kept_of_those_that_left_without_a_word(picows: Harness) -> None:
    _, writer = await picows.raw()
    await picows.until(lambda: len(picows.listener._watch.connections) == 1)
    writer.transport.abort()
    await picows.until(lambda: not picows.listener._watch.connections)
