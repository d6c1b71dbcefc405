"""HTTP long polling: handshake, payloads, errors and the rules of overlapping requests."""

import asyncio
import json

import pytest

from .harness import Harness, serving


async def test_the_handshake_offers_the_upgrade(picows: Harness) -> None:
    async with picows.http.get(picows.polling()) as response:
        assert response.status == 200
        assert response.content_type == "text/plain"
        assert response.headers["Cache-Control"] == "no-store"
        body = await response.text()
    handshake = json.loads(body[1:])
    assert len(handshake.pop("sid")) >= 20
    assert handshake == {"upgrades": ["websocket"], "pingInterval": 25000, "pingTimeout": 20000, "maxPayload": 65536}


@pytest.mark.parametrize(
    ("method", "query", "status", "code", "message"),
    [
        ("GET", {"EIO": "4"}, 400, 0, "Transport unknown"),
        ("GET", {"EIO": "4", "transport": "abc"}, 400, 0, "Transport unknown"),
        ("GET", {"EIO": "4", "transport": "polling", "sid": "guess"}, 400, 1, "Session ID unknown"),
        ("POST", {"EIO": "4", "transport": "polling", "sid": "guess"}, 400, 1, "Session ID unknown"),
        ("GET", {"EIO": "4", "transport": "websocket", "sid": "guess"}, 400, 1, "Session ID unknown"),
        ("POST", {"EIO": "4", "transport": "polling"}, 400, 2, "Bad handshake method"),
        ("PUT", {"EIO": "4", "transport": "polling"}, 400, 2, "Bad handshake method"),
        ("DELETE", {"EIO": "4", "transport": "polling"}, 400, 2, "Bad handshake method"),
        ("GET", {"EIO": "4", "transport": "websocket"}, 400, 3, "Bad request"),
        ("GET", {"EIO": "4", "transport": "polling", "j": "0"}, 400, 3, "Bad request"),
        ("GET", {"EIO": "3", "transport": "polling"}, 400, 5, "Unsupported protocol version"),
        ("GET", {"transport": "polling"}, 400, 5, "Unsupported protocol version"),
        ("GET", {"EIO": "abc", "transport": "websocket"}, 400, 5, "Unsupported protocol version"),
    ],
)
async def test_refusals(
    picows: Harness, method: str, query: dict[str, str], status: int, code: int, message: str
) -> None:
    async with picows.http.request(method, picows.url(**query)) as response:
        assert response.status == status
        assert json.loads(await response.text()) == {"code": code, "message": message}


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
async def test_other_methods_are_refused_on_a_session(picows: Harness, method: str) -> None:
    sid = await picows.open_polling()
    async with picows.http.request(method, picows.polling(sid)) as response:
        assert response.status == 400
        assert (await response.json())["code"] == 3
    assert picows.sockets.sessions == 1


async def test_head_is_refused(picows: Harness) -> None:
    async with picows.http.head(picows.polling()) as response:
        assert response.status == 400
    assert picows.sockets.sessions == 0


async def test_text_and_binary_travel_both_ways_in_order(picows: Harness) -> None:
    path = "/engine.io/"
    sid = await picows.open_polling(path)
    assert await picows.post(sid, "4one\x1ebAQIDBA==\x1e4tw\u00f6", path) == (200, "ok")
    assert await picows.poll(sid, path) == (200, "4one\x1ebAQIDBA==\x1e4tw\u00f6")


async def test_an_open_poll_is_answered_when_there_is_something_to_say(picows: Harness) -> None:
    path = "/engine.io/"
    sid = await picows.open_polling(path)
    poll = asyncio.create_task(picows.poll(sid, path))
    await picows.until(lambda: picows.echo.counters.polls == 1)
    assert await picows.post(sid, "4hello", path) == (200, "ok")
    assert await poll == (200, "4hello")


async def test_two_polls_at_once_close_the_session(picows: Harness) -> None:
    sid = await picows.open_polling()
    first = asyncio.create_task(picows.poll(sid))
    await picows.until(lambda: picows.sockets.counters.polls == 1)
    status, body = await picows.poll(sid)
    assert (status, json.loads(body)["code"]) == (400, 3)
    assert await first == (200, "1")
    assert (await picows.poll(sid))[0] == 400


async def test_two_posts_at_once_close_the_session(picows: Harness) -> None:
    sid = await picows.open_polling()
    poll = asyncio.create_task(picows.poll(sid))
    reader, writer = await picows.raw()
    path = picows.polling(sid).split(str(picows.listener.port), 1)[1]
    writer.write(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n40".encode())
    session = picows.sockets._engine.sessions[sid]
    await picows.until(lambda: session.polling is not None and session.polling._posting)
    assert (await picows.post(sid, "40"))[0] == 400
    assert await poll == (200, "1")
    writer.write(b"xxxxxxxx")
    assert (await asyncio.wait_for(reader.readline(), 5)).startswith(b"HTTP/1.1 400")
    writer.close()


async def test_a_poll_whose_client_hangs_up_ends_the_session(picows: Harness) -> None:
    sid = await picows.open_polling()
    assert (await picows.post(sid, "40"))[0] == 200
    assert (await picows.poll(sid))[0] == 200
    _, writer = await picows.raw()
    path = picows.polling(sid).split(str(picows.listener.port), 1)[1]
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    await picows.until(lambda: picows.sockets.counters.polls == 2)
    writer.close()
    await picows.until(lambda: ("disconnect", "transport close") in picows.seen)


async def test_a_client_that_leaves_gets_its_poll_back(picows: Harness) -> None:
    sid = await picows.open_polling()
    await picows.post(sid, "40")
    await picows.poll(sid)
    poll = asyncio.create_task(picows.poll(sid))
    await picows.until(lambda: picows.sockets.counters.polls == 2)
    assert await picows.post(sid, "1") == (200, "ok")
    assert await poll == (200, "6")
    assert (await picows.poll(sid))[0] == 400
    assert picows.seen == [("disconnect", "transport close")]


@pytest.mark.parametrize(
    "content_type",
    [
        "application/octet-stream",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json",
    ],
)
async def test_a_post_of_another_kind_is_refused(picows: Harness, content_type: str) -> None:
    sid = await picows.open_polling()
    assert (await picows.post(sid, "40", headers={"Content-Type": content_type}))[0] == 400
    assert picows.sockets.sessions == 0


async def test_a_compressed_post_is_refused(picows: Harness) -> None:
    sid = await picows.open_polling()
    assert (await picows.post(sid, "40", compress="gzip"))[0] == 400


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_over_the_limit_is_refused_while_it_comes(picows: Harness, chunked: bool) -> None:
    sid = await picows.open_polling()
    reader, writer = await picows.raw()
    path = picows.polling(sid).split(str(picows.listener.port), 1)[1]
    if chunked:
        head, first = "Transfer-Encoding: chunked", b"10001\r\n" + b"4" * 65_537
    else:
        head, first = "Content-Length: 1000000000", b"4"
    writer.write(f"POST {path} HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n".encode() + first)
    assert (await asyncio.wait_for(reader.readline(), 5)).startswith(b"HTTP/1.1 413")
    assert picows.sockets.sessions == 0
    writer.close()


async def test_a_body_of_exactly_the_limit_is_taken(picows: Harness) -> None:
    path = "/engine.io/"
    sid = await picows.open_polling(path)
    body = "4" + "x" * 65_535
    assert (await picows.post(sid, body, path))[0] == 200
    assert await picows.poll(sid, path) == (200, body)


async def test_a_slow_body_is_cut_and_nobody_else_notices() -> None:
    async with serving(body_timeout=0.2) as server:
        sid = await server.open_polling()
        reader, writer = await server.raw()
        path = server.polling(sid).split(str(server.listener.port), 1)[1]
        writer.write(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n40".encode())
        other = await (await server.websocket()).connect()
        await other.say('421["note",{"text":"a"}]')
        await other.expect('431[{"text":"a"}]')
        assert (await asyncio.wait_for(reader.readline(), 5)).startswith(b"HTTP/1.1 400")
        assert server.sockets.sessions == 1
        writer.close()


async def test_a_closed_session_says_so_to_a_client_between_two_polls(picows: Harness) -> None:
    sid = await picows.open_polling()
    await picows.post(sid, "40")
    await picows.poll(sid)
    socket = picows.accepted[0]
    socket.emit("bye")
    socket.close()
    assert picows.seen == [("disconnect", "server close")]
    assert await picows.poll(sid) == (200, '42["bye"]\x1e1')
    assert (await picows.poll(sid))[0] == 400


async def test_a_client_that_never_polls_is_closed_when_too_much_waits(picows: Harness) -> None:
    sid = await picows.open_polling()
    await picows.post(sid, "40")
    for _ in range(100):
        picows.accepted[0].emit("x", "y" * 10_000)
    assert picows.seen == [("disconnect", "slow reader")]
    assert (await picows.poll(sid))[0] == 400


async def test_a_large_answer_arrives_whole(picows: Harness) -> None:
    sid = await picows.open_polling()
    await picows.post(sid, "40")
    await picows.poll(sid)
    picows.accepted[0].emit("x", "y" * 300_000)
    assert await picows.poll(sid) == (200, '42["x","' + "y" * 300_000 + '"]')


async def test_many_packets_are_spread_over_polls_in_order(picows: Harness) -> None:
    sid = await picows.open_polling()
    await picows.post(sid, "40")
    await picows.poll(sid)
    socket = picows.accepted[0]
    for number in range(40):
        socket.emit("x", number)
    heard = [await picows.poll(sid) for _ in range(3)]
    sizes = [len(body.split("\x1e")) for _, body in heard]
    assert sizes == [16, 16, 8]  # python-engineio gives up on a payload of more than 16
    assert "\x1e".join(body for _, body in heard) == "\x1e".join(f'42["x",{number}]' for number in range(40))


@pytest.mark.parametrize("waiting", [False, True])
async def test_the_last_words_are_spread_over_polls_too(picows: Harness, waiting: bool) -> None:
    sid = await picows.open_polling()
    await picows.post(sid, "40")
    await picows.poll(sid)
    socket = picows.accepted[0]
    poll = asyncio.create_task(picows.poll(sid))
    await picows.until(lambda: picows.sockets.counters.polls == 2)
    if not waiting:
        socket.emit("first")
        assert await poll == (200, '42["first"]')
    for number in range(20):
        socket.emit("x", number)
    socket.close()
    first = (await poll if waiting else await picows.poll(sid))[1].split("\x1e")
    rest = (await picows.poll(sid))[1].split("\x1e")
    assert len(first) == 16
    assert [*first, *rest] == [*(f'42["x",{number}]' for number in range(20)), "1"]
    assert (await picows.poll(sid))[0] == 400


async def test_no_session_is_opened_over_the_limit() -> None:
    async with serving(max_sessions=1) as server:
        await server.open_polling()
        async with server.http.get(server.polling()) as response:
            assert (response.status, await response.text()) == (503, "")
        assert server.sockets.counters.refused == {"too_many_sessions": 1}
